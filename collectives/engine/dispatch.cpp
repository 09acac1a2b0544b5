// Checks and starts collectives; see dispatch.hpp.
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include <tutti/collectives/call/collective_calls.hpp>
#include <tutti/collectives/engine/dispatch.hpp>
#include <tutti/collectives/engine/node_task.hpp>
#include <tutti/collectives/engine/planning.hpp>
#include <tutti/collectives/engine/queue_task.hpp>
#include <tutti/collectives/engine/schedule_task.hpp>
#include <tutti/collectives/selection/staged_algorithm.hpp>
#include <tutti/kernels/copy.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::detail {
namespace {

/// Alone, every collective is a copy, but for the logical operators, which yield 0 or 1 whatever the number of ranks.
void copy_alone(const Call& call) {
  if (call.input.data != nullptr && call.input.data != call.output.data && call.output.count > 0) {
    copy_bytes(call.output.data, call.input.data, call.output.size_bytes());
  }
  if (call.reduces() && !call.function && (call.op == ReduceOp::logical_and || call.op == ReduceOp::logical_or)) {
    reduce_local(call.op, call.output, call.output, call.output);
  }
}

class CompleteTask final : public Task {
 public:
  Progress advance() override { return Progress::complete; }
  bool poll() override { return true; }
  void wait() override {}
};

[[noreturn]] void refuse(const Communicator& comm, const Call& call, std::uint64_t sequence,
                         const std::string& problem) {
  comm.state().failures().refuse(sequence, text(name(call.collective), " #", sequence, ": ", problem));
}

/// How the call runs under this sequence number: remembered from calls like it, or else found by `plan_into`, and kept
/// in `found` if calls like it have no key. \throws InvalidArgument, and tells the other ranks, if it
/// is wrong.
template <class PlanInto>
const CallPlan& require_plan(const Communicator& comm, RankGroup& group, AlgorithmTable table, const Call& call,
                             std::uint64_t sequence, Role role, std::optional<CallPlan>& found, PlanInto plan_into) {
  const bool has_key = CallKey::describes(call);
  const CallKey key(table.data(), call, role == Role::stage);
  if (has_key) {
    const CallPlan* const known = group.plans().find(key);
    if (known != nullptr && (call.input.data == nullptr || !overlaps(call, group.number()))) return *known;
  }
  CallPlan planned;
  if (const std::string problem = plan_into(planned); !problem.empty()) refuse(comm, call, sequence, problem);
  if (has_key) return group.plans().remember(key, planned);
  return found.emplace(std::move(planned));
}

const CallPlan& require_plan(const Communicator& comm, RankGroup& group, AlgorithmTable table, const Call& call,
                             std::uint64_t sequence, Role role, std::optional<CallPlan>& found) {
  return require_plan(comm, group, table, call, sequence, role, found,
                      [&](CallPlan& planned) { return plan_call(comm, group, table, call, role, planned); });
}

/// Starts a call by its plan; null if this rank is alone: then all is done.
struct Start {
  const Communicator& comm;
  const RankGroup& group;
  Call& call;  ///< which is taken
  std::uint64_t sequence;
  Role role;

  std::unique_ptr<WaitingTask> operator()(const AlonePlan&) const {
    copy_alone(call);
    return nullptr;
  }

  std::unique_ptr<WaitingTask> operator()(const SchedulePlan& plan) const {
    const Collective collective = call.collective;
    std::unique_ptr<CollectiveTask> task;
    try {
      if (comm.state().queue() != nullptr) {
        task = std::make_unique<QueuedTask>(comm, group, SchedulePlan(plan), std::move(call), sequence, role);
      } else {
        task.reset(new (comm.state()) ScheduleTask(comm, group, SchedulePlan(plan), std::move(call), sequence, role));
      }
    } catch (const std::bad_alloc& error) {  // the other ranks would wait for this one
      comm.state().failures().fail(sequence, text(name(collective), " #", sequence, ": ", error.what()));
      throw;
    }
    task->begin();
    return task;
  }

