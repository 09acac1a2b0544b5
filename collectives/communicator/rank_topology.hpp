// Where the ranks of a communicator live, and what follows from that: how they wait, what messages cost, and which
// ranks are far.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <tutti/collectives/communicator.hpp>
#include <tutti/collectives/communicator/rank_group.hpp>
#include <tutti/collectives/selection_facts.hpp>
#include <tutti/collectives/transport/bootstrap.hpp>
#include <tutti/collectives/transport/waiting.hpp>
#include <tutti/collectives/watch/node_watch.hpp>

namespace tutti::detail {

class RankTopology {
 public:
  /// Finds the nodes, of which the options may pretend some. In the same exchange ranks compare what they must have in
  /// common (creation_check.hpp); a part of a communicator inherits what the choice of algorithms knows. Collective
  /// over `ranks`. \throws InvalidArgument on every rank if options are wrong on any, or differ; CommunicationError
  RankTopology(Bootstrap& ranks, const CommunicatorOptions& options, const SelectionFacts* inherited);

  const Topology& topology() const noexcept { return topology_; }

  /// Node of every rank.
  std::span<const int> node_of() const noexcept { return node_of_; }

  /// The most ranks that a node has.
  int most_on_node() const;

  bool has_two_levels() const noexcept { return two_levels_; }
  const SelectionFacts& facts() const noexcept { return facts_; }

  /// Once it is known whether the ranks of a node use each other's memory: that is among the facts.
  void set_shared_memory(bool shares) noexcept;

  /// As fits the ranks of this machine and the cores that they may use together.
  const WaitPolicy& wait_policy() const noexcept { return wait_policy_; }

  /// Tells this communicator from all that were before; the same on all ranks.
  std::uint64_t stamp() const noexcept { return stamp_; }

  /// Those on this machine, whatever nodes are pretended.
  NodeWatch& watch() noexcept { return watch_; }
  const NodeWatch& watch() const noexcept { return watch_; }

  /// The group of all ranks, with what messages cost among them.
  RankGroup everyone() const;

  /// Which ranks are reached by TCP; empty if none is.
  std::vector<bool> ranks_over_tcp() const;

 private:
  struct Entry;
  void find_nodes(std::span<const Entry> entries);
  void look_at_machine(Bootstrap& ranks, std::span<const Entry> entries);
  CostContext cost_context() const;
  TransportCosts shared_link_costs() const;

  int rank_ = 0;
  int size_ = 1;
  Topology topology_;
  std::vector<int> node_keys_;  // of every rank the lowest one of its node
  std::vector<int> node_of_;
  bool two_levels_ = false;
  SelectionFacts facts_;
  WaitPolicy wait_policy_;
  NodeWatch watch_;
  std::uint64_t stamp_ = 0;
};

}  // namespace tutti::detail
