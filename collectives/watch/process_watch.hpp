// Which of the processes that this one works with are gone.
//
// The kernel tells: a descriptor of the process (pidfd) becomes readable when it ends, however it ends, and before its
// parent has noticed. Where processes do not see each other's numbers, in containers of their own, each pair is joined
// by a UNIX socket, which ends with either of them. Nothing of this has a name in a file system.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include <tutti/collectives/watch/block_view.hpp>

namespace tutti::detail {

/// By what a process of this machine is known. Ranks send it to each other.
struct ProcessId {
  std::int32_t process = 0;
  std::int32_t block_fd = -1;  ///< of its control block
  std::uint64_t block_inode = 0;
  std::uint64_t start_time = 0;      ///< as read_process_stat() tells
  std::uint64_t pid_namespace = 0;   ///< process numbers mean the same where this is the same
  std::uint64_t time_namespace = 0;  ///< and times since the machine's start
  std::uint64_t identity = 0;        ///< a random number
};
ProcessId own_process_id();

class ProcessWatch;

/// A process that is watched. Shared by all communicators that it is in.
class Watched {
 public:
  ~Watched();
  Watched(const Watched&) = delete;
  Watched& operator=(const Watched&) = delete;

  bool gone() const noexcept { return gone_.load(std::memory_order_acquire); }

  /// Whether it had called MPI_Finalize, or may have: what it shows may not be seen.
  bool finished() const noexcept;

  /// As it shows itself; null if that cannot be seen.
  const BlockView* block() const noexcept { return block_ ? &*block_ : nullptr; }

 private:
  friend class ProcessWatch;
  explicit Watched(std::shared_ptr<ProcessWatch> watch) noexcept : watch_(std::move(watch)) {}

  std::shared_ptr<ProcessWatch> watch_;
  ProcessId id_;
  int fd_ = -1;  // pidfd or socket; -1: the process table is looked at
  bool is_socket_ = false;
  std::atomic<bool> said_finished_{false};
  std::atomic<bool> gone_{false};
  std::optional<BlockView> block_;
};

class ProcessWatch : public std::enable_shared_from_this<ProcessWatch> {
 public:
  /// That of this process, which communicators share.
  static std::shared_ptr<ProcessWatch> get();
  ~ProcessWatch();
  ProcessWatch(const ProcessWatch&) = delete;
  ProcessWatch& operator=(const ProcessWatch&) = delete;

  /// A process whose number means the same here.
  std::shared_ptr<Watched> watch(const ProcessId& id);

  /// One at the other end of a connected socket, which is taken over. Whoever finishes writes a byte into it.
  std::shared_ptr<Watched> watch_socket(const ProcessId& id, int socket);

  /// Looks, if that is due, and returns how many were ever found to be gone.
  std::uint64_t look(std::chrono::steady_clock::time_point now);

 private:
  friend class Watched;
  ProcessWatch();

  std::shared_ptr<Watched> make_watched();
  void add(Watched& watched);  // mutex_ is locked, as in take_events() and mark_gone()
  void remove(Watched& watched) noexcept;
  void take_events() noexcept;
  void mark_gone(Watched& watched) noexcept;
  void say_finished() noexcept;

  std::mutex mutex_;
  int epoll_ = -1;
  std::chrono::steady_clock::time_point last_look_{};
  std::uint64_t gone_ = 0;
  std::map<std::uint64_t, std::weak_ptr<Watched>> known_;  // by identity
  std::vector<Watched*> all_;
};

}  // namespace tutti::detail
