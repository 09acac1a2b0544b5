// Where ranks live; see rank_topology.hpp.
#include <sched.h>

#include <atomic>
#include <unordered_map>
#include <utility>

#include <tutti/collectives/call/call.hpp>
#include <tutti/collectives/communicator/creation_check.hpp>
#include <tutti/collectives/communicator/hierarchy.hpp>
#include <tutti/collectives/communicator/rank_topology.hpp>
#include <tutti/collectives/system/machine.hpp>
#include <tutti/collectives/watch/own_block.hpp>

namespace tutti::detail {

/// What a rank tells of itself. Nodes may be pretended; the machine is what it is.
struct RankTopology::Entry {
  std::uint64_t machine;
  std::uint64_t digest;  // of what must agree
  std::uint64_t stamp;
  std::uint32_t flags;
  std::int32_t pretended_node;  // its lowest rank, or kNotPretended
  ProcessId process;
  cpu_set_t cores;
};

namespace {

constexpr std::int32_t kNotPretended = -1;

std::uint64_t new_stamp(const ProcessId& process) noexcept {
  static std::atomic<std::uint64_t> made{0};
  const auto now = static_cast<std::uint64_t>(Clock::now().time_since_epoch().count());
  return mixed(process.identity, mixed(now, made.fetch_add(1, std::memory_order_relaxed)));
}

}  // namespace

RankTopology::RankTopology(Bootstrap& ranks, const CommunicatorOptions& options, const SelectionFacts* inherited)
    : rank_(ranks.rank()), size_(ranks.size()) {
  CreationCheck check(options, inherited);
  Entry own{.machine = own_machine(),
            .digest = check.digest(),
            .stamp = 0,
            .flags = check.flags(),
            .pretended_node = kNotPretended,
            .process = {},
            .cores = {}};
  if (options.ranks_per_node > 0) own.pretended_node = rank_ - rank_ % options.ranks_per_node;
  if (OwnBlock::is_possible()) own.process = own_process_id();
  own.stamp = new_stamp(own.process);
  CPU_ZERO(&own.cores);
  sched_getaffinity(0, sizeof own.cores, &own.cores);
  const std::vector<Entry> entries = ranks.all_gather(own);
  // All learn the first one's stamp, which tells this communicator from all others.
  stamp_ = entries.front().stamp;
  for (const Entry& entry : entries) check.add(entry.flags, entry.digest);
  find_nodes(entries);
  for (const int key : node_keys_) check.add_node(key);
  look_at_machine(ranks, entries);
  facts_ = check.conclude(ranks);
}

void RankTopology::find_nodes(std::span<const Entry> entries) {
  std::unordered_map<std::uint64_t, int> lowest;  // rank of a machine
  node_keys_.reserve(entries.size());
  for (int r = 0; r < size_; ++r) {
    const Entry& entry = entries[static_cast<std::size_t>(r)];
    const int on_machine = lowest.try_emplace(entry.machine, r).first->second;
    node_keys_.push_back(entry.pretended_node == kNotPretended ? on_machine : entry.pretended_node);
  }
  const int own_key = node_keys_[static_cast<std::size_t>(rank_)];
  topology_ = {.node = 0, .nodes = 0, .local_rank = 0, .local_size = 0};
  node_of_.resize(entries.size());
  for (int r = 0; r < size_; ++r) {
    const int key = node_keys_[static_cast<std::size_t>(r)];
    node_of_[static_cast<std::size_t>(r)] = key == r ? topology_.nodes : node_of_[static_cast<std::size_t>(key)];
    if (key == r) {
      if (key == own_key) topology_.node = topology_.nodes;
      ++topology_.nodes;
    }
    if (key == own_key) {
      if (r < rank_) ++topology_.local_rank;
      ++topology_.local_size;
    }
  }
  two_levels_ = detail::has_two_levels(node_of_);
}

// How many ranks this machine has, whatever nodes are pretended, against the cores that they may use together; and the
// processes to watch.
void RankTopology::look_at_machine(Bootstrap& ranks, std::span<const Entry> entries) {
  const Entry& own = entries[static_cast<std::size_t>(rank_)];
  cpu_set_t cores;
  CPU_ZERO(&cores);
  std::vector<NodeWatch::Peer> peers;
  std::unordered_map<std::uint64_t, std::uint64_t> namespaces;  // of process numbers, by machine
  bool needs_sockets = false;                                   // on any machine
  for (int r = 0; r < size_; ++r) {
    const Entry& entry = entries[static_cast<std::size_t>(r)];
    const auto [first, is_new] = namespaces.try_emplace(entry.machine, entry.process.pid_namespace);
    if (!is_new && (first->second != entry.process.pid_namespace || first->second == 0)) needs_sockets = true;
    if (entry.machine != own.machine) continue;
    CPU_OR(&cores, &cores, &entry.cores);
    peers.push_back({r, entry.process, nullptr});
  }
  wait_policy_ = WaitPolicy::for_node(static_cast<int>(peers.size()), CPU_COUNT(&cores));
  if (OwnBlock::is_possible()) {
    watch_ = NodeWatch(std::move(peers), rank_);
    if (needs_sockets) watch_.join_by_sockets(ranks, stamp_);
  }
}

void RankTopology::set_shared_memory(bool shares) noexcept {
  facts_.shared_memory = shares;
  if (shares) facts_.digest = (facts_.digest ^ 1) * 0x100000001B3U;  // FNV-1a, as the rest of it
}

int RankTopology::most_on_node() const { return largest_node(node_of_); }

RankGroup RankTopology::everyone() const {
  const bool one_node = topology_.nodes == 1;
  return {size_, rank_, one_node ? facts_.costs.node : shared_link_costs(), one_node ? CostContext{} : cost_context()};
}

std::vector<bool> RankTopology::ranks_over_tcp() const {
  if (facts_.network != NetworkClass::tcp) return {};
  std::vector<bool> far;
  far.reserve(node_of_.size());
  for (const int node : node_of_) far.push_back(node != topology_.node);
  return far;
}

CostContext RankTopology::cost_context() const {
  if (!are_nodes_contiguous(node_of_)) return {};
  const int most = largest_node(node_of_);
  const bool even = size_ == topology_.nodes * most;
  return {.ranks_per_node = most,
          .node_byte = facts_.costs.node.byte,
          .network = even ? facts_.description : NetworkDescription{}};
}

/// Of ranks that are spread over nodes in another order nothing more is known than that they share links.
TransportCosts RankTopology::shared_link_costs() const {
  TransportCosts costs = facts_.costs.network;
  if (!are_nodes_contiguous(node_of_)) costs.byte *= largest_node(node_of_);
  return costs;
}

}  // namespace tutti::detail
