// What this process has and how it was started.
#pragma once

#include <tutti/collectives/system/available_memory.hpp>   // what the machine and the control groups leave
#include <tutti/collectives/system/launcher.hpp>           // whether a launcher of another MPI library started it
#include <tutti/collectives/transport/open_transport.hpp>  // ucx_version()
