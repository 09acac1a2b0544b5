// What stands behind a Communicator: MPI communicators, transport, operations under way, and how ranks learn of each
// other's failures.
#pragma once

#include <mpi.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tutti/collectives/call/call.hpp>
#include <tutti/collectives/call/plan_cache.hpp>
#include <tutti/collectives/call/rank_group.hpp>
#include <tutti/collectives/communicator.hpp>
#include <tutti/collectives/communicator/control_channel.hpp>
#include <tutti/collectives/communicator/debug_log.hpp>
#include <tutti/collectives/communicator/hierarchy.hpp>
#include <tutti/collectives/communicator/memory_pools.hpp>
#include <tutti/collectives/communicator/rank_topology.hpp>
#include <tutti/collectives/node/local_ranks.hpp>
#include <tutti/collectives/node/node_plan.hpp>
#include <tutti/collectives/selection/rules.hpp>
#include <tutti/collectives/system/leak_until_exit.hpp>
#include <tutti/collectives/system/task.hpp>
#include <tutti/collectives/transport/bootstrap.hpp>
#include <tutti/collectives/transport/queue.hpp>
#include <tutti/collectives/transport/transport.hpp>
#include <tutti/collectives/transport/waiting.hpp>
#include <tutti/collectives/watch/published_communicator.hpp>

namespace tutti::detail {

class Mailbox;
class WaitingTask;

/// Instead of an operation's sequence number: a message between two ranks, which has none.
inline constexpr std::uint64_t kNoSequence = UINT64_MAX;

/// So long after a rank's process has ended, whatever it sent before has arrived.
inline constexpr auto kGoneGrace = std::chrono::milliseconds(150);

/// A rank whose process has ended.
struct GoneRank {
  Clock::time_point since;  ///< when this was learned
  bool finished = false;    ///< it had called MPI_Finalize
  std::string words;        ///< "rank 2 (pid 1234 on node1) has died"
};

/// What a communicator of the ranks of one node stands on that has no MPI communicators of its own.
struct NodeCommunicatorParts {
  Bootstrap& ranks;                  ///< by which it is made, and never again
  std::shared_ptr<ControlHub> hub;  ///< for its control messages
  std::vector<int> hub_ranks;       ///< of rank r there
};

class CommunicatorState {
 public:
  /// A part of a communicator, `whole`, inherits what the choice of algorithms knows, and memory.
  CommunicatorState(MPI_Comm parent, const CommunicatorOptions& options, const CommunicatorState* whole = nullptr);

  /// Of ranks of one node, who use its memory for all they do: it has no transport, and mpi() is null. Where they turn
  /// out not to share memory, or not to be on one node, is_one_node() is false on every rank, and it is of no use.
  CommunicatorState(NodeCommunicatorParts footing, const CommunicatorOptions& options, const CommunicatorState* whole);
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
  Mailbox& mailbox() noexcept { return *mailbox_; }

  /// The ranks of this one's node, whose memory it reads and writes; null if ranks do not, or none shares a node.
  LocalRanks* node() noexcept { return node_.get(); }

  /// Whether all ranks do, and nothing else is between them.
  bool is_one_node() const noexcept { return node_ != nullptr && queue_ == nullptr && topology().nodes == 1; }

  /// What is known of calls that they make there.
  PlanCache<CachedNodePlan>& node_plans() noexcept { return node_plans_; }

  /// Where memory comes from that they can map; null if there is none.
  NodeMemory* node_memory() noexcept { return node_memory_.get(); }

  /// The two levels of the communicator, or nullptr if it has one: a single node, or every rank its own.
  Hierarchy* hierarchy();

  const SelectionFacts& selection_facts() const noexcept { return rank_topology_->facts(); }

  /// Those of the rules that hold for this communicator; null if none does.
  const AlgorithmRules* rules() const noexcept { return rules_.get(); }

  /// What TUTTI_DEBUG=info asks to be told; null where nothing is, or by another rank.
  DebugLog* debug() noexcept { return debug_.get(); }

  // ---- Sequence numbers and failures

  /// Numbers of the next `count` operations. Every rank takes the same in the same order. \throws CommunicationError if
  /// unusable.
  std::uint64_t take_sequence(int count = 1);

