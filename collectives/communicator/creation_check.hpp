// What ranks must have in common before a communicator exists: what they were given is checked and compared, and what
// the choice of algorithms knows is settled, so that all ranks choose alike.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <tutti/collectives/communicator.hpp>
#include <tutti/collectives/selection_facts.hpp>
#include <tutti/collectives/transport/bootstrap.hpp>

namespace tutti::detail {

/// What is wrong with tutti's variables in this rank's environment, whatever the other ranks have; empty if nothing is.
/// `reads_files`: the file of rules as well, which rank 0 reads.
std::string find_environment_problem(bool reads_files);

/// One rank's part in it. What all ranks must see of each other, flags and digest, travels with what they exchange
/// anyway; a further message is needed only where ranks differ, and for a tuning file.
class CreationCheck {
 public:
  /// `inherited` of the communicator that the new one is a part of, or null.
  CreationCheck(const CommunicatorOptions& options, const SelectionFacts* inherited);

  std::uint32_t flags() const noexcept { return flags_; }
  std::uint64_t digest() const noexcept;

  /// What rank 0, 1, ... has said, in rank order.
  void add(std::uint32_t flags, std::uint64_t digest);

  /// The lowest rank on the node of rank 0, 1, ....
  void add_node(int lowest_rank) noexcept;

  /// Collective, once all ranks are added. \throws InvalidArgument on every rank if options are wrong on any, or
  /// differ.
  SelectionFacts conclude(Bootstrap& ranks) const;

 private:
  void require_right_options(Bootstrap& ranks) const;
  void require_same_parts(Bootstrap& ranks) const;
  void settle_costs(Bootstrap& ranks, SelectionFacts& facts) const;
  static void settle_rules(Bootstrap& ranks, SelectionFacts& facts);
  void settle_description(SelectionFacts& facts) const;

  const CommunicatorOptions& options_;
  const SelectionFacts* inherited_;
  std::string problem_;               // with the options
  std::vector<std::uint64_t> parts_;  // digests of what must agree, each with a name (creation_check.cpp)
  std::uint32_t flags_ = 0;

  int ranks_ = 0;
  bool differ_ = false;
  std::uint64_t first_digest_ = 0;
  int placed_ranks_ = 0;
  int nodes_ = 0;
  std::uint64_t nodes_digest_ = 0;
  int first_problem_ = -1;
  bool tuning_named_ = false;
  bool all_have_rdma_ = true;
};

}  // namespace tutti::detail
