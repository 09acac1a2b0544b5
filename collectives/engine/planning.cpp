// Choosing how a call runs; see planning.hpp.
#include <algorithm>
#include <cmath>
#include <span>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <tutti/collectives/engine/node_task.hpp>
#include <tutti/collectives/engine/planning.hpp>
#include <tutti/collectives/schedule/algorithm_table.hpp>
#include <tutti/collectives/selection/staged_algorithm.hpp>
#include <tutti/kernels/crc32c.hpp>
#include <tutti/kernels/names.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::detail {
namespace {

/// What a pair is taken to exchange where only the pair knows, so that all ranks plan alike.
constexpr std::size_t kPairBytes = 4096;

/// In which order the contributions of a reduction have to be reduced.
Order order_wanted(const Communicator& comm, const Call& call) noexcept {
  if (!call.reduces()) return Order::any;
  if (comm.options().reproducibility == Reproducibility::layout) return Order::one_pass;
  if (!call.function || call.function->commutative) return Order::any;
  return call.root == 0 ? Order::by_rank_root_first : Order::by_rank;
}

std::vector<std::string> known_algorithms(AlgorithmTable table, Collective collective) {
  std::vector<std::string> known;
  for (const Algorithm* row : table) {
    if (row->collective == collective) known.emplace_back(row->name);
  }
  return known;
}

/// The levels of the communicator, if a staged row of the table can run the call on them.
LevelPrices* levels_for(const Communicator& comm, const RankGroup& group, AlgorithmTable table, const Call& call) {
  if (&group != &comm.state().everyone()) return nullptr;
  const bool any = std::any_of(table.begin(), table.end(), [&](const Algorithm* row) {
    return row->collective == call.collective && row->staged != nullptr &&
           row->staged->find_problem(comm, call) == nullptr;
  });
  return any ? &comm.state().hierarchy()->prices : nullptr;
}

/// What the call and the communicator ask of an algorithm.
Constraints constraints_of(const Communicator& comm, const RankGroup& group, AlgorithmTable table, const Call& call) {
  const CollectiveOptions& options = call.options;
  return {.algorithm = options.algorithm,
          .radix = options.radix,
          .segment_bytes = options.segment_bytes,
          .uneven = call.is_uneven(),
          .order = order_wanted(comm, call),
          .levels = levels_for(comm, group, table, call)};
}

/// Why the algorithm that is named cannot run; empty if none is named or it can.
std::string find_algorithm_problem(const Communicator& comm, const RankGroup& group, AlgorithmTable table,
                                   const Call& call) {
  const CollectiveOptions& options = call.options;
  const Constraints constraints = constraints_of(comm, group, table, call);
  const char* const who = constraints.order == Order::one_pass ? "the reproducibility level 'layout'"
                                                               : "an operator that is not commutative";
  const int widest = std::max(2, group.size());
  bool only_widest = false;
  if (options.algorithm.empty()) {
    // Of those that reduce in rank order with any radix there is one of each collective but reduce_scatter.
    only_widest = constraints.order == Order::one_pass ||
                  (constraints.order != Order::any && call.collective == Collective::reduce_scatter);
  } else {
    const Algorithm* row = find_algorithm(table, call.collective, options.algorithm);
    if (row == nullptr) {
      return unknown_name("algorithm", options.algorithm, known_algorithms(table, call.collective));
    }
    if (call.is_uneven() && row->moves_blocks) {
      return text("algorithm '", options.algorithm, "' needs the same count of every rank");
    }
    if (row->staged != nullptr) {
      const char* const problem = row->staged->find_problem(comm, call);
      if (problem != nullptr) return text("algorithm '", options.algorithm, "' ", problem);
    }
    if (!can_serve(*row, constraints, only_widest)) {
      return text("algorithm '", options.algorithm, "' does not reduce in rank order, as ", who, " needs");
    }
  }
  if (only_widest && options.radix != 0 && options.radix != widest) {
    return text("radix ", options.radix, " does not reduce in rank order, as ", who, " needs: here it must be ",
                widest);
  }
  return {};
}

/// Bytes that the choice of an algorithm goes by.
std::size_t planned_bytes(const Call& call, int ranks) noexcept {
  return call.is_counted_by_pair() ? static_cast<std::size_t>(ranks) * kPairBytes : call.data_bytes();
}

/// Why a rule that fits the call does not serve it; empty if it does.
std::string find_rule_problem(const Communicator& comm, AlgorithmTable table, const Call& ruled) {
  if (std::string problem = find_radix_problem(ruled, comm.size()); !problem.empty()) return problem;
  return find_algorithm_problem(comm, comm.state().everyone(), table, ruled);
}

/// Why this plan, for people.
std::string reason_of(const Call& call, const std::vector<Plan>& plans) {
  if (call.rule != nullptr) return text("rule '", call.rule->words, "' of ", call.rule->place);
  const Plan& own = plans.front();
  const auto microseconds = [](const Plan& plan) { return text(std::round(plan.predicted.total() * 1e7) / 10, " us"); };
  if (!call.options.algorithm.empty()) return text("named by the program; predicted ", microseconds(own));
  const auto other =
      std::find_if(plans.begin(), plans.end(), [&](const Plan& plan) { return plan.algorithm != own.algorithm; });
  if (other == plans.end()) return text("the only candidate; predicted ", microseconds(own));
  const bool fastest = own.predicted.total() <= plans[1].predicted.total();
  return text(fastest ? "predicted fastest, " : "fewest messages of those predicted as good, ", microseconds(own),
              "; next ", other->algorithm->name, ", ", microseconds(*other));
}

void tell(const Communicator& comm, RankGroup& group, AlgorithmTable table, const Call& call, const Plan& plan) {
  DebugLog* const log = comm.state().debug();
  if (log == nullptr || &group != &comm.state().everyone()) return;  // stages are not calls of the program
  std::string how(plan.algorithm->name);
  if (plan.algorithm->radix != Radix::none) how += text(", radix ", plan.radix);
  const char* const part = plan.algorithm->staged != nullptr ? plan.algorithm->staged->part : "segment";
  how += text(", ", plan.segments, " ", part, plan.segments == 1 ? "" : "s");
  log->say_call(call, how,
                reason_of(call, group.selector().candidates(table, call.collective, planned_bytes(call, group.size()),
                                                            constraints_of(comm, group, table, call))));
}

std::uint32_t digest_of(const Plan& plan) noexcept {
  const int numbers[] = {plan.radix, plan.segments};
  return crc32c(std::as_bytes(std::span(numbers)), tutti::digest_of(*plan.algorithm));
}

}  // namespace

