// Failing, here and on other ranks; see failures.hpp.
#include <utility>

#include <tutti/collectives/communicator/failures.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::detail {

Failures::Failures(ControlChannel& control, std::function<void(const std::string&)> on_failure, bool flushes)
    : control_(control), on_failure_(std::move(on_failure)), flushes_(flushes) {}

void Failures::refuse(std::uint64_t sequence, const std::string& why) {
  refused_.emplace(sequence, why);
  tell_all(ControlMessage::Kind::refused, sequence, why, control_.rank());
  throw InvalidArgument(why);
}

std::string Failures::refusal_of(std::uint64_t sequence) const {
  const auto found = refused_.find(sequence);
  return found == refused_.end() ? std::string() : found->second;
}

void Failures::fail(std::uint64_t sequence, std::string_view why) noexcept {
  if (unusable()) return;
  tell_all(ControlMessage::Kind::failed, sequence, why, control_.rank());
  set_unusable(std::string(why));
  if (flushes_) control_.flush();
}

void Failures::set_unusable(std::string why) noexcept {
  const bool first = !unusable();
  reason_ = std::move(why);
  if (first) on_failure_(*reason_);
}

void Failures::throw_unusable() const { throw CommunicationError(text("communicator unusable since ", *reason_)); }

void Failures::tell_all(ControlMessage::Kind kind, std::uint64_t sequence, std::string_view why, int about) noexcept {
  ControlMessage message{.kind = kind, .about = about, .sequence = sequence};
  message.say(why);
  control_.send_all(message);
}

void Failures::handle(const ControlMessage& message, bool has_begun) {
  if (message.kind == ControlMessage::Kind::refused) {
    if (refused_.count(message.sequence) > 0) return;  // wrong alike
    if (!has_begun) {
      early_.push_back(message);
      return;
    }
  }
  set_unusable(text("rank ", message.about, ": ", message.text.data()));
  // Ranks that were wrong themselves took the refusal for one of their own kind: they must learn that nobody will
  // answer them any more.
  if (message.kind == ControlMessage::Kind::refused) {
    tell_all(ControlMessage::Kind::failed, message.sequence, message.text.data(), message.about);
    if (flushes_) control_.flush();
  }
  throw CommunicationError(*reason_);
}

}  // namespace tutti::detail
