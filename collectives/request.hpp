// A collective or message that has been started and may not have ended.
#pragma once

#include <tutti/kernels/cpp20.hpp>

#include <functional>
#include <memory>

#pragma GCC visibility push(default)
namespace tutti {

namespace detail {
class Task;
}

/// Handle of a started collective or message. Its buffers belong to it until it is complete. It progresses only inside
/// test(), wait() and other calls on its communicator: there is no background thread. Ranks may wait for the operations
/// of a communicator in different orders.
///
/// Destroying an incomplete operation abandons its communicator (Communicator::abandon).
class Request {
 public:
  Request() noexcept;
  explicit Request(std::unique_ptr<detail::Task> task) noexcept;
  Request(Request&& other) noexcept;
  Request& operator=(Request&& other) noexcept;
  ~Request();

  /// Advances without waiting; true once complete (a default-made or completed operation is). \throws
  /// CommunicationError
  bool test();

  /// Waits for completion. \throws CommunicationError
  void wait();

  /// Whether it is known to be complete, without looking.
  bool done() const noexcept { return !task_; }

 private:
  std::unique_ptr<detail::Task> task_;
};

/// A collective that is set up once and started many times (persistent.hpp). Movable; a default-made one is empty.
class PersistentRequest {
 public:
  PersistentRequest() = default;
  explicit PersistentRequest(std::function<std::unique_ptr<detail::Task>()> begin);

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
