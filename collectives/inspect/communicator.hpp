// What a communicator is made of: where its ranks are, in whose memory, what its calls are served by, and its memory.
#pragma once

#include <tutti/collectives/communicator/communicator_state.hpp>  // Communicator::state()
#include <tutti/collectives/communicator/hierarchy.hpp>           // ranks by node, for two levels
#include <tutti/collectives/communicator/memory_pools.hpp>        // memory from the pool and beside it
#include <tutti/collectives/node/local_ranks.hpp>                 // whether ranks of a node use each other's memory
