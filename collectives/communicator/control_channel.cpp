// What all control channels have in common; see control_channel.hpp.
#include <algorithm>
#include <cstring>

#include <tutti/collectives/communicator/control_channel.hpp>

namespace tutti::detail {

void ControlMessage::say(std::string_view words) noexcept {
  std::memcpy(text.data(), words.data(), std::min(words.size(), text.size() - 1));
}

void ControlChannel::send(int peer, const ControlMessage& message) noexcept {
  any_ = true;
  do_send(peer, message);
}

void ControlChannel::send_all(const ControlMessage& message) noexcept {
  for (int peer = 0; peer < size_; ++peer) {
    if (peer != rank_) send(peer, message);
  }
}

std::optional<ControlMessage> ControlChannel::receive() {
  std::optional<ControlMessage> message = do_receive();
  any_ = any_ || message;
  return message;
}

}  // namespace tutti::detail
