// NUMA domains; see domains.hpp.
#ifdef TUTTI_HAVE_HWLOC
#include <hwloc.h>
#endif

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <string_view>

#include <tutti/collectives/node/domains.hpp>
#include <tutti/collectives/node/rank_block.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::detail {
namespace {

/// Of so many ranks a domain reducing twice costs less than it saves of what goes from domain to domain.
constexpr int kFewestInDomain = 4;

#ifdef TUTTI_HAVE_HWLOC

/// What hwloc knows of this machine's domains.
class MachineTopology {
 public:
  MachineTopology() noexcept {
    if (hwloc_topology_init(&topology_) != 0) return;
    // What tells no processors apart is left out. (Were all of it, each domain would have the processors of all.)
    hwloc_topology_set_all_types_filter(topology_, HWLOC_TYPE_FILTER_KEEP_STRUCTURE);
    // Where each rank is confined to one domain it would not see that there are others.
    hwloc_topology_set_flags(topology_, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED);
    is_loaded_ = hwloc_topology_load(topology_) == 0;
  }
  MachineTopology(const MachineTopology&) = delete;
  MachineTopology& operator=(const MachineTopology&) = delete;
  ~MachineTopology() {
    if (topology_ != nullptr) hwloc_topology_destroy(topology_);
  }

  /// Of all processors on which the calling thread may run.
  std::int32_t domain_of_thread() const noexcept {
    if (!is_loaded_) return kNoDomain;
    const hwloc_cpuset_t processors = hwloc_bitmap_alloc();
    std::int32_t found = kNoDomain;
    if (processors != nullptr && hwloc_get_cpubind(topology_, processors, HWLOC_CPUBIND_THREAD) == 0)
      found = smallest_around(processors);
    hwloc_bitmap_free(processors);
    return found;
  }

 private:
  /// Memory without processors is of no rank; of several kinds near the same processors the first stands for all.
  std::int32_t smallest_around(hwloc_const_cpuset_t processors) const noexcept {
    hwloc_obj_t found = nullptr;
    hwloc_obj_t next = nullptr;
    while ((next = hwloc_get_next_obj_by_type(topology_, HWLOC_OBJ_NUMANODE, next)) != nullptr) {
      if (hwloc_bitmap_isincluded(processors, next->cpuset) == 0) continue;
      if (found == nullptr || hwloc_bitmap_weight(next->cpuset) < hwloc_bitmap_weight(found->cpuset)) found = next;
    }
    return found == nullptr ? kNoDomain : static_cast<std::int32_t>(found->os_index);
  }

  hwloc_topology_t topology_ = nullptr;
  bool is_loaded_ = false;
};

#endif

}  // namespace

Domains::Domains(std::span<const std::int32_t> domain_of, int fewest) {
  std::vector<std::int32_t> domains;  // in the order of their lowest ranks
  std::vector<std::vector<int>> members;
  for (std::size_t rank = 0; rank < domain_of.size(); ++rank) {
    if (domain_of[rank] == kNoDomain) return;
    const auto found = std::find(domains.begin(), domains.end(), domain_of[rank]) - domains.begin();
    if (found == static_cast<std::ptrdiff_t>(domains.size())) {
      domains.push_back(domain_of[rank]);
      members.emplace_back();
    }
    members[static_cast<std::size_t>(found)].push_back(static_cast<int>(rank));
  }
  if (members.size() < 2) return;
  const std::size_t each = members.front().size();
  for (const std::vector<int>& ranks : members) {
    if (ranks.size() != each) return;
  }
  if (each < static_cast<std::size_t>(fewest)) return;
  ranks_each_ = static_cast<int>(each);
  index_of_.resize(domain_of.size());
  int index = 0;
  for (const std::vector<int>& ranks : members) {
    ranks_.insert(ranks_.end(), ranks.begin(), ranks.end());
    for (const int rank : ranks) index_of_[static_cast<std::size_t>(rank)] = index++;
  }
}

WantedDomains wanted_domains() {
  const char* const said = std::getenv("TUTTI_NUMA");
  if (said == nullptr || *said == '\0') return {};
  const std::string_view word = said;
  int number = -1;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  if (error != std::errc() || end != word.data() + word.size() || number < 0 || number == 1 || number > kMostLocalRanks)
    throw InvalidArgument(
        text("TUTTI_NUMA: '", word, "' is not 0, or a number of domains from 2 to ", kMostLocalRanks));
  return {.by_hardware = false, .pretended = number};
}

std::int32_t domain_of_this_thread() noexcept {
#ifdef TUTTI_HAVE_HWLOC
  static const MachineTopology topology;
  return topology.domain_of_thread();
#else
  return kNoDomain;
#endif
}

std::int32_t own_domain(int number, int ranks) {
  const WantedDomains wanted = wanted_domains();
  if (wanted.by_hardware) return ranks < 2 * kFewestInDomain ? kNoDomain : domain_of_this_thread();
  if (wanted.pretended == 0 || ranks % wanted.pretended != 0) return kNoDomain;
  return static_cast<std::int32_t>(std::int64_t{number} * wanted.pretended / ranks);
}

int fewest_in_domain() { return wanted_domains().by_hardware ? kFewestInDomain : 1; }

}  // namespace tutti::detail
