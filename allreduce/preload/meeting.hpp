// How the ranks of one of the program's communicators come together before tutti has one of its own for them.
#pragma once

#include <mpi.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>

#include <tutti/collectives/transport/bootstrap.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti::preload {

/// How long to wait for ranks that do not come.
struct WaitLimits {
  std::optional<std::chrono::duration<double>> timeout = std::nullopt;  ///< then RanksMissing
  std::chrono::duration<double> warning{};                              ///< then a line; 0: never
};

/// Ranks were awaited to the timeout.
class RanksMissing final : public CommunicationError {
 public:
  using CommunicationError::CommunicationError;
};

/// By non-blocking collectives of the communicator itself, so that no blocking call of the program's can meet them, and
/// nothing is made for it. `where`, which stays, tells people what for.
class Rendezvous final : public detail::Bootstrap {
 public:
  Rendezvous(MPI_Comm comm, const char* where, const WaitLimits& patience);

  using Bootstrap::all_gather;
  void all_gather(const void* own, void* all, std::size_t bytes) override;
  void broadcast(void* data, std::size_t bytes, int root) override;

 private:
  void wait(MPI_Request request, const std::shared_ptr<void>& memory);

  MPI_Comm comm_;
  const char* where_;
  WaitLimits patience_;
  bool warned_ = false;
};

/// Waits until `request` is done; false if it is not at `end`.
bool wait_until(MPI_Request& request, std::chrono::steady_clock::time_point end);

}  // namespace tutti::preload
