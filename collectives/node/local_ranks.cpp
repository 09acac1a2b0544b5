// Local ranks; see local_ranks.hpp.
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <tutti/collectives/node/local_ranks.hpp>
#include <tutti/collectives/node/node_collective.hpp>
#include <tutti/collectives/system/cross_memory_attach.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::detail {
namespace {

/// Below so many bytes staging is faster, wherever it was measured (collectives/node/DESIGN.md).
constexpr std::size_t kCrossMemoryFrom = std::size_t{512} << 10;

/// What the ranks of a node map of each other.
struct Shown {
  RankBlock rank_block;
  Staging staging;
};

Shown* shown_in(const SharedMemory& memory) noexcept { return reinterpret_cast<Shown*>(memory.data()); }

struct Address {
  std::int32_t process = 0;
  std::int32_t shown_fd = -1;  // there is none
  std::int32_t directory_fd = -1;
  std::int32_t domain = kNoDomain;
  std::uint64_t shown_at = 0;  // in the memory of the process
  std::uint64_t shown_inode = 0;
  std::uint64_t directory_inode = 0;
  std::uint64_t identity = 0;
};

class ProcessRanks final : public LocalRanks {
 public:
  ProcessRanks(int number, std::vector<RankBlock*> rank_blocks, std::vector<Staging*> staging,
               std::shared_ptr<NodeMemory> memory, std::vector<Address> addresses, std::vector<SharedMemory> shown,
               std::vector<std::unique_ptr<PeerMemory>> peers)
      : LocalRanks(number, std::move(rank_blocks), std::move(staging)),
        memory_(std::move(memory)),
        addresses_(std::move(addresses)),
        shown_(std::move(shown)),
        peers_(std::move(peers)) {}

  /// Whether this rank can read the memory of its peers.
  bool can_read() const noexcept {
    for (int r = 0; r < size(); ++r) {
      std::uint64_t identity = 0;
      if (read(r, addresses_[static_cast<std::size_t>(r)].shown_at + offsetof(Shown, rank_block.identity), &identity,
               sizeof identity) != 0 ||
          identity != rank_block(r).identity) {
        return false;
      }
    }
    return true;
  }

  BufferHandle handle_of(const void* data, std::size_t bytes) override {
    BufferHandle place = memory_->find(data, bytes);
    if (!place.is_mapped() && uses_cross_memory() && bytes >= kCrossMemoryFrom && can_be_read(data, bytes)) {
      place.address = reinterpret_cast<std::uintptr_t>(data);
    }
    return place;
  }

  int read(int number, std::uint64_t address, void* to, std::size_t bytes) const override {
    return read_memory({addresses_[static_cast<std::size_t>(number)].process, address}, to, bytes);
  }

  std::byte* address_of(int number, const BufferHandle& place) override {
    return peers_[static_cast<std::size_t>(number)]->address_of(place);
  }

 protected:
  void forget_freed() override {
    for (const auto& peer : peers_) {
      if (peer != nullptr) peer->forget_freed();
    }
  }