  /// The last operation that was started, without its number and history, and a digest of all; the same on every rank,
  /// or their calls differ.
  const Signature& last_call() const noexcept { return last_call_; }
  std::uint64_t history() const noexcept { return history_; }

  /// Remembers a call: whether all ranks make it at this place in their order, and whether all of them make it at all.
  /// `how` it runs, and when the clock is read for it, are for the flight recorder. Returns the digest of the call, or
  /// 0 where ranks do not compare calls.
  std::uint64_t record(const Header& header, bool in_order, bool of_all, const ExecutionInfo& how = {},
                       BeginTime timed = BeginTime::at_begin) noexcept;

  /// The same of a call of a known kind, which all ranks make at this place. Returns what ranks tell each other about
  /// it, which stays for 63 operations more; null where they do not compare calls.
  const KeptHeader* record(const CachedNodePlan& kind, std::uint64_t sequence, BeginTime timed) noexcept;

  /// A number for a kind of calls.
  std::uint64_t number_kind() noexcept { return ++kinds_; }

  /// Ranks compare what they call, unless what that costs is measured: then this is set on all of them, between
  /// operations, and calls that differ go unnoticed.
  bool compares_calls() const noexcept { return compares_calls_; }
  void set_compares_calls(bool compares) noexcept { compares_calls_ = compares; }

  /// The communicator as others see it.
  PublishedCommunicator& published() noexcept { return *published_; }

  /// What ranks compare of the calls before; a call that all ranks find not to have been made is forgotten.
  struct CallHistory {
    Signature last;
    std::uint64_t last_kind;
    std::uint64_t history;
  };
  CallHistory call_history() const noexcept { return {last_call_, last_kind_, history_}; }
  void forget_since(const CallHistory& call_history) noexcept {
    last_call_ = call_history.last;
    last_kind_ = call_history.last_kind;
    history_ = call_history.history;
  }

  /// This rank's arguments of operation `sequence` are wrong: tells the others and throws InvalidArgument.
  [[noreturn]] void refuse(std::uint64_t sequence, const std::string& why);

  /// Why this rank refused the operation; empty if it did not.
  std::string refusal_of(std::uint64_t sequence) const;

  /// Operation `sequence` failed here: makes the communicator unusable and tells the others. The first reason stays.
  void fail(std::uint64_t sequence, std::string_view why) noexcept;

  bool unusable() const noexcept { return reason_.has_value(); }
  [[noreturn]] void throw_unusable() const;

  /// Whether whoever waits should poll_control_messages() at this time, which is then remembered.
  bool is_control_poll_due(Clock::time_point now) noexcept;

  /// Drives MPI and reads control_messages. \throws CommunicationError if the communicator became unusable.
  void poll_control_messages();

  // ---- Processes that have ended

  /// Looks which ranks of this machine have, if that is due.
  enum class NotifyScope : std::uint8_t { other_machines, nobody };
  void look_at_peers(Clock::time_point now, NotifyScope whom = NotifyScope::other_machines);
  const std::map<int, GoneRank>& gone() const noexcept { return gone_; }

  /// Who keeps the ranks of this machine waiting, as far as they show it; empty if nobody does.
  std::string node_suspects() const;

  /// The same in lines of its own, and before them what each rank does. Nothing if a rank of this machine with a lower
  /// number waits in operation `sequence` too: that one tells it.
  std::optional<std::string> node_hang_report(std::uint64_t sequence) const;

  /// For layers above: words, which stay, that a wait without progress is told with from now on; null: none.
  void set_advice(const char* advice) noexcept { advice_ = advice; }
  const char* advice() const noexcept { return advice_; }

  // ---- Roll call: who waits long asks those it waits for, and learns of calls that differ without meeting

  /// Asks `peer`, which is found to call otherwise or answers what it does, once it is in a call on this communicator.
  /// Whether it is told anything that it can compare.
  bool ask(int peer, std::uint64_t sequence) noexcept;

  struct Question {
    int peer;
    std::uint64_t sequence;
  };
  /// The questions that came since the last look.
  std::vector<Question> take_questions() noexcept { return std::exchange(questions_, {}); }
  void answer(const Question& question, std::string_view what) noexcept;

  /// What `peer` last answered about operation `sequence`, or has since it was forgotten; empty if nothing.
  std::string answer_of(int peer, std::uint64_t sequence) const;
  void forget_answer(int peer) noexcept { answers_.erase(peer); }

