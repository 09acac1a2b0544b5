// Collectives of local ranks as tasks; see node_task.hpp.
#include <sched.h>

#include <chrono>
#include <new>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

#include <tutti/collectives/call/data_layout.hpp>
#include <tutti/collectives/call/plan_cache.hpp>
#include <tutti/collectives/communicator/communicator_state.hpp>
#include <tutti/collectives/engine/node_task.hpp>
#include <tutti/collectives/engine/pooled_task.hpp>
#include <tutti/collectives/engine/waiting_task.hpp>
#include <tutti/collectives/node/node_collective.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::detail {
namespace {

/// In place of an algorithm's row and digest in signatures.
const SchedulePlan kNodeMemoryPlan = {.schedule = nullptr, .segments = 1, .row = UINT8_MAX - 1, .digest = 0xD1BEC7};

/// Its header stays for 63 operations more.
NodeCollective make_work(const Communicator& comm, const Call& call, const CachedNodePlan& kind, std::uint64_t sequence,
                         BeginTime timed, Participation participation = Participation::given) {
  CommunicatorState& state = comm.state();
  const KeptHeader* header = nullptr;
  if (participation == Participation::refused) {
    state.published().leave_out(sequence);
  } else {
    header = state.calls().record(kind, sequence, timed);
  }
  return {*state.node(), call, kind.plan, header, state.calls().history(), participation};
}

/// The clock is not read for the beginning of a call that may be over sooner than two readings.
BeginTime timed_of(const Call& call) noexcept {
  constexpr std::size_t kQuickBytes = 4096;
  return call.input.size_bytes() + call.output.size_bytes() <= kQuickBytes ? BeginTime::when_it_waits
                                                                           : BeginTime::at_begin;
}

class NodeTask final : public WaitingTask, public PooledTask<NodeTask> {
 public:
  /// What is under way already. Its call stays.
  NodeTask(const Communicator& comm, std::uint64_t sequence, NodeCollective&& work)
      : WaitingTask(comm, sequence, Role::whole), work_(std::move(work)) {
    keep_header();
  }

  NodeTask(const Communicator& comm, Call&& call, const CachedNodePlan& kind, std::uint64_t sequence)
      : WaitingTask(comm, sequence, Role::whole),
        call_(std::move(call)),
        work_(make_work(comm, call_, kind, sequence, BeginTime::at_begin)) {
    keep_header();
  }

  /// A stage, of the ranks of `group`, which stays.
  NodeTask(const Communicator& comm, const RankGroup& group, Call&& call, std::uint64_t sequence,
           const ReservedSlot& slot)
      : WaitingTask(comm, sequence, Role::stage), group_(&group), call_(std::move(call)), work_(make_stage(slot)) {}

  ~NodeTask() override {
    if (!complete_) state().failures().fail(sequence(), text(label(), " was given up before it was complete"));
  }

  /// Once it is complete: whether it was made, or a rank refused.
  bool refused() const noexcept { return work_.refused(); }

  Progress advance() override {
    if (complete_) return Progress::complete;
    if (state().failures().unusable()) state().failures().throw_unusable();
    Progress progress = Progress::none;
    try {
      progress = work_.advance();
    } catch (const std::bad_alloc&) {
      state().poll_control_messages();  // a rank that failed and freed its memory says more
      fail(
          "memory of a rank of this node cannot be mapped: it was freed, or a limit of this process (descriptors, "
          "address space) is reached");
    } catch (const Unreadable& unreadable) {
      state().poll_control_messages();
      fail(text("memory of rank ", rank_of(unreadable.number),
                " cannot be read: ", std::generic_category().message(unreadable.error)));
    }
    if (progress == Progress::complete) complete_ = true;
    if (work_.differing()) heed_difference(*work_.differing());
    return progress;
  }

 private:
  friend class PooledTask<NodeTask>;

  // Stages begin when they can, not in one order on all ranks.
  NodeCollective make_stage(const ReservedSlot& slot) {
    const Header header = {.call = signature(call_, kNodeMemoryPlan, sequence(), 0),
                           .before = state().calls().last_call()};
    const std::uint64_t digest = state().calls().record(header, false, false);
    header_ = {.header = header};
    return {*state().node(), call_, &header_, digest, slot};
  }

  // Many operations may begin before this one posts.
  void keep_header() noexcept {
    if (work_.header() == nullptr) return;
    header_ = *work_.header();
    work_.set_header(header_);
  }

  int rank_of(int peer) const noexcept { return group_ == nullptr ? peer : group_->rank_of(peer); }

