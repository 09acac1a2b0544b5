// What the processes of a node do, as others see it: their control blocks, and the report of who waits for whom.
#pragma once

#include <tutti/collectives/system/process_stat.hpp>  // whether a process runs, and since when
#include <tutti/collectives/watch/block_view.hpp>     // control blocks in shared memory
#include <tutti/collectives/watch/hang_report.hpp>    // suspects
#include <tutti/collectives/watch/process_view.hpp>   // a process's communicators and operations
