// What stands behind a Communicator: MPI communicators, transport, operations under way, and how ranks learn of each
// other's failures.
#pragma once

#include <mpi.h>

#include <cstdint>
#include <memory>
#include <optional>

#include <tutti/collectives/call/call.hpp>
#include <tutti/collectives/communicator.hpp>
#include <tutti/collectives/communicator/call_log.hpp>
#include <tutti/collectives/communicator/control_channel.hpp>
#include <tutti/collectives/communicator/debug_log.hpp>
#include <tutti/collectives/communicator/end_protocol.hpp>
#include <tutti/collectives/communicator/failures.hpp>
#include <tutti/collectives/communicator/hierarchy.hpp>
#include <tutti/collectives/communicator/liveness.hpp>
#include <tutti/collectives/communicator/memory_pools.hpp>
#include <tutti/collectives/communicator/progress_list.hpp>
#include <tutti/collectives/communicator/questions.hpp>
#include <tutti/collectives/communicator/rank_group.hpp>
#include <tutti/collectives/communicator/rank_topology.hpp>
#include <tutti/collectives/communicator/sequence.hpp>
#include <tutti/collectives/node/local_ranks.hpp>
#include <tutti/collectives/node/node_plan.hpp>
#include <tutti/collectives/selection/rules.hpp>
#include <tutti/collectives/transport/bootstrap.hpp>
#include <tutti/collectives/transport/queue.hpp>
#include <tutti/collectives/transport/transport.hpp>
#include <tutti/collectives/watch/published_communicator.hpp>

namespace tutti::detail {

/// What a communicator stands on that has no MPI communicators of its own.
struct CommunicatorParts {
  Bootstrap& ranks;  ///< by which it is made, and never again
  std::unique_ptr<ControlChannel> control;
  std::shared_ptr<Transport> transport = nullptr;  ///< null: ranks that share a node's memory need none
};

class CommunicatorState {
 public:
  /// A part of a communicator, `whole`, inherits what the choice of algorithms knows, and memory.
  CommunicatorState(MPI_Comm parent, const CommunicatorOptions& options, const CommunicatorState* whole = nullptr);

  /// Of parts that are made elsewhere; mpi() is null. Without a transport its ranks use the memory of their node for
  /// all they do. Where they turn out not to share memory, or not to be on one node, is_one_node() is false on every
  /// rank, and it is of no use.
  CommunicatorState(CommunicatorParts parts, const CommunicatorOptions& options, const CommunicatorState* whole);
  ~CommunicatorState();
  CommunicatorState(const CommunicatorState&) = delete;
  CommunicatorState& operator=(const CommunicatorState&) = delete;

  int rank() const noexcept { return rank_; }
  int size() const noexcept { return size_; }
  const Topology& topology() const noexcept { return rank_topology_->topology(); }
  const CommunicatorOptions& options() const noexcept { return options_; }
  MPI_Comm mpi() const noexcept { return data_; }
  Transport& transport() noexcept { return *transport_; }

  /// Where collectives are enqueued instead of run step by step; usually none.
  Queue* queue() noexcept { return queue_.get(); }
  void set_queue(std::unique_ptr<Queue> queue) noexcept { queue_ = std::move(queue); }

  const WaitPolicy& wait_policy() const noexcept { return rank_topology_->wait_policy(); }
  RankGroup& everyone() noexcept { return *everyone_; }

  /// The ranks of this one's node, whose memory it reads and writes; null if ranks do not, or none shares a node.
  LocalRanks* node() noexcept { return node_.get(); }

  /// Whether all ranks do, and nothing else is between them.
  bool is_one_node() const noexcept { return node_ != nullptr && queue_ == nullptr && topology().nodes == 1; }

  /// Where memory comes from that they can map; null if there is none.
  NodeMemory* node_memory() noexcept { return node_memory_.get(); }

  /// The two levels of the communicator, or nullptr if it has one: a single node, or every rank its own.
  Hierarchy* hierarchy();

  const SelectionFacts& selection_facts() const noexcept { return rank_topology_->facts(); }

  /// Those of the rules that hold for this communicator; null if none does.
  const AlgorithmRules* rules() const noexcept { return rules_.get(); }

  /// What TUTTI_DEBUG=info asks to be told; null where nothing is, or by another rank.
  DebugLog* debug() noexcept { return debug_.get(); }

  // ---- What each has one job

  /// Numbers of operations, and what ranks compare of their calls.
  CallLog& calls() noexcept { return *calls_; }

  /// Number of the next `count` operations. \throws CommunicationError if the communicator is unusable.
  std::uint64_t take_sequence(int count = 1) {
    failures_->require_usable();
    return calls_->take(count);
  }

  Failures& failures() noexcept { return *failures_; }
  Questions& questions() noexcept { return *questions_; }
  Liveness& liveness() noexcept { return *liveness_; }
  ProgressList& progress() noexcept { return progress_; }

  /// The communicator as others see it.
  PublishedCommunicator& published() noexcept { return *published_; }

  /// Memory that is used again.
  MemoryPools& memory() noexcept { return memory_; }

  /// Drives MPI and handles control messages. \throws CommunicationError if the communicator became unusable.
  void poll_control_messages();

  /// For layers above: words, which stay, that a wait without progress is told with from now on; null: none.
  void set_advice(const char* advice) noexcept { advice_ = advice; }
  const char* advice() const noexcept { return advice_; }

  // ---- The end: the destructor waits for the other ranks, unless this was done before

  /// Begins to free the communicator, without waiting: no operation may follow. Collective.
  void begin_end() noexcept;

  /// Whether all ranks have begun to, or it failed. Then the destructor does not wait.
  bool may_end() noexcept;

 private:
  /// How the ranks part: all at one time, and whether any control message was ever sent among them; or each for itself.
  enum class EndMode : std::uint8_t { together, with_control_messages, apart };
  EndMode meet_before_end() noexcept;

  void find_ranks(Bootstrap& ranks, const CommunicatorState* whole);
  void open_node(Bootstrap& ranks, const CommunicatorState* whole);
  void show();
  void begin_debug();
  void on_failure(const std::string& why) noexcept;
  void handle(const ControlMessage& message);

  CommunicatorOptions options_;
  MPI_Comm data_ = MPI_COMM_NULL;
  int rank_ = 0;
  int size_ = 1;
  std::shared_ptr<Transport> transport_;
  std::unique_ptr<ControlChannel> control_;
  std::optional<RankTopology> rank_topology_;  // made by the constructor
  std::shared_ptr<const AlgorithmRules> rules_;
  std::unique_ptr<DebugLog> debug_;
  std::shared_ptr<NodeMemory> node_memory_;
  std::unique_ptr<LocalRanks> node_;
  std::unique_ptr<Queue> queue_;
  std::optional<Hierarchy> hierarchy_;  // made when it is first asked for
  std::optional<RankGroup> everyone_;   // made once the nodes are known

  // Made once the ranks know each other.
  std::optional<PublishedCommunicator> published_;
  std::optional<CallLog> calls_;
  std::optional<Failures> failures_;
  std::optional<Questions> questions_;
  std::optional<Liveness> liveness_;
  std::optional<EndProtocol> end_;

  ProgressList progress_;
  const char* advice_ = nullptr;
  MemoryPools memory_;
};

}  // namespace tutti::detail
