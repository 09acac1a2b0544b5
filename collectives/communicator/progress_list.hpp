// What advances while anyone waits on a communicator: whoever waits for one operation advances all.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include <tutti/collectives/transport/waiting.hpp>

namespace tutti::detail {

/// Something that others advance while they wait.
class Driven {
 public:
  Driven() = default;
  Driven(const Driven&) = delete;
  Driven& operator=(const Driven&) = delete;
  virtual ~Driven() = default;

  /// Does what can be done now; true if it got further. \throws CommunicationError
  virtual bool advance_beside() = 0;
};

class ProgressList {
 public:
  void enlist(Driven& task) { tasks_.push_back(&task); }
  void delist(Driven& task) noexcept { std::erase(tasks_, &task); }

  /// The messages between two ranks, which are advanced before all else; null until there are any.
  Driven* messages() noexcept { return messages_.get(); }
  void set_messages(std::unique_ptr<Driven> messages) noexcept { messages_ = std::move(messages); }
  bool advance_messages() { return messages_ != nullptr && messages_->advance_beside(); }

  /// Advances messages between two ranks and all enlisted tasks but `task`; true if any got further. \throws
  /// CommunicationError
  bool advance_others(const Driven& task) {
    bool any = advance_messages();
    for (Driven* other : tasks_) {
      if (other != &task) any = other->advance_beside() || any;
    }
    return any;
  }

  /// Whether whoever waits should look around at this time, which is then remembered: control messages, processes that
  /// have ended, limits.
  bool is_look_due(Clock::time_point now) noexcept {
    constexpr auto kInterval = std::chrono::microseconds(50);
    if (now - last_look_ < kInterval) return false;
    last_look_ = now;
    return true;
  }

 private:
  std::vector<Driven*> tasks_;
  std::unique_ptr<Driven> messages_;
  Clock::time_point last_look_{};
};

}  // namespace tutti::detail
