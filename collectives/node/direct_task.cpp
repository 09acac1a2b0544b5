// Collectives of node-mates as tasks; see direct_task.hpp.
#include <chrono>
#include <new>
#include <optional>
#include <set>
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

namespace tutti::detail {
namespace {

/// In place of an algorithm's row and digest in signatures.
constexpr int kDirectRow = UINT8_MAX - 1;
constexpr std::uint32_t kDirectDigest = 0xD1BEC7;

/// In place of a table of algorithms, for calls that are known to be right.
constexpr char kDirect = 0;

class DirectTask final : public WaitingTask, public PooledTask<DirectTask> {
 public:
  DirectTask(const Communicator& comm, const Call& call, std::uint64_t sequence, Consent consent = Consent::given)
      : WaitingTask(comm, sequence, Role::whole), work_(make_work(call, consent)) {}

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
    }
    if (progress == Progress::complete) complete_ = true;
    if (work_.differing()) heed_difference(*work_.differing());
    return progress;
  }

 private:
  friend class PooledTask<DirectTask>;

  DirectCollective make_work(const Call& call, Consent consent) {
    const Way way{.schedule = nullptr, .segments = 1, .row = kDirectRow, .digest = kDirectDigest};
    header_ = {.call = signature(call, way, sequence(), state().history()), .before = state().last_call()};
    if (consent != Consent::refused) state().record(header_, true, true);
    return {*state().node(), call, header_, state().history(), consent};
  }

  // A mate that is in a later call has refused this one, or failed; a notice of it is on its way, and says why.
  void heed_difference(int mate) {
    constexpr auto kNoticeLimit = std::chrono::seconds(1);
    const Header& theirs = work_.header_of(mate);
    const auto now = Clock::now();
    if (!differs_since_) differs_since_ = now;
    if (theirs.call.sequence > sequence() && now - *differs_since_ < kNoticeLimit) return;
    fail(find_difference(comm().rank(), header_, mate, theirs));
  }

  std::string label() const override {
    return text(name(header_.call.collective), " #", sequence(), " (", describe(header_.call),
                ", in the node's memory)");
  }

  std::set<int> awaited() const override {
    const std::vector<int> mates = work_.awaited();
    return {mates.begin(), mates.end()};
  }
  std::string awaited_in_words() const override { return list("waits for", awaited()); }

  Header header_ = {};
  DirectCollective work_;
  std::optional<Clock::time_point> differs_since_;
  bool complete_ = false;
};

}  // namespace

bool runs_directly(const Communicator& comm, const Call& call) noexcept {
  const CollectiveOptions& options = call.options;
  return comm.place().nodes == 1 && comm.state().node() != nullptr && comm.state().queue() == nullptr &&
         options.algorithm.empty() && options.radix == 0 && options.segment_bytes == 0 && !call.function &&
         !call.is_counted_by_pair();
}

namespace {

/// The number of the call, which is right. \throws InvalidArgument, and tells the other ranks, if it is not.
std::uint64_t begin_right(const Communicator& comm, const Call& call) {
  CommunicatorState& state = comm.state();
  const std::uint64_t sequence = state.take_sequence();
  WayStore& known = state.everyone().ways();
  const bool has_kind = CallKind::describes(call);
  const CallKind kind(&kDirect, call);
  if (!has_kind || known.find(kind) == nullptr || overlaps(call, comm.rank())) {
    const std::string problem = find_problem(call, comm.rank(), comm.size());
    if (!problem.empty()) state.refuse(sequence, text(name(call.collective), " #", sequence, ": ", problem));
    if (has_kind) known.remember(kind, Way());
  }
  return sequence;
}

}  // namespace

std::unique_ptr<Task> start_direct(const Communicator& comm, const Call& call) {
  const std::uint64_t sequence = begin_right(comm, call);
  std::unique_ptr<DirectTask> task(new (comm.state()) DirectTask(comm, call, sequence));
  task->advance();
  return task;
}

void run_direct(const Communicator& comm, const Call& call) { DirectTask(comm, call, begin_right(comm, call)).wait(); }

std::function<std::unique_ptr<Task>()> prepare_direct(const Communicator& comm, const Call& call) {
  if (const std::string problem = find_problem(call, comm.rank(), comm.size()); !problem.empty()) {
    const std::uint64_t sequence = comm.state().take_sequence();
    comm.state().refuse(sequence, text(name(call.collective), " #", sequence, ": ", problem));
  }
  return [comm, call] { return start_direct(comm, call); };
}

bool run_if_all_can(const Communicator& comm, const Call* call) {
  static const Call none = barrier_call({});
  CommunicatorState& state = comm.state();
  const CommunicatorState::Past past = state.past();
  const std::uint64_t sequence = state.take_sequence();
  DirectTask task(comm, call != nullptr ? *call : none, sequence, call != nullptr ? Consent::asked : Consent::refused);
  task.wait();
  if (task.refused()) state.forget_since(past);
  return !task.refused();
}

}  // namespace tutti::detail
