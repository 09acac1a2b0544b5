// What follows from the kind of a call that ranks of a node make in each other's memory.
#pragma once

#include <cstdint>

#include <tutti/collectives/call/call.hpp>
#include <tutti/collectives/node/work_split.hpp>
#include <tutti/collectives/watch/flight_log.hpp>

namespace tutti::detail {

/// How a call is made.
struct NodePlan {
  Pattern pattern = {};    ///< of small data
  bool is_small = true;    ///< the data are in the posts
  Who awaited = Who::all;  ///< whose posts have to be seen
};

/// As the rank of that number, of so many, makes it.
NodePlan plan_in_node(const Call& call, int number, int ranks) noexcept;

/// What is known of a kind of call that was found right: all but its number and the calls before it.
struct CachedNodePlan {
  NodePlan plan;
  Signature signature;
  std::uint64_t digest;  ///< of the signature
  std::uint64_t number;  ///< of the kind, on this rank
  FlightRecord flight;   ///< as the flight recorder tells it
};

}  // namespace tutti::detail
