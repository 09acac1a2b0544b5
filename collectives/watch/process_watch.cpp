// Watching processes; see process_watch.hpp.
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <random>
#include <string>
#include <utility>

#include <tutti/collectives/system/process_stat.hpp>
#include <tutti/collectives/watch/own_block.hpp>
#include <tutti/collectives/watch/process_watch.hpp>

namespace tutti::detail {
namespace {

constexpr auto kLookInterval = std::chrono::milliseconds(100);

/// A descriptor that becomes readable when the process ends; -1 if the kernel has none, or this process few left.
int open_process(pid_t process) {
  const auto fd = static_cast<int>(syscall(SYS_pidfd_open, process, 0));
  rlimit limit{};
  if (fd < 0 || getrlimit(RLIMIT_NOFILE, &limit) != 0 || static_cast<rlim_t>(fd) < limit.rlim_cur / 2) return fd;
  ::close(fd);
  return -1;
}

/// Whether its number is another process's by now. Not known where the process may not be seen.
bool is_another(const ProcessId& id, const std::optional<ProcessStat>& stat) {
  return stat && id.time_namespace == own_namespace("time") && stat->start_time != id.start_time;
}

/// Whether the process table has it, alive. One that may not be seen counts as alive while something has its number.
bool is_alive(const ProcessId& id) {
  const auto stat = read_process_stat(id.process);
  if (!stat) return kill(id.process, 0) == 0 || errno != ESRCH;
  return !is_dead(stat->state) && !is_another(id, stat);
}

}  // namespace

ProcessId own_process_id() {
  static const std::uint64_t identity = [] {
    std::random_device random;
    return std::uint64_t{random()} << 32 | random();
  }();
  OwnBlock& own = OwnBlock::get();
  return {.process = static_cast<std::int32_t>(getpid()),
          .block_fd = own.fd(),
          .block_inode = own.inode(),
          .start_time = own.block().start_time,
          .pid_namespace = own_namespace("pid"),
          .time_namespace = own_namespace("time"),
          .identity = identity};
}

Watched::~Watched() {
  watch_->remove(*this);
  if (fd_ >= 0) ::close(fd_);
}

bool Watched::finished() const noexcept {
  if (!block_ && !is_socket_) return true;  // not known: it is no error for who need not wait for it
  return said_finished_.load(std::memory_order_relaxed) ||
         (block_ && block_->block().finished.load(std::memory_order_acquire) != 0);
}

std::shared_ptr<ProcessWatch> ProcessWatch::get() {
  static std::mutex mutex;
  static auto* const known = new std::weak_ptr<ProcessWatch>;  // asked until the process ends
  static bool will_say_finished = false;
  const std::lock_guard lock(mutex);
  std::shared_ptr<ProcessWatch> watch = known->lock();
  if (watch == nullptr) {
    watch.reset(new ProcessWatch);
    *known = watch;
  }
  if (!std::exchange(will_say_finished, true)) {
    OwnBlock::get().at_finish([] {
      if (const auto alive = known->lock()) alive->say_finished();
    });
  }
  return watch;
}

ProcessWatch::ProcessWatch() : epoll_(epoll_create1(EPOLL_CLOEXEC)) {}

ProcessWatch::~ProcessWatch() {
  if (epoll_ >= 0) ::close(epoll_);
}

std::shared_ptr<Watched> ProcessWatch::watch(const ProcessId& id) {
  std::shared_ptr<Watched> watched;  // before the lock, which its end takes too
  const std::lock_guard lock(mutex_);
  std::weak_ptr<Watched>& known = known_[id.identity];
  watched = known.lock();
  if (watched != nullptr) return watched;
  watched = make_watched();
  known = watched;
  watched->id_ = id;
  watched->fd_ = open_process(id.process);
  watched->block_ = BlockView::open(id.process, id.block_fd, id.block_inode);
  add(*watched);
  // Only now is it certain that the descriptor is not of a later process with the same number.
  if (watched->fd_ >= 0 ? is_another(id, read_process_stat(id.process)) : !is_alive(id)) mark_gone(*watched);
  return watched;
}

std::shared_ptr<Watched> ProcessWatch::watch_socket(const ProcessId& id, int socket) {
  std::shared_ptr<Watched> watched;
  const std::lock_guard lock(mutex_);
  watched = make_watched();
  watched->id_ = id;
  watched->fd_ = socket;
  watched->is_socket_ = true;
  add(*watched);
  return watched;
}

std::shared_ptr<Watched> ProcessWatch::make_watched() {
  std::unique_ptr<Watched> watched(new Watched(shared_from_this()));
  return watched;
}

void ProcessWatch::add(Watched& watched) {
  all_.push_back(&watched);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = &watched;
  if (watched.fd_ < 0 || epoll_ctl(epoll_, EPOLL_CTL_ADD, watched.fd_, &event) == 0 || watched.is_socket_) return;
  ::close(watched.fd_);
  watched.fd_ = -1;
}

void ProcessWatch::remove(Watched& watched) noexcept {
  const std::lock_guard lock(mutex_);
  std::erase(all_, &watched);
  if (watched.fd_ >= 0) epoll_ctl(epoll_, EPOLL_CTL_DEL, watched.fd_, nullptr);
  const auto known = known_.find(watched.id_.identity);
  if (known != known_.end() && known->second.expired()) known_.erase(known);
}

std::uint64_t ProcessWatch::look(std::chrono::steady_clock::time_point now) {
  const std::lock_guard lock(mutex_);
  if (now - last_look_ < kLookInterval) return gone_;
  last_look_ = now;
  take_events();
  for (Watched* watched : all_) {
    if (watched->fd_ < 0 && !watched->gone() && !is_alive(watched->id_)) mark_gone(*watched);
  }
  return gone_;
}

void ProcessWatch::take_events() noexcept {
  std::array<epoll_event, 64> events{};
  for (;;) {
    const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 0);
    for (int i = 0; i < count; ++i) {
      auto& watched = *static_cast<Watched*>(events[static_cast<std::size_t>(i)].data.ptr);
      char byte = 0;
      const ssize_t read = watched.is_socket_ ? recv(watched.fd_, &byte, 1, MSG_DONTWAIT) : 0;
      if (read > 0) watched.said_finished_.store(true, std::memory_order_relaxed);
      if (read == 0 || (read < 0 && errno != EAGAIN && errno != EINTR)) mark_gone(watched);
    }
    if (count < static_cast<int>(events.size())) return;
  }
}

void ProcessWatch::mark_gone(Watched& watched) noexcept {
  if (watched.gone()) return;
  watched.gone_.store(true, std::memory_order_release);
  ++gone_;
  if (watched.fd_ >= 0) epoll_ctl(epoll_, EPOLL_CTL_DEL, watched.fd_, nullptr);
}

void ProcessWatch::say_finished() noexcept {
  const std::lock_guard lock(mutex_);
  for (const Watched* watched : all_) {
    if (watched->is_socket_) send(watched->fd_, "f", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
  }
}

}  // namespace tutti::detail
