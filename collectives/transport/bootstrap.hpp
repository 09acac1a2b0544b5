// What ranks tell each other while a communicator is made, when nothing of tutti's is there yet to tell it by.
#pragma once

#include <mpi.h>

#include <cstddef>
#include <vector>

namespace tutti::detail {

/// All calls are collective over the ranks. \throws CommunicationError
class Bootstrap {
 public:
  Bootstrap(int rank, int size) noexcept : rank_(rank), size_(size) {}
  Bootstrap(const Bootstrap&) = delete;
  Bootstrap& operator=(const Bootstrap&) = delete;
  virtual ~Bootstrap() = default;

  int rank() const noexcept { return rank_; }
  int size() const noexcept { return size_; }

  /// `bytes` bytes of every rank, in rank order.
  virtual void all_gather(const void* own, void* all, std::size_t bytes) = 0;

  /// Those of rank `root`.
  virtual void broadcast(void* data, std::size_t bytes, int root) = 0;

  template <class T>
  std::vector<T> all_gather(const T& own) {
    std::vector<T> all(static_cast<std::size_t>(size_));
    all_gather(&own, all.data(), sizeof(T));
    return all;
  }

  /// Until all ranks have come.
  void meet() { (void)all_gather(char{0}); }

 private:
  int rank_;
  int size_;
};

/// By the collectives of an MPI communicator, which wait without a limit.
class MpiBootstrap final : public Bootstrap {
 public:
  explicit MpiBootstrap(MPI_Comm comm);

  using Bootstrap::all_gather;
  void all_gather(const void* own, void* all, std::size_t bytes) override;
  void broadcast(void* data, std::size_t bytes, int root) override;

 private:
  MPI_Comm comm_;
};

}  // namespace tutti::detail
