// Which algorithms there are, the messages of each, and which one a call is served by: by rule or by predicted cost.
#pragma once

#include <tutti/collectives/schedule/algorithm_table.hpp>
#include <tutti/collectives/schedule/schedule.hpp>
#include <tutti/collectives/selection/rules.hpp>
#include <tutti/collectives/selection/selection.hpp>
#include <tutti/collectives/selection/spelling.hpp>  // names as MPI and NCCL spell them
