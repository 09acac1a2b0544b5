// Calls of MPI whose errors are thrown, and what a request of tutti's is made of, for calls of MPI that pose as one.
#pragma once

#include <tutti/collectives/system/leak_until_exit.hpp>  // what MPI may touch after an error
#include <tutti/collectives/system/mpi_call.hpp>
#include <tutti/collectives/system/task.hpp>
