// Watching the ranks of this machine; see node_watch.hpp.
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <utility>

#include <tutti/collectives/watch/node_watch.hpp>
#include <tutti/collectives/watch/own_block.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::detail {
namespace {

/// A descriptor that is closed.
class Descriptor {
 public:
  explicit Descriptor(int fd) noexcept : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const noexcept { return fd_; }
  int release() noexcept { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

/// A name that no file has: it ends with its socket. `stamp` tells the communicators of a process apart.
struct AbstractName {
  sockaddr_un address{};
  socklen_t bytes = 0;

  AbstractName(std::uint64_t identity, std::uint64_t stamp) noexcept {
    address.sun_family = AF_UNIX;
    const int length = std::snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "tutti-%016llx-%016llx",
                                     static_cast<unsigned long long>(identity), static_cast<unsigned long long>(stamp));
    bytes = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + static_cast<std::size_t>(length));
  }
  const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&address); }
};

int open_socket() noexcept { return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0); }

/// Never waits: where there is nobody to connect to, or too many have, there is no connection.
int connect_to(const AbstractName& name, std::uint64_t own_identity) noexcept {
  Descriptor end(open_socket());
  if (end.get() < 0 || connect(end.get(), name.get(), name.bytes) != 0) return -1;
  if (send(end.get(), &own_identity, sizeof own_identity, MSG_NOSIGNAL) != sizeof own_identity) return -1;
  return end.release();
}

}  // namespace

NodeWatch::NodeWatch(std::vector<Peer> machine, int rank) {
  if (machine.size() <= 1) return;
  watch_ = ProcessWatch::get();
  host_ = OwnBlock::get().block().host.data();
  peers_ = std::move(machine);
  const auto self = std::find_if(peers_.begin(), peers_.end(), [&](const Peer& peer) { return peer.rank == rank; });
  const std::uint64_t own_numbers = self->id.pid_namespace;
  for (Peer& peer : peers_) {
    if (peer.id.pid_namespace == own_numbers && own_numbers != 0 && peer.rank != rank)
      peer.process = watch_->watch(peer.id);
  }
}

// Each process listens; of every two that need a connection the later one connects. All have connected before anybody
// accepts, so nobody waits for anybody but where all meet.
void NodeWatch::join_by_sockets(Bootstrap& ranks, std::uint64_t stamp) {
  const ProcessId self = own_process_id();
  const AbstractName own_name(self.identity, stamp);
  const Descriptor listener(open_socket());
  const bool listens = watch_ != nullptr && listener.get() >= 0 &&
                       bind(listener.get(), own_name.get(), own_name.bytes) == 0 &&
                       listen(listener.get(), static_cast<int>(peers_.size())) == 0;
  ranks.meet();
  if (watch_ != nullptr) connect_to_earlier(self, stamp);
  ranks.meet();
  if (listens) accept_from_later(listener.get());
  const auto first = std::find_if(peers_.begin(), peers_.end(), [&](const Peer& peer) {
    return peer.process == nullptr && peer.id.identity != self.identity;
  });
  const int cannot = first == peers_.end() ? 0 : 1;
  const std::vector<int> all = ranks.all_gather(cannot);
  if (cannot == 0) return;
  for (const Peer& peer : peers_) {  // the first says it for all of this machine
    if (peer.rank < ranks.rank() && all[static_cast<std::size_t>(peer.rank)] != 0) return;
  }
  std::fprintf(stderr,
               "tutti: warning: rank %d cannot watch rank %d (they share neither process numbers nor a network "
               "namespace): if one dies, the other waits for its timeout\n",
               ranks.rank(), first->rank);
}

void NodeWatch::connect_to_earlier(const ProcessId& self, std::uint64_t stamp) {
  for (Peer& peer : peers_) {
    if (peer.id.identity == self.identity) return;
    if (peer.process != nullptr) continue;
    const int end = connect_to(AbstractName(peer.id.identity, stamp), self.identity);
    if (end >= 0) peer.process = watch_->watch_socket(peer.id, end);
  }
}

void NodeWatch::accept_from_later(int listener) {
  for (;;) {
    Descriptor end(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (end.get() < 0) return;
    std::uint64_t identity = 0;
    if (recv(end.get(), &identity, sizeof identity, 0) != sizeof identity) continue;
    for (Peer& peer : peers_) {
      if (peer.id.identity == identity) peer.process = watch_->watch_socket(peer.id, end.release());
    }
  }
}

std::vector<NodeWatch::Gone> NodeWatch::look(std::chrono::steady_clock::time_point now) {
  std::vector<Gone> found;
  if (watch_ == nullptr) return found;
  const std::uint64_t gone = watch_->look(now);
  if (gone == seen_) return found;
  seen_ = gone;
  for (Peer& peer : peers_) {
    if (peer.told || peer.process == nullptr || !peer.process->gone()) continue;
    peer.told = true;
    const bool finished = peer.process->finished();
    found.push_back(
        {peer.rank, finished,
         text("rank ", peer.rank, " (pid ", peer.id.process, " on ", host_, finished ? ") has ended" : ") has died")});
  }
  return found;
}

std::vector<ProcessView> NodeWatch::view() const {
  std::vector<ProcessView> seen;
  for (const Peer& peer : peers_) {
    if (peer.id.time_namespace != own_process_id().time_namespace) continue;  // its times mean nothing here
    auto stat = read_process_stat(peer.id.process);
    const bool is_gone = peer.process != nullptr && peer.process->gone();
    if (is_gone || (stat && stat->start_time != peer.id.start_time)) stat = ProcessStat{.state = 'X'};
    const bool is_own = peer.id.identity == own_process_id().identity;
    const auto own = is_own ? BlockView::open(peer.id.process, peer.id.block_fd) : std::nullopt;
    const BlockView* const block = own ? &*own : peer.process != nullptr ? peer.process->block() : nullptr;
    if (block != nullptr && stat) seen.push_back(view_process(*block, peer.id.process, *stat));
  }
  return seen;
}

bool NodeWatch::is_peer(int rank) const noexcept {
  const auto found = std::lower_bound(peers_.begin(), peers_.end(), rank,
                                      [](const Peer& peer, int wanted) { return peer.rank < wanted; });
  return found != peers_.end() && found->rank == rank;
}

}  // namespace tutti::detail
