// The transport of ranks that only use each other's memory.
#pragma once

#include <tutti/collectives/transport/transport.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti::detail {

/// Has no messages: whoever wants to send one has taken the wrong turn.
class NoTransport final : public Transport {
 public:
  void send(int, int, std::span<const std::byte>, Pending&) override { refuse(); }
  void receive(int, int, std::span<std::byte>, Pending&) override { refuse(); }
  std::optional<int> probe(int) override { return std::nullopt; }
  bool progress() override { return false; }
  void wait_any() override {}
  std::vector<Underway> underway() const override { return {}; }

 private:
  [[noreturn]] static void refuse() {
    throw CommunicationError("a communicator of the memory of a node has no messages");
  }
};

}  // namespace tutti::detail
