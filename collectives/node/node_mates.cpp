// Node-mates; see node_mates.hpp.
#include <sched.h>
#include <unistd.h>

#include <algorithm>
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

#include <tutti/collectives/mpi_call.hpp>
#include <tutti/collectives/node/direct.hpp>
#include <tutti/collectives/node/node_mates.hpp>
#include <tutti/collectives/node/single_copy.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::detail {
namespace {

/// Below so many bytes staging is faster, wherever it was measured (bench/node/README.md).
constexpr std::size_t kSingleCopyFrom = std::size_t{512} << 10;

/// What the ranks of a node map of each other.
struct Shown {
  Board board;
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

class ProcessMates final : public NodeMates {
 public:
  ProcessMates(int number, std::vector<Board*> boards, std::vector<Staging*> staging,
               std::shared_ptr<NodeMemory> memory, std::vector<Address> addresses, std::vector<SharedMemory> shown,
               std::vector<std::unique_ptr<MateMemory>> mates)
      : NodeMates(number, std::move(boards), std::move(staging)),
        memory_(std::move(memory)),
        addresses_(std::move(addresses)),
        shown_(std::move(shown)),
        mates_(std::move(mates)) {}

  /// Whether this rank can read the memory of its mates.
  bool can_read() const noexcept {
    for (int r = 0; r < size(); ++r) {
      std::uint64_t identity = 0;
      if (read(r, addresses_[static_cast<std::size_t>(r)].shown_at + offsetof(Shown, board.identity), &identity,
               sizeof identity) != 0 ||
          identity != board(r).identity) {
        return false;
      }
    }
    return true;
  }

  Place place_of(const void* data, std::size_t bytes) override {
    Place place = memory_->find(data, bytes);
    if (!place.is_mapped() && has_single_copies() && bytes >= kSingleCopyFrom && can_be_read(data, bytes)) {
      place.address = reinterpret_cast<std::uintptr_t>(data);
    }
    return place;
  }

  int read(int number, std::uint64_t address, void* to, std::size_t bytes) const override {
    return read_memory({addresses_[static_cast<std::size_t>(number)].process, address}, to, bytes);
  }

  std::byte* address_of(int number, const Place& place) override {
    return mates_[static_cast<std::size_t>(number)]->address_of(place);
  }

 protected:
  void forget_freed() override {
    for (const auto& mate : mates_) {
      if (mate != nullptr) mate->forget_freed();
    }
  }