 private:
  std::shared_ptr<NodeMemory> memory_;
  std::vector<Address> addresses_;
  std::vector<SharedMemory> shown_;
  std::vector<std::unique_ptr<PeerMemory>> peers_;  // none at the own place
};

std::unique_ptr<ProcessRanks> map_node(int rank, const std::vector<Address>& addresses, SharedMemory own,
                                       const std::shared_ptr<NodeMemory>& memory) {
  std::vector<RankBlock*> rank_blocks;
  std::vector<Staging*> staging;
  std::vector<SharedMemory> shown;
  std::vector<std::unique_ptr<PeerMemory>> peers;
  for (std::size_t r = 0; r < addresses.size(); ++r) {
    const Address& address = addresses[r];
    if (static_cast<int>(r) == rank) {
      shown.push_back(std::exchange(own, {}));
      peers.push_back(nullptr);
    } else {
      shown.push_back(SharedMemory::open(address.process, address.shown_fd, address.shown_inode, sizeof(Shown)));
      peers.push_back(std::make_unique<PeerMemory>(
          address.process,
          memory->directory_of(address.process, address.directory_fd, address.directory_inode, address.identity)));
      if (shown_in(shown.back())->rank_block.identity != address.identity) throw std::bad_alloc();
    }
    rank_blocks.push_back(&shown_in(shown.back())->rank_block);
    staging.push_back(&shown_in(shown.back())->staging);
  }
  return std::make_unique<ProcessRanks>(rank, std::move(rank_blocks), std::move(staging), memory, addresses,
                                        std::move(shown), std::move(peers));
}

/// Seconds that an allreduce takes, on this rank, of data that its peers cannot map. Collective, and without a limit,
/// as MPI's collectives are that make a communicator.
double time_one(ProcessRanks& peers, std::span<float> data) {
  using Clock = std::chrono::steady_clock;
  std::fill(data.begin(), data.end(), 1.0F);  // as programs do, so that no other processor has them in its cache
  const Buffer all(data);
  const Call call = {.collective = Collective::allreduce,
                     .input = all,
                     .output = all,
                     .data_count = data.size(),
                     .dtype = DType::f32,
                     .op = ReduceOp::max};
  const auto begin = Clock::now();
  NodeCollective collective(peers, call, nullptr, 0);
  for (;;) {
    switch (collective.advance()) {
      case Task::Progress::complete:
        return std::chrono::duration<double>(Clock::now() - begin).count();
      case Task::Progress::none:
        sched_yield();
        break;
      case Task::Progress::some:
        break;
    }
  }
}

/// What a rank says once it has, or has not, mapped its node.
struct AccessVerdict {
  std::int32_t opened = 0;
  std::int32_t can_read = 0;
  std::int32_t has_measured = 0;
  std::int32_t reads_faster = 0;
};

/// What all ranks of a node say.
AccessVerdict common(std::span<const AccessVerdict> all, std::span<const int> node_of, int node) noexcept {
  AccessVerdict common = {1, 1, 1, 1};
  for (std::size_t r = 0; r < all.size(); ++r) {
    if (node_of[r] != node) continue;
    common.opened &= all[r].opened;
    common.can_read &= all[r].can_read;
    common.has_measured &= all[r].has_measured;
    common.reads_faster &= all[r].reads_faster;
  }
  return common;
}

/// The fastest of some times without cross-memory attach (CMA), and with it. Collective over the node.
std::array<double, 2> measure_cross_memory(ProcessRanks& peers, std::span<float> memory) {
  constexpr int kTries = 4;  // of which the first only touches the memory
  std::array<double, 2> fastest = {HUGE_VAL, HUGE_VAL};
  for (std::size_t i = 0; i < std::size_t{2} * kTries; ++i) {
    peers.set_cross_memory(i % 2 != 0);
    const double time = time_one(peers, memory);
    if (i >= 2) fastest[i % 2] = std::min(fastest[i % 2], time);
  }
  return fastest;
}

/// Switches CMA on where all ranks of the node are permitted, and want, it. It is measured once in the
/// life of the processes. Collective over `ranks`, which all know what all said.
void choose_cross_memory(Bootstrap& ranks, std::span<const int> node_of, std::span<const AccessVerdict> said,
                         std::span<float> memory, ProcessRanks& peers) {
  const CrossMemoryAttach wanted = wanted_cross_memory();
  const int own_node = node_of[static_cast<std::size_t>(ranks.rank())];
  const AccessVerdict own = common(said, node_of, own_node);
  if (wanted == CrossMemoryAttach::where_permitted) return peers.set_cross_memory(own.can_read != 0);
  const int nodes = 1 + *std::max_element(node_of.begin(), node_of.end());
  bool any_measures = false;
  for (int node = 0; node < nodes; ++node) {
    const AccessVerdict all = common(said, node_of, node);
    any_measures = any_measures || (all.can_read != 0 && all.has_measured == 0);
  }
  bool reads_faster = own.reads_faster != 0;
  if (any_measures) {
    const bool measures = own.can_read != 0 && own.has_measured == 0;
    std::array<double, 2> fastest{};
    if (measures) fastest = measure_cross_memory(peers, memory);
    const auto times = ranks.all_gather(fastest);
    if (measures) {
      std::array<double, 2> sums{};
      for (std::size_t r = 0; r < times.size(); ++r) {
        for (std::size_t i = 0; i < 2 && node_of[r] == own_node; ++i) sums[i] += times[r][i];
      }
      reads_faster = sums[1] < sums[0];
      remember_reads_faster(reads_faster);
    }
  }
  peers.set_cross_memory(own.can_read != 0 && reads_faster);
}

}  // namespace

LocalRanks::LocalRanks(int number, std::vector<RankBlock*> rank_blocks, std::vector<Staging*> staging)
    : number_(number), rank_blocks_(std::move(rank_blocks)), staging_(std::move(staging)) {}

LocalRanks::~LocalRanks() = default;

std::unique_ptr<CopyPipeline> LocalRanks::take_pipeline() {
  if (moving_++ == 0) forget_freed();
  if (idle_.empty()) return std::make_unique<CopyPipeline>();
  std::unique_ptr<CopyPipeline> pipeline = std::move(idle_.back());
  idle_.pop_back();
  return pipeline;
}

void LocalRanks::give_back(std::unique_ptr<CopyPipeline> pipeline) {
  idle_.push_back(std::move(pipeline));
  --moving_;
}