  /// An operation was found to differ, and a peer was asked how: the communicator is about to fail, with more to say
  /// than what else fails meanwhile.
  bool is_about_to_fail() const noexcept { return is_about_to_fail_; }
  void set_about_to_fail() noexcept { is_about_to_fail_ = true; }
  bool has_begun(std::uint64_t sequence) const noexcept { return sequence < next_sequence_; }

  // ---- Operations under way: whoever waits for one advances all

  void enlist(WaitingTask& task) { tasks_.push_back(&task); }
  void delist(WaitingTask& task) noexcept { std::erase(tasks_, &task); }

  /// Advances messages between two ranks and all enlisted tasks but `task`; true if any got further. \throws
  /// CommunicationError
  bool advance_others(const Task& task);

  /// Memory that is used again.
  MemoryPools& memory() noexcept { return memory_; }

  // ---- The end: the destructor waits for the other ranks, unless this was done before

  /// Begins to free the communicator, without waiting: no operation may follow. Collective.
  void begin_end() noexcept;

  /// Whether all ranks have begun to, or it failed. Then the destructor does not wait.
  bool may_end() noexcept;

 private:
  /// Of all ranks before the end, where they learn whether any control message was ever sent among them. MPI may still
  /// touch it when not all ranks came.
  struct Meeting {
    int own_control_messages;  // 0 or 1
    int control_messages = 0;
    MPI_Request request = MPI_REQUEST_NULL;
  };

  /// How the ranks part: all at one time, and whether any control message was ever sent among them; or each for itself.
  enum class EndMode : std::uint8_t { together, with_control_messages, apart };
  EndMode meet_before_end() noexcept;
  bool have_all_come();

  void find_ranks(Bootstrap& ranks, const CommunicatorState* whole);
  void open_node(Bootstrap& ranks, const CommunicatorState* whole);
  void show();
  void begin_debug();
  void set_unusable(std::string why) noexcept;
  void tell_all(ControlMessage::Kind kind, std::uint64_t sequence, std::string_view why, int about) noexcept;
  void flush_control_messages() noexcept;
  void heed(const ControlMessage& control_message);
  void hear_question(const ControlMessage& control_message);

  CommunicatorOptions options_;
  MPI_Comm data_ = MPI_COMM_NULL;
  int rank_ = 0;
  int size_ = 1;
  std::shared_ptr<Transport> transport_;
  ControlChannel control_;
  std::optional<RankTopology> rank_topology_;  // made by the constructor
  std::shared_ptr<const AlgorithmRules> rules_;
  std::unique_ptr<DebugLog> debug_;
  std::shared_ptr<NodeMemory> node_memory_;
  std::unique_ptr<LocalRanks> node_;
  PlanCache<CachedNodePlan> node_plans_;
  std::unique_ptr<Queue> queue_;
  std::optional<Hierarchy> hierarchy_;  // made when it is first asked for
  std::optional<RankGroup> everyone_;   // made once the nodes are known
  std::unique_ptr<Mailbox> mailbox_;
  std::optional<PublishedCommunicator> published_;  // made once the ranks know each other

  std::uint64_t next_sequence_ = 0;
  bool compares_calls_ = true;
  std::uint64_t history_ = 0;
  Signature last_call_{};
  std::uint64_t last_kind_ = 0;        // its number, or 0
  std::uint64_t kinds_ = 0;            // that have a number
  std::optional<std::string> reason_;  // why unusable
  bool is_about_to_fail_ = false;
  std::map<std::uint64_t, std::string>
      refused_;                            // operations refused here, and why; like control messages mean nothing
  std::vector<ControlMessage> premature_;  // refusals of operations that this rank has not begun
  const char* advice_ = nullptr;
  std::vector<Question> questions_;
  std::map<int, ControlMessage> answers_;  // by peer, the last
  std::map<int, GoneRank> gone_;           // by rank
  std::array<KeptHeader, 64> recent_{};    // the last operations, by sequence modulo size
  std::vector<WaitingTask*> tasks_;        // enlisted
  Clock::time_point last_poll_{};          // of control messages, by those who wait
  MemoryPools memory_;
  std::shared_ptr<Meeting> meeting_;  // null until the end begins
};

}  // namespace tutti::detail
