// Messages by MPI point-to-point on one communicator.
#pragma once

#include <mpi.h>

#include <tutti/collectives/transport.hpp>

namespace tutti::detail {

/// The transport that is always there. Messages above a limit that fits MPI's int travel in pieces.
class MpiTransport final : public Transport {
 public:
  explicit MpiTransport(MPI_Comm comm) noexcept : comm_(comm) {}

  void send(int peer, int tag, std::span<const std::byte> bytes, Pending& pending) override;
  void receive(int peer, int tag, std::span<std::byte> bytes, Pending& pending) override;
  std::optional<int> probe(int tag) override;
  bool progress() override;
  void wait_any() override;
  std::vector<Underway> underway() const override { return underway_; }

 private:
  void drop_completed();

  MPI_Comm comm_;
  std::vector<MPI_Request> requests_;
  std::vector<Underway> underway_;  // parallel to requests_
  std::vector<int> completed_;
  std::vector<MPI_Status> statuses_;
};

}  // namespace tutti::detail