void tell_in_node(const Communicator& comm, const Call& call) {
  DebugLog* const log = comm.state().debug();
  if (log != nullptr) log->say_call(call, "node memory", "all ranks share the memory of a node");
}

std::string plan_call(const Communicator& comm, RankGroup& group, AlgorithmTable table, const Call& call, Role role,
                      CallPlan& found) {
  std::string problem = find_problem(call, group.number(), group.size());
  if (problem.empty() && call.function && comm.state().queue() != nullptr) {
    problem = "user-defined operators cannot be enqueued on a device";
  }
  if (problem.empty()) problem = find_algorithm_problem(comm, group, table, call);
  if (!problem.empty() || group.size() == 1) return problem;
  if (role == Role::whole && &group == &comm.state().everyone() && runs_in_node(comm, call)) {
    found = plan_node_call(comm, call);
    tell_in_node(comm, call);
    return {};
  }
  const Plan plan = group.selector().choose(table, call.collective, planned_bytes(call, group.size()),
                                            constraints_of(comm, group, table, call));
  tell(comm, group, table, call, plan);
  const auto row = static_cast<int>(std::find(table.begin(), table.end(), plan.algorithm) - table.begin());
  if (plan.algorithm->staged != nullptr) {
    found = StagedPlan{.algorithm = plan.algorithm, .parts = plan.segments, .row = row, .digest = digest_of(plan)};
  } else {
    found = SchedulePlan{.schedule = group.schedules().find(*plan.algorithm, plan.radix, call.root),
                         .segments = plan.segments,
                         .row = row,
                         .digest = digest_of(plan)};
  }
  return {};
}

void take_rule(const Communicator& comm, AlgorithmTable table, Call& call) {
  const AlgorithmRules* const rules = comm.state().rules();
  if (rules == nullptr || !call.options.algorithm.empty() || call.rule != nullptr) return;
  const CollectiveOptions own = call.options;
  const std::size_t bytes = planned_bytes(call, comm.size());
  for (const AlgorithmRule& rule : *rules) {
    if (!rule.fits(call.collective, bytes, call.is_uneven())) continue;
    call.rule = &rule;
    call.options = {.algorithm = rule.algorithm,
                    .radix = own.radix != 0 ? own.radix : rule.radix,
                    .segment_bytes = own.segment_bytes != 0 ? own.segment_bytes : rule.segment_bytes};
    const std::string problem = find_rule_problem(comm, table, call);
    if (problem.empty()) return;
    if (DebugLog* const log = comm.state().debug()) {
      log->say_call(call, text("rule '", rule.words, "' of ", rule.place, " is passed over"), problem);
    }
    call.rule = nullptr;
    call.options = own;
  }
}

}  // namespace tutti::detail
