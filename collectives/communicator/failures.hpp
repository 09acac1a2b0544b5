// Why a communicator cannot be used any more, and how its ranks learn it of each other.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tutti/collectives/communicator/control_channel.hpp>

namespace tutti::detail {

class Failures {
 public:
  /// Other ranks are told over `control`, which stays. `on_failure` is called once, with the reason, when the
  /// communicator becomes unusable. `flushes`: whether `control` has to be driven after an error because ranks on other
  /// machines are to hear of it.
  Failures(ControlChannel& control, std::function<void(const std::string&)> on_failure, bool flushes);
  Failures(const Failures&) = delete;
  Failures& operator=(const Failures&) = delete;

  /// This rank's arguments of operation `sequence` are wrong: tells the others and throws InvalidArgument.
  [[noreturn]] void refuse(std::uint64_t sequence, const std::string& why);

  /// Why this rank refused the operation; empty if it did not.
  std::string refusal_of(std::uint64_t sequence) const;

  /// Operation `sequence` failed here: makes the communicator unusable and tells the others. The first reason stays.
  void fail(std::uint64_t sequence, std::string_view why) noexcept;

  bool unusable() const noexcept { return reason_.has_value(); }
  /// \throws CommunicationError if it is unusable.
  void require_usable() const {
    if (unusable()) throw_unusable();
  }
  [[noreturn]] void throw_unusable() const;

  /// An operation was found to differ, and a peer was asked how: the communicator is about to fail, with more to say
  /// than what else fails meanwhile.
  bool is_imminent() const noexcept { return is_imminent_; }
  void set_imminent() noexcept { is_imminent_ = true; }

  /// Another rank refused an operation, or its communicator is unusable. `has_begun`: whether this rank has begun that
  /// operation; a refusal that comes before waits for it. \throws CommunicationError, and this communicator is unusable
  /// too, unless this rank refused the same operation.
  void handle(const ControlMessage& message, bool has_begun);

  /// Refusals of operations that this rank had not begun: those it has by now, which `has_begun` tells, are handled.
  /// \throws CommunicationError
  template <class HasBegun>
  void handle_early(HasBegun has_begun) {
    for (std::size_t i = 0; i < early_.size();) {
      if (!has_begun(early_[i].sequence)) {
        ++i;
        continue;
      }
      const ControlMessage message = early_[i];
      early_.erase(early_.begin() + static_cast<std::ptrdiff_t>(i));
      handle(message, true);
    }
  }

 private:
  void tell_all(ControlMessage::Kind kind, std::uint64_t sequence, std::string_view why, int about) noexcept;
  void set_unusable(std::string why) noexcept;

  ControlChannel& control_;
  std::function<void(const std::string&)> on_failure_;
  bool flushes_;
  std::optional<std::string> reason_;  // why unusable
  bool is_imminent_ = false;
  std::map<std::uint64_t, std::string> refused_;  // operations refused here, and why; like refusals mean nothing
  std::vector<ControlMessage> early_;             // refusals of operations that this rank has not begun
};

}  // namespace tutti::detail