bool LocalRanks::have_left(std::uint64_t number) noexcept {
  std::uint64_t least = UINT64_MAX;
  for (const RankBlock* rank_block : rank_blocks_)
    least = std::min(least, rank_block->left.load(std::memory_order_acquire));
  all_left_ = least;
  return number < all_left_ + kPublishedCalls;
}

void LocalRanks::leave_out_of_order(std::uint64_t number) noexcept {
  if (number != left_) {
    left_early_ |= std::uint64_t{1} << (number - left_ - 1);
    return;
  }
  for (++left_; (left_early_ & 1) != 0; ++left_) left_early_ >>= 1;
  left_early_ >>= 1;
  own().left.store(left_, std::memory_order_release);
}

bool LocalRanks::have_all_parted() const noexcept {
  return std::all_of(rank_blocks_.begin(), rank_blocks_.end(), [](const RankBlock* rank_block) {
    return rank_block->has_parted.load(std::memory_order_acquire);
  });
}

bool LocalRanks::may_have_deceived(int peer, std::uint64_t number) const noexcept {
  std::atomic_thread_fence(std::memory_order_acquire);  // reading its data comes before
  const RankBlock& theirs = rank_block(peer);
  return theirs.has_failed.load(std::memory_order_acquire) && theirs.left.load(std::memory_order_acquire) <= number;
}

bool wants_shared_memory(std::optional<bool> option) {
  if (option) return *option;
  const char* const said = std::getenv("TUTTI_SHARED_MEMORY");
  if (said == nullptr || *said == '\0') return true;
  const std::string_view word = said;
  if (word != "0" && word != "1") throw InvalidArgument(text("TUTTI_SHARED_MEMORY: '", word, "' is not 0 or 1"));
  return word == "1";
}

std::unique_ptr<LocalRanks> open_node(Bootstrap& ranks, std::span<const int> node_of,
                                      const std::shared_ptr<NodeMemory>& memory, bool reduces_by_domain) {
  const int node = node_of[static_cast<std::size_t>(ranks.rank())];
  const auto size = static_cast<int>(std::count(node_of.begin(), node_of.end(), node));
  const auto number = static_cast<int>(std::count(node_of.begin(), node_of.begin() + ranks.rank(), node));
  Address own;
  own.process = static_cast<std::int32_t>(getpid());
  own.domain = own_domain(number, size);
  SharedMemory shown;
  try {
    if (memory != nullptr && size <= kMostLocalRanks) shown = SharedMemory::create(sizeof(Shown));
  } catch (const std::bad_alloc&) {
  }
  if (shown) {
    const SharedMemory& directory = memory->directory_memory();
    shown_in(shown)->rank_block.identity = memory->identity();
    own.shown_fd = shown.fd();
    own.directory_fd = directory.fd();
    own.shown_at = reinterpret_cast<std::uintptr_t>(shown.data());
    own.shown_inode = shown.inode();
    own.directory_inode = directory.inode();
    own.identity = memory->identity();
  }
  std::vector<Address> addresses = ranks.all_gather(own);
  std::size_t kept = 0;
  for (std::size_t r = 0; r < addresses.size(); ++r) {
    if (node_of[r] == node) addresses[kept++] = addresses[r];
  }
  addresses.resize(kept);
  std::unique_ptr<ProcessRanks> peers;
  constexpr std::size_t kCount = kCrossMemoryFrom / sizeof(float);
  const std::unique_ptr<float[]> measured_on(new (std::nothrow) float[kCount]);  // not touched unless it is measured
  AccessVerdict verdict;
  if (shown) {
    try {
      peers = map_node(number, addresses, std::move(shown), memory);
      const std::optional<bool> measured = measured_reads_faster();
      const bool wants = size > 1 && wanted_cross_memory() != CrossMemoryAttach::never && measured_on != nullptr;
      verdict = {.opened = 1,
                 .can_read = wants && peers->can_read() ? 1 : 0,
                 .has_measured = measured ? 1 : 0,
                 .reads_faster = measured.value_or(false) ? 1 : 0};
    } catch (const std::bad_alloc&) {
    }
  }
  const std::vector<AccessVerdict> said = ranks.all_gather(verdict);
  if (std::any_of(said.begin(), said.end(), [](const AccessVerdict& one) { return one.opened == 0; })) return nullptr;
  std::vector<std::int32_t> domain_of;
  domain_of.reserve(addresses.size());
  for (const Address& address : addresses) domain_of.push_back(address.domain);
  peers->set_domains(Domains(domain_of, fewest_in_domain()), reduces_by_domain);
  choose_cross_memory(ranks, node_of, said, {measured_on.get(), kCount}, *peers);
  return peers;
}

}  // namespace tutti::detail
