// Flight records and timelines as files, and clocks that are compared so that those of several processes fit together.
#pragma once

#include <tutti/collectives/transport/bounded_mpi.hpp>   // exchanges that end in time
#include <tutti/collectives/transport/clock_offset.hpp>  // by how much clocks differ
#include <tutti/collectives/watch/record_file.hpp>
#include <tutti/collectives/watch/trace.hpp>
