// Checks and starts collectives; see executor.hpp.
#include <algorithm>

#include <tutti/collectives/executor.hpp>
#include <tutti/collectives/schedule_task.hpp>
#include <tutti/collectives/table.hpp>
#include <tutti/kernels/copy.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti::detail {
namespace {

/// What a pair is taken to exchange where only the pair knows, so that all ranks plan alike.
constexpr std::size_t kPairBytes = 4096;

/// Alone, every collective is a copy, but for the logical operators, which yield 0 or 1 whatever the number of ranks.
void copy_alone(const Call& call) {
  if (call.input.data != nullptr && call.input.data != call.output.data && call.output.count > 0) {
    copy_bytes(call.output.data, call.input.data, call.output.size_bytes());
  }
  if (call.reduces() && (call.op == ReduceOp::logical_and || call.op == ReduceOp::logical_or)) {
    combine(call.op, call.output, call.output, call.output);
  }
}

class CompleteTask final : public Task {
 public:
  Progress advance() override { return Progress::complete; }
  bool poll() override { return true; }
  void wait() override {}
};

std::string known_algorithms(AlgorithmTable table, Collective collective) {
  std::string known;
  for (const Algorithm* row : table) {
    if (row->collective == collective) known += text(known.empty() ? "" : ", ", row->name);
  }
  return known;
}

std::unique_ptr<Task> start(const Communicator& comm, Group& group, AlgorithmTable table, const Call& call,
                            std::uint64_t sequence, Role role) {
  std::string problem = find_problem(call, group.number(), group.size());
  const CollectiveOptions& options = call.options;
  if (problem.empty() && !options.algorithm.empty() &&
      find_algorithm(table, call.collective, options.algorithm) == nullptr) {
    problem = text("there is no algorithm '", options.algorithm, "', only ", known_algorithms(table, call.collective));
  }
  if (problem.empty() && call.is_uneven() && !options.algorithm.empty() &&
      find_algorithm(table, call.collective, options.algorithm)->moves_blocks) {
    problem = text("algorithm '", options.algorithm, "' needs the same count of every rank");
  }
  if (!problem.empty()) comm.state().refuse(sequence, text(name(call.collective), " #", sequence, ": ", problem));

  if (group.size() == 1) {
    copy_alone(call);
    return std::make_unique<CompleteTask>();
  }
  const std::size_t bytes = call.is_counted_by_pair() ? static_cast<std::size_t>(group.size()) * kPairBytes
                                                      : call.data_count * size_of(call.dtype);
  const Plan plan = group.chooser().choose(table, call.collective, bytes,
                                           {options.algorithm, options.radix, options.segment_bytes, call.is_uneven()});
  const auto row = std::find(table.begin(), table.end(), plan.algorithm) - table.begin();
  auto task = std::make_unique<ScheduleTask>(comm, group, plan, static_cast<int>(row), call, sequence, role);
  task->begin();
  return task;
}

}  // namespace

std::unique_ptr<Task> start_collective(const Communicator& comm, AlgorithmTable table, const Call& call) {
  return start(comm, comm.state().everyone(), table, call, comm.state().take_sequence(), Role::whole);
}

std::unique_ptr<Task> start_stage(const Communicator& comm, Group& group, AlgorithmTable table, const Call& call,
                                  std::uint64_t sequence) {
  return start(comm, group, table, call, sequence, Role::stage);
}

}  // namespace tutti::detail
