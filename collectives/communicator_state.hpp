// What stands behind a Communicator: MPI communicators, transport, scratch memory, and how ranks learn of each other's
// failures.
#pragma once

#include <mpi.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tutti/collectives/communicator.hpp>
#include <tutti/collectives/transport.hpp>
#include <tutti/collectives/waiting.hpp>

namespace tutti::detail {

/// Memory that is only written before it is read. Kept for reuse by ScratchPool.
struct Scratch {
  std::unique_ptr<std::byte[]> memory;
  std::size_t capacity = 0;
};

struct OperationMemory;

/// A notice that one rank sends to others over the control communicator.
struct Notice {
  enum class Kind : std::uint32_t {
    refused,  ///< the sender threw InvalidArgument in operation `sequence`
    failed,   ///< the sender's communicator is unusable
  };
  Kind kind;
  std::int32_t about;  ///< the rank where it began
  std::uint64_t sequence;
  std::array<char, 240> text;  ///< NUL-terminated
};

/// Keeps what MPI may still read or write after a failure, until the process ends: MPI cannot cancel.
void keep_until_exit(std::shared_ptr<void> object) noexcept;

class CommunicatorState {
 public:
  CommunicatorState(MPI_Comm parent, const CommunicatorOptions& options);
  ~CommunicatorState();
  CommunicatorState(const CommunicatorState&) = delete;
  CommunicatorState& operator=(const CommunicatorState&) = delete;

  int rank() const noexcept { return rank_; }
  int size() const noexcept { return size_; }
  const NodePlace& place() const noexcept { return place_; }
  const CommunicatorOptions& options() const noexcept { return options_; }
  MPI_Comm mpi() const noexcept { return data_; }
  MpiTransport& transport() noexcept { return transport_; }
  const WaitPolicy& wait_policy() const noexcept { return wait_policy_; }

  // ---- Sequence numbers and failures
  // ----------------------------------------------------------------------------------

  /// Numbers of the next `count` operations. Every rank takes the same in the same order. \throws CommunicationError if
  /// unusable.
  std::uint64_t take_sequence(int count = 1);

  /// This rank's arguments of operation `sequence` are wrong: tells the others and throws InvalidArgument.
  [[noreturn]] void refuse(std::uint64_t sequence, const std::string& why);

  /// Operation `sequence` failed here: makes the communicator unusable and tells the others. The first reason stays.
  void fail(std::uint64_t sequence, std::string_view why) noexcept;

  bool unusable() const noexcept { return reason_.has_value(); }
  [[noreturn]] void throw_unusable() const;

  /// Drives MPI and reads notices. \throws CommunicationError if the communicator became unusable.
  void poll_notices();

  // ---- Memory that is reused
  // ------------------------------------------------------------------------------------------

  std::shared_ptr<OperationMemory> acquire_operation_memory();
  void release_operation_memory(std::shared_ptr<OperationMemory> memory) noexcept;
  Scratch acquire_scratch(std::size_t bytes);
  void release_scratch(Scratch scratch) noexcept;

 private:
  struct Outgoing {
    Notice notice;
    MPI_Request request = MPI_REQUEST_NULL;
  };

  void find_place();
  void find_cores();
  void tell(int peer, const Notice& notice) noexcept;
  void tell_all(Notice::Kind kind, std::uint64_t sequence, std::string_view why) noexcept;
  void heed(const Notice& notice, int source);

  CommunicatorOptions options_;
  MPI_Comm data_ = MPI_COMM_NULL;
  MPI_Comm control_ = MPI_COMM_NULL;
  int rank_ = 0;
  int size_ = 1;
  NodePlace place_;
  WaitPolicy wait_policy_;
  MpiTransport transport_;

  std::uint64_t next_sequence_ = 0;
  std::optional<std::string> reason_;   // why unusable
  std::vector<std::uint64_t> refused_;  // operations refused here, whose like notices mean nothing
  std::vector<Notice> premature_;       // refusals of operations that this rank has not begun
  std::list<Outgoing> outgoing_;        // addresses must stay
  std::vector<Scratch> pool_;
  std::vector<std::shared_ptr<OperationMemory>> idle_memory_;
};

}  // namespace tutti::detail