  // A peer that is in a later call has refused this one, or failed; a control message of it is on its way, and says
  // why.
  void heed_difference(int peer) {
    constexpr auto kControlLimit = std::chrono::seconds(1);
    const Header& theirs = work_.header_of(peer);
    const auto now = Clock::now();
    if (!differs_since_) differs_since_ = now;
    if (theirs.call.sequence > sequence() && now - *differs_since_ < kControlLimit) return;
    if (const std::string why = state().failures().refusal_of(theirs.call.sequence); !why.empty()) {
      fail(text("rank ", rank_of(peer), " entered a call that this rank refused: ", why));
    }
    fail(find_difference(comm().rank(), header_.header, rank_of(peer), theirs));
  }

  std::string label() const override {
    const Signature call = signature(work_.call(), kNodeMemoryPlan, sequence(), 0);
    return text(name(call.collective), " #", sequence(), " (", describe(call), ", in the node's memory)");
  }

  bool waits_in_memory() const override { return true; }

  std::set<int> awaited() const override {
    std::set<int> ranks;
    for (const int peer : work_.awaited()) ranks.insert(rank_of(peer));
    return ranks;
  }
  std::string awaited_in_words() const override { return list("waits for", awaited()); }

  const RankGroup* group_ = nullptr;  // of a stage
  const Call call_ = {};              // unless the caller keeps it
  KeptHeader header_ = {};
  NodeCollective work_;
  std::optional<Clock::time_point> differs_since_;
  bool complete_ = false;
};

/// Whether it is complete within the time in which a rank spins, and nothing else has to be looked at. A task is only
/// made of what takes longer. Where ranks share processors, one yields to those that it waits for; while it waits for
/// others only, to yield would bring on ranks that have to wait as well.
bool completes_soon(const Communicator& comm, std::uint64_t sequence, NodeCollective& work) {
  constexpr int kPolls = 100;
  constexpr int kPollsBeforeYield = 16;
  constexpr int kQuickPolls = 8;  // so many take less time than the clock is worth
  const bool spins = comm.state().wait_policy().spin > Clock::duration::zero();
  PublishedCommunicator& published = comm.state().published();
  bool just_timed = false;
  try {
    for (int poll = 0, since_yield = 0; poll < kPolls; ++since_yield) {
      if (work.advance() == Task::Progress::complete) {
        published.end(sequence, false, just_timed && poll <= kQuickPolls && since_yield <= kQuickPolls);
        return true;
      }
      if (work.differing()) return false;
      if (poll == 0 && since_yield == 0) just_timed = published.begins_to_wait(sequence);
      const bool yields = work.is_in_the_way() || (!spins && since_yield == kPollsBeforeYield);
      if (yields) sched_yield();
      if (yields) since_yield = 0;
      if (yields || spins) ++poll;
    }
  } catch (const std::bad_alloc&) {  // which happens again, and is explained then, as is this
  } catch (const Unreadable&) {
  }
  return false;
}

}  // namespace

CachedNodePlan plan_node_call(const Communicator& comm, const Call& call) noexcept {
  const Signature call_signature = signature(call, kNodeMemoryPlan, 0, 0);
  return {.plan = plan_in_node(call, comm.state().node()->number(), comm.size()),
          .signature = call_signature,
          .digest = kind_digest_of(call_signature),
          .number = comm.state().calls().number_kind(),
          .flight = comm.state().published().flight_of(call_signature, {})};
}

std::unique_ptr<WaitingTask> start_in_node(const Communicator& comm, Call&& call, const CachedNodePlan& plan,
                                           std::uint64_t sequence) {
  std::unique_ptr<NodeTask> task(new (comm.state()) NodeTask(comm, std::move(call), plan, sequence));
  task->advance();
  return task;
}

void run_in_node(const Communicator& comm, const Call& call, const CachedNodePlan& plan, std::uint64_t sequence) {
  NodeCollective work = make_work(comm, call, plan, sequence, timed_of(call));
  if (!completes_soon(comm, sequence, work)) NodeTask(comm, sequence, std::move(work)).wait();
}

bool run_in_node_if_all_can(const Communicator& comm, const Call& call, const CachedNodePlan& plan,
                            std::uint64_t sequence, bool can) {
  NodeCollective work =
      make_work(comm, call, plan, sequence, timed_of(call), can ? Participation::asked : Participation::refused);
  if (completes_soon(comm, sequence, work)) return !work.refused();
  NodeTask task(comm, sequence, std::move(work));
  task.wait();
  return !task.refused();
}

std::unique_ptr<WaitingTask> start_node_stage(const Communicator& comm, const RankGroup& group, Call&& call,
                                              std::uint64_t sequence, const ReservedSlot& slot) {
  std::unique_ptr<NodeTask> task(new (comm.state()) NodeTask(comm, group, std::move(call), sequence, slot));
  task->advance();
  return task;
}

}  // namespace tutti::detail