  std::unique_ptr<WaitingTask> operator()(const StagedPlan& plan) const {
    return plan.algorithm->staged->start(comm, call, plan, sequence);
  }

  std::unique_ptr<WaitingTask> operator()(const CachedNodePlan& plan) const {
    return start_in_node(comm, std::move(call), plan, sequence);
  }
};

std::unique_ptr<WaitingTask> start(const Communicator& comm, const RankGroup& group, const CallPlan& plan, Call&& call,
                                   std::uint64_t sequence, Role role) {
  return std::visit(Start{comm, group, call, sequence, role}, plan);
}

std::unique_ptr<Task> or_complete(std::unique_ptr<WaitingTask> task) {
  if (task == nullptr) return std::make_unique<CompleteTask>();
  return task;
}

}  // namespace

std::unique_ptr<Task> start_collective(const Communicator& comm, AlgorithmTable table, Call&& call) {
  take_rule(comm, table, call);
  RankGroup& group = comm.state().everyone();
  const std::uint64_t sequence = comm.state().take_sequence();
  std::optional<CallPlan> found;
  const CallPlan& plan = require_plan(comm, group, table, call, sequence, Role::whole, found);
  return or_complete(start(comm, group, plan, std::move(call), sequence, Role::whole));
}

void run_collective(const Communicator& comm, AlgorithmTable table, Call&& call) {
  take_rule(comm, table, call);
  RankGroup& group = comm.state().everyone();
  const std::uint64_t sequence = comm.state().take_sequence();
  std::optional<CallPlan> found;
  const CallPlan& plan = require_plan(comm, group, table, call, sequence, Role::whole, found);
  if (const auto* const in_node = std::get_if<CachedNodePlan>(&plan)) {
    return run_in_node(comm, call, *in_node, sequence);
  }
  const std::unique_ptr<Task> task = start(comm, group, plan, std::move(call), sequence, Role::whole);
  if (task != nullptr) task->wait();
}

std::unique_ptr<WaitingTask> start_stage(const Communicator& comm, RankGroup& group, AlgorithmTable table, Call&& call,
                                         std::uint64_t sequence) {
  std::optional<CallPlan> found;
  const CallPlan& plan = require_plan(comm, group, table, call, sequence, Role::stage, found);
  return start(comm, group, plan, std::move(call), sequence, Role::stage);
}

std::function<std::unique_ptr<Task>()> prepare_collective(const Communicator& comm, AlgorithmTable table, Call&& call) {
  take_rule(comm, table, call);
  RankGroup& group = comm.state().everyone();
  CallPlan found;
  const std::string problem = plan_call(comm, group, table, call, Role::whole, found);
  if (!problem.empty()) refuse(comm, call, comm.state().take_sequence(), problem);
  call.options = {};
  return [comm, found, call = std::move(call)] {
    const std::uint64_t sequence = comm.state().take_sequence();
    return or_complete(start(comm, comm.state().everyone(), found, Call(call), sequence, Role::whole));
  };
}

bool run_if_all_can(const Communicator& comm, const Call* call) {
  static const Call none = barrier_call({});
  CommunicatorState& state = comm.state();
  const CallLog::Mark mark = state.calls().mark();
  const std::uint64_t sequence = state.take_sequence();
  const Call& own = call != nullptr ? *call : none;
  std::optional<CallPlan> found;
  // Under no table: calls like it may be ruled out of the node's memory.
  const CallPlan& plan =
      require_plan(comm, state.everyone(), {}, own, sequence, Role::whole, found, [&](CallPlan& planned) {
        std::string problem = find_problem(own, comm.rank(), comm.size());
        if (problem.empty()) planned = plan_node_call(comm, own);
        return problem;
      });
  if (run_in_node_if_all_can(comm, own, std::get<CachedNodePlan>(plan), sequence, call != nullptr)) {
    tell_in_node(comm, own);
    return true;
  }
  state.calls().forget_since(mark);
  state.published().forget(sequence);
  return false;
}

void let_pass(const Communicator& comm) {
  CommunicatorState& state = comm.state();
  state.published().leave_out(state.take_sequence());
  state.node()->pass();
}

}  // namespace tutti::detail
