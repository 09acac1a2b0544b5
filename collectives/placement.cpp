// Where ranks live; see placement.hpp.
#include <sched.h>

#include <tutti/collectives/agreement.hpp>
#include <tutti/collectives/hierarchy.hpp>
#include <tutti/collectives/mpi_call.hpp>
#include <tutti/collectives/placement.hpp>

namespace tutti::detail {

Placement::Placement(MPI_Comm comm, const CommunicatorOptions& options, const ChoiceFacts* inherited) {
  check_mpi(MPI_Comm_rank(comm, &rank_), "MPI_Comm_rank");
  check_mpi(MPI_Comm_size(comm, &size_), "MPI_Comm_size");
  // Asked of MPI whatever the options say, which may differ between ranks: pretended nodes share one machine's cores.
  MPI_Comm node = MPI_COMM_NULL;
  check_mpi(MPI_Comm_split_type(comm, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &node), "MPI_Comm_split_type");
  int node_key = 0;  // lowest rank of the node
  check_mpi(MPI_Allreduce(&rank_, &node_key, 1, MPI_INT, MPI_MIN, node), "MPI_Allreduce");
  find_cores(node);
  if constexpr (!kSimulated) watch_ = NodeWatch(node, rank_);
  MPI_Comm_free(&node);
  if (options.ranks_per_node > 0) node_key = rank_ - rank_ % options.ranks_per_node;

  // Together with the nodes, ranks compare what they were given, and learn the first one's stamp, which tells this
  // communicator from all that were before.
  Agreement agreement(options, inherited);
  struct Entry {
    std::int32_t node_key;
    std::uint32_t flags;
    std::uint64_t digest;
    std::int64_t stamp;
  };
  const Entry own{node_key, agreement.flags(), agreement.digest(), Clock::now().time_since_epoch().count()};
  std::vector<Entry> entries(static_cast<std::size_t>(size_));
  check_mpi(MPI_Allgather(&own, sizeof(Entry), MPI_BYTE, entries.data(), sizeof(Entry), MPI_BYTE, comm),
            "MPI_Allgather");
  for (const Entry& entry : entries) agreement.add(entry.flags, entry.digest);
  stamp_ = static_cast<std::uint64_t>(entries.front().stamp);
  place_ = {.node = 0, .nodes = 0, .local_rank = 0, .local_size = 0};
  node_of_.resize(static_cast<std::size_t>(size_));
  for (int r = 0; r < size_; ++r) {
    const int key = entries[static_cast<std::size_t>(r)].node_key;
    node_of_[static_cast<std::size_t>(r)] = key == r ? place_.nodes : node_of_[static_cast<std::size_t>(key)];
    agreement.add_node(key);
    if (key == r) {
      if (key == node_key) place_.node = place_.nodes;
      ++place_.nodes;
    }
    if (key == node_key) {
      if (r < rank_) ++place_.local_rank;
      ++place_.local_size;
    }
  }
  two_levels_ = detail::has_two_levels(node_of_);
  facts_ = agreement.conclude(comm);
}

void Placement::set_shared_memory(bool shares) noexcept {
  facts_.shared_memory = shares;
  if (shares) facts_.digest = (facts_.digest ^ 1) * 0x100000001B3U;  // FNV-1a, as the rest of it
}

int Placement::most_on_node() const { return largest_node(node_of_); }

// The cores that the ranks of this machine may use together, against how many ranks there are.
void Placement::find_cores(MPI_Comm node) {
  cpu_set_t own;
  CPU_ZERO(&own);
  sched_getaffinity(0, sizeof(own), &own);
  cpu_set_t all;
  CPU_ZERO(&all);
  check_mpi(MPI_Allreduce(&own, &all, sizeof(own), MPI_BYTE, MPI_BOR, node), "MPI_Allreduce");
  int ranks = 1;
  MPI_Comm_size(node, &ranks);
  wait_policy_ = WaitPolicy::for_node(ranks, CPU_COUNT(&all));
}

Group Placement::everyone() const {
  const bool one_node = place_.nodes == 1;
  return {size_, rank_, one_node ? facts_.costs.node : shared_link_costs(), one_node ? Surroundings{} : surroundings()};
}

std::vector<bool> Placement::ranks_over_tcp() const {
  if (facts_.network != NetworkClass::tcp) return {};
  std::vector<bool> far;
  far.reserve(node_of_.size());
  for (const int node : node_of_) far.push_back(node != place_.node);
  return far;
}

Surroundings Placement::surroundings() const {
  if (!are_nodes_contiguous(node_of_)) return {};
  const int most = largest_node(node_of_);
  const bool even = size_ == place_.nodes * most;
  return {.ranks_per_node = most,
          .node_byte = facts_.costs.node.byte,
          .network = even ? facts_.description : NetworkDescription{}};
}

/// Of ranks that are spread over nodes in another order nothing more is known than that they share links.
TransportCosts Placement::shared_link_costs() const {
  TransportCosts costs = facts_.costs.network;
  if (!are_nodes_contiguous(node_of_)) costs.byte *= largest_node(node_of_);
  return costs;
}

}  // namespace tutti::detail
