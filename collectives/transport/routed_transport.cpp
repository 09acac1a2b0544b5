// A transport made of two; see routed_transport.hpp.
#include <utility>

#include <tutti/collectives/transport/routed_transport.hpp>

namespace tutti::detail {

RoutedTransport::RoutedTransport(std::vector<bool> is_near, std::unique_ptr<Transport> near,
                                 std::unique_ptr<Transport> far) noexcept
    : is_near_(std::move(is_near)), near_(std::move(near)), far_(std::move(far)) {}

void RoutedTransport::send(int peer, int tag, std::span<const std::byte> bytes, Pending& pending) {
  by(peer).send(peer, tag, bytes, pending);
}

void RoutedTransport::receive(int peer, int tag, std::span<std::byte> bytes, Pending& pending) {
  by(peer).receive(peer, tag, bytes, pending);
}

std::optional<int> RoutedTransport::probe(int tag) {
  const std::optional<int> near = near_->probe(tag);
  return near ? near : far_->probe(tag);
}

bool RoutedTransport::progress() {
  const bool near = near_->progress();
  const bool far = far_->progress();
  completions_ = near_->completions() + far_->completions();
  return near || far;
}

// Neither may block while the other has something.
void RoutedTransport::wait_any() {
  constexpr auto kTurn = std::chrono::milliseconds(1);
  while (!underway().empty() && !progress()) sleep(kTurn);
}

std::vector<Underway> RoutedTransport::underway() const {
  std::vector<Underway> all = near_->underway();
  const std::vector<Underway> far = far_->underway();
  all.insert(all.end(), far.begin(), far.end());
  return all;
}

}  // namespace tutti::detail
