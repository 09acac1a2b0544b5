// A collective or message that has been started and may not have ended.
#pragma once

#include <tutti/kernels/cpp20.hpp>

#include <functional>
#include <memory>
#include <utility>

#pragma GCC visibility push(default)
namespace tutti {

namespace detail {
/// Something that advances when it is polled.
class Task {
 public:
  Task() = default;
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;
  virtual ~Task() = default;

  enum class Progress { none, some, complete };

  /// Does what this task can do now, and looks at nothing else. `some` means that it got further. \throws
  /// CommunicationError
  virtual Progress advance() = 0;
  /// Advances without waiting; true once complete. \throws CommunicationError
  virtual bool poll() = 0;
  /// Waits for completion. \throws CommunicationError
  virtual void wait() = 0;
};
}  // namespace detail

/// Handle of a started collective or message. Its buffers belong to it until it is complete. It progresses only inside
/// test(), wait() and other calls on its communicator: there is no background thread. Ranks may wait for the operations
/// of a communicator in different orders.
///
/// Destroying an incomplete operation abandons its communicator (Communicator::abandon).
class Request {
 public:
  Request() = default;
  explicit Request(std::unique_ptr<detail::Task> task) : task_(std::move(task)) {}

  /// Advances without waiting; true once complete (a default-made or completed operation is). \throws
  /// CommunicationError
  bool test() {
    if (task_ && task_->poll()) task_.reset();
    return !task_;
  }

  /// Waits for completion. \throws CommunicationError
  void wait() {
    if (task_) task_->wait();
    task_.reset();
  }

  /// Whether it is known to be complete, without looking.
  bool done() const noexcept { return !task_; }

 private:
  std::unique_ptr<detail::Task> task_;
};

/// A collective that is set up once and started many times (persistent.hpp). Movable; a default-made one is empty.
class PersistentRequest {
 public:
  PersistentRequest() = default;
  explicit PersistentRequest(std::function<std::unique_ptr<detail::Task>()> begin) : begin_(std::move(begin)) {}

  /// Starts it: collective, as the call that it stands for. \throws InvalidArgument if it is empty or the last start is
  /// not complete, CommunicationError
  void start();

  /// As Request's; complete before the first start. After an error the operation is given up.
  bool test();
  void wait();

 private:
  std::function<std::unique_ptr<detail::Task>()> begin_;
  Request running_;
};

}  // namespace tutti
#pragma GCC visibility pop
