// Two transports, one for the ranks of this node and one for all others.
#pragma once

#include <memory>
#include <vector>

#include <tutti/collectives/transport/transport.hpp>

namespace tutti::detail {

/// Ranks route alike: what one sends by a transport its peer receives by the same.
class RoutedTransport final : public Transport {
 public:
  /// `is_near` tells by rank who is reached by `near`. Local.
  RoutedTransport(std::vector<bool> is_near, std::unique_ptr<Transport> near, std::unique_ptr<Transport> far) noexcept;

  void send(int peer, int tag, std::span<const std::byte> bytes, Pending& pending) override;
  void receive(int peer, int tag, std::span<std::byte> bytes, Pending& pending) override;
  std::optional<int> probe(int tag) override;
  bool progress() override;
  void wait_any() override;
  /// Ended early by what comes from far.
  void sleep(Clock::duration longest) override { far_->sleep(longest); }
  std::vector<Underway> underway() const override;

 private:
  Transport& by(int peer) const { return is_near_[static_cast<std::size_t>(peer)] ? *near_ : *far_; }

  std::vector<bool> is_near_;
  std::unique_ptr<Transport> near_;
  std::unique_ptr<Transport> far_;
};

}  // namespace tutti::detail
