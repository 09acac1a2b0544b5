// Collectives of node-mates as tasks; see direct_task.hpp.
#include <sched.h>

#include <chrono>
#include <new>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

#include <tutti/collectives/collective_calls.hpp>
#include <tutti/collectives/communicator_state.hpp>
#include <tutti/collectives/data_layout.hpp>
#include <tutti/collectives/node/direct.hpp>
#include <tutti/collectives/node/direct_task.hpp>
#include <tutti/collectives/pooled_task.hpp>
#include <tutti/collectives/waiting_task.hpp>
#include <tutti/collectives/way.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::detail {
namespace {

/// In place of an algorithm's row and digest in signatures.
const Way kWay = {.schedule = nullptr, .segments = 1, .row = UINT8_MAX - 1, .digest = 0xD1BEC7};

DirectKind kind_of(const Communicator& comm, const Call& call) noexcept {
  const Signature call_signature = signature(call, kWay, 0, 0);
  return {.plan = plan_direct(call, comm.state().node()->number(), comm.size()),
          .signature = call_signature,
          .digest = kind_digest_of(call_signature),
          .number = comm.state().number_kind(),
          .flight = comm.state().presence().flight_of(call_signature, {})};
}

/// Its header stays for 63 operations more.
DirectCollective make_work(const Communicator& comm, const Call& call, const DirectKind& kind, std::uint64_t sequence,
                           Timed timed, Consent consent = Consent::given) {
  CommunicatorState& state = comm.state();
  const KeptHeader* header = nullptr;
  if (consent == Consent::refused) {
    state.presence().leave_out(sequence);
  } else {
    header = state.record(kind, sequence, timed);
  }
  return {*state.node(), call, kind.plan, header, state.history(), consent};
}

/// The clock is not read for the beginning of a call that may be over sooner than two readings.
Timed timed_of(const Call& call) noexcept {
  constexpr std::size_t kQuickBytes = 4096;
  return call.input.size_bytes() + call.output.size_bytes() <= kQuickBytes ? Timed::when_it_waits : Timed::at_begin;
}

class DirectTask final : public WaitingTask, public PooledTask<DirectTask> {
 public:
  /// What is under way already. Its call stays.
  DirectTask(const Communicator& comm, std::uint64_t sequence, DirectCollective&& work)
      : WaitingTask(comm, sequence, Role::whole), work_(std::move(work)) {
    keep_header();
  }

  DirectTask(const Communicator& comm, Call&& call, const DirectKind& kind, std::uint64_t sequence)
      : WaitingTask(comm, sequence, Role::whole),
        call_(std::move(call)),
        work_(make_work(comm, call_, kind, sequence, Timed::at_begin)) {
    keep_header();
  }

  /// A stage, of the ranks of `group`, which stays.
  DirectTask(const Communicator& comm, const Group& group, Call&& call, std::uint64_t sequence, const Ticket& ticket)
      : WaitingTask(comm, sequence, Role::stage), group_(&group), call_(std::move(call)), work_(make_stage(ticket)) {}

  ~DirectTask() override {
    if (!complete_) state().fail(sequence(), text(label(), " was given up before it was complete"));
  }

  /// Once it is complete: whether it was made, or a rank refused.
  bool refused() const noexcept { return work_.refused(); }

  Progress advance() override {
    if (complete_) return Progress::complete;
    if (state().unusable()) state().throw_unusable();
    Progress progress = Progress::none;
    try {
      progress = work_.advance();
    } catch (const std::bad_alloc&) {
      state().poll_notices();  // a rank that failed and freed its memory says more
      fail(
          "memory of a rank of this node cannot be mapped: it was freed, or a limit of this process (descriptors, "
          "address space) is reached");
    } catch (const Unreadable& unreadable) {
      state().poll_notices();
      fail(text("memory of rank ", rank_of(unreadable.number),
                " cannot be read: ", std::generic_category().message(unreadable.error)));
    }
    if (progress == Progress::complete) complete_ = true;
    if (work_.differing()) heed_difference(*work_.differing());
    return progress;
  }

 private:
  friend class PooledTask<DirectTask>;

  // Stages begin when they can, not in one order on all ranks.
  DirectCollective make_stage(const Ticket& ticket) {
    const Header header = {.call = signature(call_, kWay, sequence(), 0), .before = state().last_call()};
    const std::uint64_t digest = state().record(header, false, false);
    header_ = {.header = header};
    return {*state().node(), call_, &header_, digest, ticket};
  }

  // Many operations may begin before this one posts.
  void keep_header() noexcept {
    if (work_.header() == nullptr) return;
    header_ = *work_.header();
    work_.set_header(header_);
  }

  int rank_of(int mate) const noexcept { return group_ == nullptr ? mate : group_->rank_of(mate); }

  // A mate that is in a later call has refused this one, or failed; a notice of it is on its way, and says why.
  void heed_difference(int mate) {
    constexpr auto kNoticeLimit = std::chrono::seconds(1);
    const Header& theirs = work_.header_of(mate);
    const auto now = Clock::now();
    if (!differs_since_) differs_since_ = now;
    if (theirs.call.sequence > sequence() && now - *differs_since_ < kNoticeLimit) return;
    if (const std::string why = state().refusal_of(theirs.call.sequence); !why.empty()) {
      fail(text("rank ", rank_of(mate), " entered a call that this rank refused: ", why));
    }
    fail(find_difference(comm().rank(), header_.header, rank_of(mate), theirs));
  }

  std::string label() const override {
    const Signature call = signature(work_.call(), kWay, sequence(), 0);
    return text(name(call.collective), " #", sequence(), " (", describe(call), ", in the node's memory)");
  }

