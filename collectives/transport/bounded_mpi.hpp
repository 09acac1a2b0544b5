// MPI messages that are not waited for without a limit.
#pragma once

#include <mpi.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tutti::detail {

/// Exchanges on a communicator that nothing else uses meanwhile. What is not complete at the limit is a
/// CommunicationError; MPI may touch its memory until the process ends.
class BoundedMpi {
 public:
  /// `look` is called while anything is waited for, and may throw.
  BoundedMpi(MPI_Comm comm, std::chrono::steady_clock::time_point limit, std::function<void()> look = {});

  int rank() const noexcept { return rank_; }
  int size() const noexcept { return size_; }

  void postpone_limit(std::chrono::steady_clock::duration by) noexcept { limit_ += by; }

  void barrier();
  std::vector<std::int64_t> all_gather(std::int64_t value);
  std::int64_t broadcast(std::int64_t value);  ///< rank 0's
  void send(int to, std::string_view bytes);
  std::string receive(int from, std::size_t bytes);

 private:
  /// Of an operation that reads or writes `memory`.
  void wait(MPI_Request request, const std::shared_ptr<void>& memory);

  MPI_Comm comm_;
  std::chrono::steady_clock::time_point limit_;
  std::function<void()> look_;
  int rank_ = 0;
  int size_ = 1;
};

}  // namespace tutti::detail
