// A group of ranks that communicate, over a private duplicate of any MPI communicator.
#pragma once

#include <tutti/kernels/cpp20.hpp>

#include <mpi.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <tutti/collectives/options.hpp>
#include <tutti/collectives/selection_facts.hpp>
#include <tutti/kernels/buffer.hpp>

#pragma GCC visibility push(default)
namespace tutti {

/// Where a rank lives. Nodes are numbered in the order of their lowest rank.
struct Topology {
  int node = 0;        ///< index of this rank's node
  int nodes = 1;       ///< number of nodes
  int local_rank = 0;  ///< index among the ranks of the node, in rank order
  int local_size = 1;  ///< ranks on this node
};

namespace detail {
class CommunicatorState;
}

template <Element T>
class Allocation;

/// Ranks 0 to size-1 that call collectives together.
///
/// A handle: copies refer to the same communicator, which is freed with its last copy (a collective act: operations are
/// complete, and ranks wait for each other, for at most 5 s, so they free communicators in one order). One thread at a
/// time may use it; MPI_THREAD_FUNNELED suffices. tutti's messages travel on private duplicates and cannot meet the
/// program's own.
class Communicator {
 public:
  /// Duplicates `parent`. Collective over it; options that must agree are compared, as is the library.
  /// \throws InvalidArgument  MPI is not initialised, `parent` is null or an inter-communicator. On every rank: options
  /// that are wrong or not built on any, or differ between ranks; the message names the ranks and the option.
  /// \throws CommunicationError  on every rank if the transport cannot be opened on one.
  explicit Communicator(MPI_Comm parent, const CommunicatorOptions& options = {});

  int rank() const noexcept;
  int size() const noexcept;
  const Topology& topology() const noexcept;
  const CommunicatorOptions& options() const noexcept;

  /// What the choice of algorithms knows, and from where. The same on all ranks.
  const SelectionFacts& selection_facts() const noexcept;

  /// The ranks that give the same `color`, ordered by (key, rank). Collective; a negative color gets no communicator.
  std::optional<Communicator> split(int color, int key = 0) const;

  /// The ranks of this rank's node. Collective.
  Communicator local_communicator() const;

  /// The ranks with this rank's local rank, one of every node that has so many. Collective.
  Communicator cross_communicator() const;

  /// Memory for `count` elements, zeroed, aligned to 64 bytes: the memory to put gradients in, since the ranks of a
  /// node can map each other's. Local.
  /// \throws OutOfMemory  the machine or a control group of the process has less than what this rank and others of the
  /// node take at the same time; nothing is taken. The message tells both numbers.
  template <Element T>
  Allocation<T> allocate(std::size_t count) const {
    return Allocation<T>(allocate_elements(count, sizeof(T)), count);
  }
  std::shared_ptr<void> allocate_elements(std::size_t count, std::size_t element_bytes) const;
  std::shared_ptr<void> allocate_bytes(std::size_t bytes) const;

  /// Makes the communicator unusable and tells every rank why: their operations, running and future, throw
  /// CommunicationError with `reason` and this rank's number. Local, never waits.
  void abandon(std::string_view reason) const noexcept;

  /// True once an operation failed or the communicator was abandoned, here or, as far as known, elsewhere.
  bool unusable() const noexcept;

  /// The private duplicate, for MPI's own collectives beside tutti's.
  MPI_Comm mpi() const noexcept;

  detail::CommunicatorState& state() const noexcept { return *state_; }

  /// For layers that make the state otherwise.
  explicit Communicator(std::shared_ptr<detail::CommunicatorState> state) : state_(std::move(state)) {}

 private:
  /// Takes over `part`.
  Communicator part_of(MPI_Comm part, const CommunicatorOptions& options) const;

  std::shared_ptr<detail::CommunicatorState> state_;
};

/// Owned memory for collectives, from Communicator::allocate(). Freeing it is local.
template <Element T>
class Allocation {
 public:
  Allocation() = default;
  Allocation(std::shared_ptr<void> memory, std::size_t count) : memory_(std::move(memory)), count_(count) {}

  std::span<T> span() const noexcept { return {static_cast<T*>(memory_.get()), count_}; }
  T* data() const noexcept { return static_cast<T*>(memory_.get()); }
  std::size_t size() const noexcept { return count_; }
  T& operator[](std::size_t i) const noexcept { return data()[i]; }
  T* begin() const noexcept { return data(); }
  T* end() const noexcept { return data() + count_; }

 private:
  std::shared_ptr<void> memory_;
  std::size_t count_ = 0;
};

}  // namespace tutti
#pragma GCC visibility pop
