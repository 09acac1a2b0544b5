// Messages by UCX's tagged send and receive.
#pragma once

#include <mpi.h>
#include <ucp/api/ucp.h>

#include <string>
#include <vector>

#include <tutti/collectives/transport/transport.hpp>
#include <tutti/collectives/transport/ucx_worker.hpp>

namespace tutti::detail {

/// Between ranks of different nodes. A peer that dies is an error as soon as its connection breaks, unless nothing is
/// under way with it; failures of any kind are thrown by progress(), never by send() or receive().
///
/// A send is complete once its bytes have left this process (see UcxWorker): bytes in a buffer of UCX's would stay
/// there if this rank now left for MPI, to wait for something that its peer does after it received.
class UcxTransport final : public Transport {
 public:
  /// Collective over `comm`. \throws CommunicationError on every rank if UCX cannot be opened on one.
  explicit UcxTransport(MPI_Comm comm);

  void send(int peer, int tag, std::span<const std::byte> bytes, Pending& pending) override;
  void receive(int peer, int tag, std::span<std::byte> bytes, Pending& pending) override;
  std::optional<int> probe(int tag) override;
  bool progress() override;
  void wait_any() override;
  void sleep(Clock::duration longest) override { worker_.sleep(longest); }
  std::vector<Underway> underway() const override;

 private:
  struct Message {
    Underway who;
    ucs_status_ptr_t request;  ///< UCX's, or an error of UCX that is yet to be thrown
  };

  ucs_status_t test(Message& message);
  void drive();

  int rank_ = 0;
  UcxWorker worker_;
  std::vector<Message> messages_;  // in the order in which they were started
};

}  // namespace tutti::detail