 private:
  std::shared_ptr<NodeMemory> memory_;
  std::vector<Address> addresses_;
  std::vector<SharedMemory> shown_;
  std::vector<std::unique_ptr<MateMemory>> mates_;  // none at the own place
};

std::unique_ptr<ProcessMates> map_node(int rank, const std::vector<Address>& addresses, SharedMemory own,
                                       const std::shared_ptr<NodeMemory>& memory) {
  std::vector<Board*> boards;
  std::vector<Staging*> staging;
  std::vector<SharedMemory> shown;
  std::vector<std::unique_ptr<MateMemory>> mates;
  for (std::size_t r = 0; r < addresses.size(); ++r) {
    const Address& address = addresses[r];
    if (static_cast<int>(r) == rank) {
      shown.push_back(std::exchange(own, {}));
      mates.push_back(nullptr);
    } else {
      shown.push_back(SharedMemory::open(address.process, address.shown_fd, address.shown_inode, sizeof(Shown)));
      mates.push_back(std::make_unique<MateMemory>(
          address.process,
          memory->directory_of(address.process, address.directory_fd, address.directory_inode, address.identity)));
      if (shown_in(shown.back())->board.identity != address.identity) throw std::bad_alloc();
    }
    boards.push_back(&shown_in(shown.back())->board);
    staging.push_back(&shown_in(shown.back())->staging);
  }
  return std::make_unique<ProcessMates>(rank, std::move(boards), std::move(staging), memory, addresses,
                                        std::move(shown), std::move(mates));
}

/// Seconds that an allreduce takes, on this rank, of data that its mates cannot map. Collective, and without a limit,
/// as MPI's collectives are that make a communicator.
double time_one(ProcessMates& mates, std::span<float> data) {
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
  DirectCollective collective(mates, call, nullptr, 0);
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

/// Switches single copies on where all ranks of `comm` are permitted, and want, them. They are measured once in the
/// life of the processes. Collective.
void choose_single_copies(MPI_Comm comm, ProcessMates& mates) {
  constexpr std::size_t kCount = kSingleCopyFrom / sizeof(float);
  const SingleCopies wanted = wanted_single_copies();
  const std::unique_ptr<float[]> memory(new (std::nothrow) float[kCount]);  // not touched unless it is measured
  struct Known {
    int can_read, has_measured, reads_faster;
  };
  const std::optional<bool> measured = measured_reads_faster();
  const bool can_read = wanted != SingleCopies::never && memory != nullptr && mates.can_read();
  const Known own = {can_read ? 1 : 0, measured ? 1 : 0, measured.value_or(false) ? 1 : 0};
  Known all = {};
  check_mpi(MPI_Allreduce(&own, &all, 3, MPI_INT, MPI_MIN, comm), "MPI_Allreduce");
  if (all.can_read == 0) return;
  if (wanted == SingleCopies::where_permitted) return mates.set_single_copies(true);
  if (all.has_measured == 0) {
    constexpr int kTries = 4;  // of which the first only touches the memory
    double fastest[2] = {HUGE_VAL, HUGE_VAL};
    for (int i = 0; i < 2 * kTries; ++i) {
      mates.set_single_copies(i % 2 != 0);
      const double time = time_one(mates, {memory.get(), kCount});
      if (i >= 2) fastest[i % 2] = std::min(fastest[i % 2], time);
    }
    double sums[2];
    check_mpi(MPI_Allreduce(fastest, sums, 2, MPI_DOUBLE, MPI_SUM, comm), "MPI_Allreduce");
    all.reads_faster = sums[1] < sums[0] ? 1 : 0;
    remember_reads_faster(all.reads_faster != 0);
  }
  mates.set_single_copies(all.reads_faster != 0);
}

}  // namespace

NodeMates::NodeMates(int number, std::vector<Board*> boards, std::vector<Staging*> staging)
    : number_(number), boards_(std::move(boards)), staging_(std::move(staging)) {}

NodeMates::~NodeMates() = default;

std::unique_ptr<Moving> NodeMates::take_moving() {
  if (moving_++ == 0) forget_freed();
  if (idle_.empty()) return std::make_unique<Moving>();
  std::unique_ptr<Moving> moving = std::move(idle_.back());
  idle_.pop_back();
  return moving;
}

void NodeMates::give_back(std::unique_ptr<Moving> moving) {
  idle_.push_back(std::move(moving));
  --moving_;
}

bool NodeMates::have_left(std::uint64_t number) noexcept {
  std::uint64_t least = UINT64_MAX;
  for (const Board* board : boards_) least = std::min(least, board->left.load(std::memory_order_acquire));
  all_left_ = least;
  return number < all_left_ + kPosts;
}

void NodeMates::leave_out_of_order(std::uint64_t number) noexcept {
  if (number != left_) {
    left_early_ |= std::uint64_t{1} << (number - left_ - 1);
    return;
  }
  for (++left_; (left_early_ & 1) != 0; ++left_) left_early_ >>= 1;
  left_early_ >>= 1;
  own().left.store(left_, std::memory_order_release);
}

bool NodeMates::may_have_deceived(int mate, std::uint64_t number) const noexcept {
  std::atomic_thread_fence(std::memory_order_acquire);  // reading its data comes before
  const Board& theirs = board(mate);
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

std::unique_ptr<NodeMates> open_node(MPI_Comm comm, const std::shared_ptr<NodeMemory>& memory,
                                     bool combines_by_domain) {
  int rank = 0;
  int size = 1;
  check_mpi(MPI_Comm_rank(comm, &rank), "MPI_Comm_rank");
  check_mpi(MPI_Comm_size(comm, &size), "MPI_Comm_size");
  Address own;
  own.process = static_cast<std::int32_t>(getpid());
  own.domain = own_domain(rank, size);
  SharedMemory shown;
  try {
    if (memory != nullptr && size <= kMostMates) shown = SharedMemory::create(sizeof(Shown));
  } catch (const std::bad_alloc&) {
  }
  if (shown) {
    const SharedMemory& directory = memory->directory_memory();
    shown_in(shown)->board.identity = memory->identity();
    own.shown_fd = shown.fd();
    own.directory_fd = directory.fd();
    own.shown_at = reinterpret_cast<std::uintptr_t>(shown.data());
    own.shown_inode = shown.inode();
    own.directory_inode = directory.inode();
    own.identity = memory->identity();
  }
  std::vector<Address> all(static_cast<std::size_t>(size));
  check_mpi(MPI_Allgather(&own, sizeof(Address), MPI_BYTE, all.data(), sizeof(Address), MPI_BYTE, comm),
            "MPI_Allgather");
  std::unique_ptr<ProcessMates> mates;
  if (shown) {
    try {
      mates = map_node(rank, all, std::move(shown), memory);
    } catch (const std::bad_alloc&) {
    }
  }
  const int opened = mates != nullptr ? 1 : 0;
  int all_opened = 0;
  check_mpi(MPI_Allreduce(&opened, &all_opened, 1, MPI_INT, MPI_MIN, comm), "MPI_Allreduce");
  if (all_opened == 0) return nullptr;
  std::vector<std::int32_t> domain_of;
  domain_of.reserve(all.size());
  for (const Address& address : all) domain_of.push_back(address.domain);
  mates->set_domains(Domains(domain_of, fewest_in_domain()), combines_by_domain);
  if (size > 1) choose_single_copies(comm, *mates);
  return mates;
}

}  // namespace tutti::detail
