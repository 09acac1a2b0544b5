// Allocations that local ranks map; see node_memory.hpp.
#include <new>
#include <random>
#include <utility>

#include <tutti/collectives/node/node_memory.hpp>

namespace tutti::detail {

std::shared_ptr<NodeMemory> NodeMemory::make(const std::string& root) {
  try {
    SharedMemory directory = SharedMemory::create(sizeof(Directory));
    if (directory) return std::shared_ptr<NodeMemory>(new NodeMemory(std::move(directory), root));
  } catch (const std::exception&) {
  }
  return nullptr;
}

NodeMemory::NodeMemory(SharedMemory directory_memory, const std::string& root)
    : directory_memory_(std::move(directory_memory)), root_(root) {
  std::random_device random;
  directory().identity = std::uint64_t{random()} << 32 | random();
  directory().groups = memory_groups(root);
}

Claims NodeMemory::claims() const {
  const std::lock_guard lock(mutex_);
  Claims claims = {.own = &directory().claimed, .root = root_};
  for (const auto& [identity, other] : others_) claims.others.push_back({&other->claimed, other->groups});
  return claims;
}

std::shared_ptr<const Directory> NodeMemory::directory_of(pid_t process, int fd, std::uint64_t inode,
                                                          std::uint64_t identity) {
  const std::lock_guard lock(mutex_);
  if (const auto known = others_.find(identity); known != others_.end()) return known->second;
  const auto memory = std::make_shared<SharedMemory>(SharedMemory::open(process, fd, inode, sizeof(Directory)));
  const auto* const opened = reinterpret_cast<const Directory*>(memory->data());
  if (opened->identity != identity) throw std::bad_alloc();
  return others_.emplace(identity, std::shared_ptr<const Directory>(memory, opened)).first->second;
}

std::uint64_t NodeMemory::take_number() noexcept {
  for (std::size_t tried = 0; tried < Directory::kMost; ++tried) {
    const std::uint64_t number = ++last_number_;
    if (directory().alive[number % Directory::kMost].load(std::memory_order_relaxed) == 0) return number;
  }
  return 0;
}

std::shared_ptr<void> NodeMemory::allocate(std::size_t bytes) {
  std::byte* data = nullptr;
  Claims claimed = claims();
  {
    const std::lock_guard lock(mutex_);
    const std::uint64_t number = take_number();
    if (number == 0) return nullptr;
    SharedMemory memory = SharedMemory::create(bytes == 0 ? 1 : bytes, "tutti", std::move(claimed));
    if (!memory) return nullptr;
    data = memory.data();
    allocations_.emplace(data, Allocation{number, std::move(memory)});
    directory().alive[number % Directory::kMost].store(number, std::memory_order_release);
  }
  return {data, [self = shared_from_this()](void* freed) { self->free(static_cast<std::byte*>(freed)); }};
}

void NodeMemory::free(std::byte* data) noexcept {
  const std::lock_guard lock(mutex_);
  const auto found = allocations_.find(data);
  directory().alive[found->second.number % Directory::kMost].store(0, std::memory_order_release);
  directory().freed.fetch_add(1, std::memory_order_release);
  allocations_.erase(found);
}

BufferHandle NodeMemory::find(const void* data, std::size_t bytes) const {
  const auto* const begin = static_cast<const std::byte*>(data);
  const std::lock_guard lock(mutex_);
  auto found = allocations_.upper_bound(begin);
  if (found == allocations_.begin()) return {};
  --found;
  const SharedMemory& memory = found->second.memory;
  const auto offset = static_cast<std::size_t>(begin - found->first);
  if (offset > memory.bytes() || bytes > memory.bytes() - offset) return {};
  return {.allocation = found->second.number,
          .offset = offset,
          .bytes = memory.bytes(),
          .inode = memory.inode(),
          .fd = memory.fd()};
}

PeerMemory::PeerMemory(pid_t process, std::shared_ptr<const Directory> directory)
    : process_(process), directory_(std::move(directory)) {}

std::byte* PeerMemory::address_of(const BufferHandle& place) {
  auto found = mapped_.find(place.allocation);
  if (found == mapped_.end()) {
    SharedMemory memory = SharedMemory::open(process_, static_cast<int>(place.fd), place.inode, place.bytes);
    found = mapped_.emplace(place.allocation, std::move(memory)).first;
  }
  // A rank that gave up on a collective may have freed its memory before this one came.
  if (!is_alive(place.allocation)) throw std::bad_alloc();
  return found->second.data() + place.offset;
}

void PeerMemory::forget_freed() noexcept {
  const std::uint64_t freed = directory_->freed.load(std::memory_order_acquire);
  if (freed == freed_seen_) return;
  freed_seen_ = freed;
  std::erase_if(mapped_, [&](const auto& entry) { return !is_alive(entry.first); });
}

}  // namespace tutti::detail
