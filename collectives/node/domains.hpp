// NUMA domains of a node: which of its ranks have memory of the same one near them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tutti::detail {

/// Of a rank that may run in several domains, or of which nothing is known.
inline constexpr std::int32_t kNoDomain = -1;

/// The ranks of a node by domain, where domains make a difference: where there are several, with equally many ranks
/// each. A rank has a place among those of its domain, in rank order; ranks with the same place in different domains
/// are peers. Domains are numbered in the order of their lowest ranks.
class Domains {
 public:
  /// They make no difference.
  Domains() = default;

  /// `domain_of` has the domain of every rank, by any numbers; `fewest`: so many ranks of a domain, or else they make
  /// no difference.
  explicit Domains(std::span<const std::int32_t> domain_of, int fewest = 1);

  bool matter() const noexcept { return ranks_each_ > 0; }

  int count() const noexcept { return matter() ? static_cast<int>(index_of_.size()) / ranks_each_ : 1; }

  /// What follows is defined where they matter.
  int ranks_each() const noexcept { return ranks_each_; }
  int domain_of(int rank) const noexcept { return index_of(rank) / ranks_each_; }
  int handle_of(int rank) const noexcept { return index_of(rank) % ranks_each_; }
  int rank_at(int domain, int place) const noexcept {
    return ranks_[static_cast<std::size_t>(domain) * static_cast<std::size_t>(ranks_each_) +
                  static_cast<std::size_t>(place)];
  }
  bool share_domain(int a, int b) const noexcept { return domain_of(a) == domain_of(b); }
  bool are_peers(int a, int b) const noexcept { return handle_of(a) == handle_of(b); }

 private:
  int index_of(int rank) const noexcept { return index_of_[static_cast<std::size_t>(rank)]; }

  int ranks_each_ = 0;
  std::vector<int> ranks_;     // those of one domain after those of the other
  std::vector<int> index_of_;  // of every rank, in that order
};

/// What the environment variable TUTTI_NUMA says: nothing, 0, or a number of domains to be pretended, of neighbouring
/// ranks. \throws InvalidArgument
struct WantedDomains {
  bool by_hardware = true;
  int pretended = 0;
  friend bool operator==(const WantedDomains&, const WantedDomains&) = default;
};
WantedDomains wanted_domains();

/// The domain of all processors on which this thread may run, by its number in the system, or kNoDomain: they are of
/// several, or hwloc does not know, or was not built in.
std::int32_t domain_of_this_thread() noexcept;

/// The domain of a rank, number `number` of `ranks` on its node, that the others are told of.
std::int32_t own_domain(int number, int ranks);

/// Fewer ranks in each domain gain too little to reduce in two steps (collectives/node/DESIGN.md), unless it is asked
/// for.
int fewest_in_domain();

}  // namespace tutti::detail