  bool waits_in_memory() const override { return true; }

  std::set<int> awaited() const override {
    std::set<int> ranks;
    for (const int mate : work_.awaited()) ranks.insert(rank_of(mate));
    return ranks;
  }
  std::string awaited_in_words() const override { return list("waits for", awaited()); }

  const Group* group_ = nullptr;  // of a stage
  const Call call_ = {};          // unless the caller keeps it
  KeptHeader header_ = {};
  DirectCollective work_;
  std::optional<Clock::time_point> differs_since_;
  bool complete_ = false;
};

/// What is known of the call, whose number is `sequence`, or is found now, and kept in `found` if calls like it cannot
/// be told by their kind. \throws InvalidArgument, and tells the other ranks, if it is wrong.
const DirectKind& know(const Communicator& comm, const Call& call, std::uint64_t sequence,
                       std::optional<DirectKind>& found) {
  CommunicatorState& state = comm.state();
  KindStore<DirectKind>& known = state.direct_kinds();
  const bool has_kind = CallKind::describes(call);
  const CallKind kind(nullptr, call);
  if (has_kind) {
    const DirectKind* const before = known.find(kind);
    if (before != nullptr && (call.input.data == nullptr || !overlaps(call, comm.rank()))) return *before;
  }
  const std::string problem = find_problem(call, comm.rank(), comm.size());
  if (!problem.empty()) state.refuse(sequence, text(name(call.collective), " #", sequence, ": ", problem));
  if (has_kind) return known.remember(kind, kind_of(comm, call));
  return found.emplace(kind_of(comm, call));
}

/// Whether it is complete within the time in which a rank spins, and nothing else has to be looked at. A task is only
/// made of what takes longer. Where ranks share processors, one yields to those that it waits for; while it waits for
/// others only, to yield would bring on ranks that have to wait as well.
bool completes_soon(const Communicator& comm, std::uint64_t sequence, DirectCollective& work) {
  constexpr int kPolls = 100;
  constexpr int kPollsBeforeYield = 16;
  constexpr int kQuickPolls = 8;  // so many take less time than the clock is worth
  const bool spins = comm.state().wait_policy().spin > Clock::duration::zero();
  Presence& presence = comm.state().presence();
  bool just_timed = false;
  try {
    for (int poll = 0, since_yield = 0; poll < kPolls; ++since_yield) {
      if (work.advance() == Task::Progress::complete) {
        presence.end(sequence, false, just_timed && poll <= kQuickPolls && since_yield <= kQuickPolls);
        return true;
      }
      if (work.differing()) return false;
      if (poll == 0 && since_yield == 0) just_timed = presence.begins_to_wait(sequence);
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

void tell(const Communicator& comm, const Call& call) {
  DebugLog* const log = comm.state().debug();
  if (log != nullptr) log->say_call(call, "node memory", "all ranks share the memory of a node");
}

}  // namespace

std::unique_ptr<Task> start_direct(const Communicator& comm, Call&& call) {
  const std::uint64_t sequence = comm.state().take_sequence();
  tell(comm, call);
  std::optional<DirectKind> found;
  const DirectKind& kind = know(comm, call, sequence, found);
  std::unique_ptr<DirectTask> task(new (comm.state()) DirectTask(comm, std::move(call), kind, sequence));
  task->advance();
  return task;
}

void run_direct(const Communicator& comm, const Call& call) {
  const std::uint64_t sequence = comm.state().take_sequence();
  tell(comm, call);
  std::optional<DirectKind> found;
  const DirectKind& kind = know(comm, call, sequence, found);
  DirectCollective work = make_work(comm, call, kind, sequence, timed_of(call));
  if (!completes_soon(comm, sequence, work)) DirectTask(comm, sequence, std::move(work)).wait();
}

std::function<std::unique_ptr<Task>()> prepare_direct(const Communicator& comm, const Call& call) {
  if (const std::string problem = find_problem(call, comm.rank(), comm.size()); !problem.empty()) {
    const std::uint64_t sequence = comm.state().take_sequence();
    comm.state().refuse(sequence, text(name(call.collective), " #", sequence, ": ", problem));
  }
  return [comm, call] { return start_direct(comm, Call(call)); };
}

bool run_if_all_can(const Communicator& comm, const Call* call) {
  static const Call none = barrier_call({});
  CommunicatorState& state = comm.state();
  const CommunicatorState::Past past = state.past();
  const std::uint64_t sequence = state.take_sequence();
  const Call& own = call != nullptr ? *call : none;
  std::optional<DirectKind> found;
  const DirectKind& kind = know(comm, own, sequence, found);
  DirectCollective work =
      make_work(comm, own, kind, sequence, timed_of(own), call != nullptr ? Consent::asked : Consent::refused);
  bool refused = false;
  if (completes_soon(comm, sequence, work)) {
    refused = work.refused();
  } else {
    DirectTask task(comm, sequence, std::move(work));
    task.wait();
    refused = task.refused();
  }
  if (refused) {
    state.forget_since(past);
    state.presence().forget(sequence);
  } else {
    tell(comm, own);
  }
  return !refused;
}

void let_pass(const Communicator& comm) {
  CommunicatorState& state = comm.state();
  state.presence().leave_out(state.take_sequence());
  state.node()->pass();
}

std::unique_ptr<Task> start_direct_stage(const Communicator& comm, const Group& group, Call&& call,
                                         std::uint64_t sequence, const Ticket& ticket) {
  std::unique_ptr<DirectTask> task(new (comm.state()) DirectTask(comm, group, std::move(call), sequence, ticket));
  task->advance();
  return task;
}

}  // namespace tutti::detail
