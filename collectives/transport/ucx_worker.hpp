// A UCX worker of one communicator, its endpoints at the other ranks, and what is known of those that failed.
#pragma once

#include <mpi.h>
#include <ucp/api/ucp.h>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include <tutti/collectives/transport/waiting.hpp>

namespace tutti::detail {

/// Context and worker belong to one communicator: messages of two can never meet, and whichever thread uses the
/// communicator may use them.
///
/// UCX is configured by its own environment (UCX_*), but for two settings, unless that has them. UCX_TLS leaves out
/// transports over shared memory: they cannot tell of a peer that failed, so UCX would not use them, and opening them
/// is what takes longest. UCX_ZCOPY_THRESH=0 sends from the caller's memory whatever the size: over TCP a copied
/// message counts as sent while its end waits in UCX's buffer for room in the socket, and moves on only when UCX is
/// driven again. (ucp_ep_flush_nbx is no help: over TCP, in UCX 1.13, it waits for an answer that the peer gives only
/// when it drives UCX too.) Where the network's own device sends, as InfiniBand's does, UCX_ZCOPY_THRESH=auto is safe,
/// and faster for small messages.
class UcxWorker {
 public:
  /// Opens a worker on every rank and exchanges their addresses. Collective over `comm`.
  /// \throws CommunicationError on every rank, naming the first on which UCX cannot be opened.
  explicit UcxWorker(MPI_Comm comm);

  /// Closes all endpoints without asking the other side, which must be done with them, and frees the worker. Should UCX
  /// not come to an end within a second, both are kept until the process ends.
  ~UcxWorker();
  UcxWorker(const UcxWorker&) = delete;
  UcxWorker& operator=(const UcxWorker&) = delete;

  ucp_worker_h handle() const noexcept { return worker_.get(); }

  /// The endpoint at `peer`, made when it is first asked for: also by who only receives, since it is endpoints that
  /// tell of a peer's failure. Null if the peer failed; failure() says how.
  ucp_ep_h endpoint(int peer);

  /// UCS_OK, or why nothing more can be exchanged with `peer`.
  ucs_status_t failure(int peer) const noexcept { return peers_[static_cast<std::size_t>(peer)].failure; }

  /// Blocks until the network has something to be driven, but no longer than `longest`.
  void sleep(Clock::duration longest);

 private:
  struct Peer {
    ucp_ep_h endpoint = nullptr;
    ucs_status_t failure = UCS_OK;
  };
  struct Cleanup {
    void operator()(ucp_context_h context) const noexcept { ucp_cleanup(context); }
  };
  struct Destroy {
    void operator()(ucp_worker_h worker) const noexcept { ucp_worker_destroy(worker); }
  };

  ucs_status_t open(std::vector<std::byte>& address);
  void exchange(MPI_Comm comm, ucs_status_t status, const std::vector<std::byte>& own);
  bool close_endpoints() noexcept;
  static void on_failure(void* peer, ucp_ep_h endpoint, ucs_status_t status);

  std::unique_ptr<ucp_context, Cleanup> context_;
  std::unique_ptr<ucp_worker, Destroy> worker_;
  int event_ = -1;                    // readable once the network has something; UCX's
  std::vector<Peer> peers_;           // by rank; addresses stay
  std::vector<std::byte> addresses_;  // of all ranks, one after the other
  std::vector<int> address_begin_;    // by rank, and the end
};

/// The version of the UCX library that runs here: "1.13.1".
std::string ucx_library_version();

}  // namespace tutti::detail
