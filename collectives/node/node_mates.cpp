// Node-mates; see node_mates.hpp.
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <new>
#include <string_view>
#include <utility>

#include <tutti/collectives/mpi_call.hpp>
#include <tutti/collectives/node/moving.hpp>
#include <tutti/collectives/node/node_mates.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti::detail {
namespace {

/// What the ranks of a node map of each other.
struct Shown {
  Board board;
  Staging staging;
};

Shown* shown_in(const SharedMemory& memory) noexcept { return reinterpret_cast<Shown*>(memory.data()); }

class ProcessMates final : public NodeMates {
 public:
  ProcessMates(int number, std::vector<Board*> boards, std::vector<Staging*> staging,
               std::shared_ptr<NodeMemory> memory, std::vector<SharedMemory> shown,
               std::vector<std::unique_ptr<MateMemory>> mates)
      : NodeMates(number, std::move(boards), std::move(staging)),
        memory_(std::move(memory)),
        shown_(std::move(shown)),
        mates_(std::move(mates)) {}

  Place place_of(const void* data, std::size_t bytes) override { return memory_->find(data, bytes); }

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
  std::vector<SharedMemory> shown_;
  std::vector<std::unique_ptr<MateMemory>> mates_;  // none at the own place
};

struct Address {
  std::int32_t process;
  std::int32_t shown_fd;  // -1: there is none
  std::int32_t directory_fd;
  std::int32_t unused;
  std::uint64_t shown_inode;
  std::uint64_t directory_inode;
  std::uint64_t identity;
};

std::unique_ptr<NodeMates> map_node(int rank, const std::vector<Address>& addresses, SharedMemory own,
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
      mates.push_back(std::make_unique<MateMemory>(address.process, address.directory_fd, address.directory_inode,
                                                   address.identity));
      if (shown_in(shown.back())->board.identity != address.identity) throw std::bad_alloc();
    }
    boards.push_back(&shown_in(shown.back())->board);
    staging.push_back(&shown_in(shown.back())->staging);
  }
  return std::make_unique<ProcessMates>(rank, std::move(boards), std::move(staging), memory, std::move(shown),
                                        std::move(mates));
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

void NodeMates::leave(std::uint64_t number) noexcept {
  if (number != left_) {
    left_early_ |= std::uint64_t{1} << (number - left_ - 1);
    return;
  }
  for (++left_; (left_early_ & 1) != 0; ++left_) left_early_ >>= 1;
  left_early_ >>= 1;
  own().left.store(left_, std::memory_order_release);
}

bool wants_shared_memory(std::optional<bool> option) {
  if (option) return *option;
  const char* const said = std::getenv("TUTTI_SHARED_MEMORY");
  if (said == nullptr || *said == '\0') return true;
  const std::string_view word = said;
  if (word != "0" && word != "1") throw InvalidArgument(text("TUTTI_SHARED_MEMORY: '", word, "' is not 0 or 1"));
  return word == "1";
}

std::unique_ptr<NodeMates> open_node(MPI_Comm comm, const std::shared_ptr<NodeMemory>& memory) {
  int rank = 0;
  int size = 1;
  check_mpi(MPI_Comm_rank(comm, &rank), "MPI_Comm_rank");
  check_mpi(MPI_Comm_size(comm, &size), "MPI_Comm_size");
  Address own{static_cast<std::int32_t>(getpid()), -1, -1, 0, 0, 0, 0};
  SharedMemory shown;
  try {
    if (memory != nullptr && size <= kMostMates) shown = SharedMemory::create(sizeof(Shown));
  } catch (const std::bad_alloc&) {
  }
  if (shown) {
    const SharedMemory& directory = memory->directory_memory();
    shown_in(shown)->board.identity = memory->identity();
    own = {own.process, shown.fd(), directory.fd(), 0, shown.inode(), directory.inode(), memory->identity()};
  }
  std::vector<Address> all(static_cast<std::size_t>(size));
  check_mpi(MPI_Allgather(&own, sizeof(Address), MPI_BYTE, all.data(), sizeof(Address), MPI_BYTE, comm),
            "MPI_Allgather");
  std::unique_ptr<NodeMates> mates;
  if (shown) {
    try {
      mates = map_node(rank, all, std::move(shown), memory);
    } catch (const std::bad_alloc&) {
    }
  }
  const int opened = mates != nullptr ? 1 : 0;
  int all_opened = 0;
  check_mpi(MPI_Allreduce(&opened, &all_opened, 1, MPI_INT, MPI_MIN, comm), "MPI_Allreduce");
  if (all_opened == 0) mates.reset();
  return mates;
}

}  // namespace tutti::detail
