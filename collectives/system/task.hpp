// What every operation under way is to those who wait for it.
#pragma once

namespace tutti::detail {

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

}  // namespace tutti::detail
