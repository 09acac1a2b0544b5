// Checks and starts collectives; see executor.hpp.
#include <algorithm>

#include <tutti/collectives/executor.hpp>
#include <tutti/collectives/schedule_task.hpp>
#include <tutti/collectives/table.hpp>
#include <tutti/kernels/copy.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti::detail {
namespace {

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

std::string known_algorithms(const AlgorithmSource& source, Collective collective) {
  std::string known;
  for (const Algorithm* row : source.table) {
    if (row->collective == collective) known += text(known.empty() ? "" : ", ", row->name);
  }
  return known;
}

const Algorithm* find(const AlgorithmSource& source, const Call& call, int size) {
  if (!call.options.algorithm.empty()) return find_algorithm(source.table, call.collective, call.options.algorithm);
  return &source.choose(call.collective, call.data_count * size_of(call.dtype), size);
}

std::unique_ptr<Task> start(const Communicator& comm, const AlgorithmSource& source, const Call& call,
                            std::uint64_t sequence, Role role) {
  std::string problem = find_problem(call, comm.rank(), comm.size());
  const Algorithm* algorithm = find(source, call, comm.size());
  if (problem.empty() && algorithm == nullptr) {
    problem =
        text("there is no algorithm '", call.options.algorithm, "', only ", known_algorithms(source, call.collective));
  }
  if (!problem.empty()) comm.state().refuse(sequence, text(name(call.collective), " #", sequence, ": ", problem));

  if (comm.size() == 1) {
    copy_alone(call);
    return std::make_unique<CompleteTask>();
  }
  Call chosen = call;
  if (chosen.options.radix == 0) chosen.options.radix = 2;
  const auto row = std::find(source.table.begin(), source.table.end(), algorithm) - source.table.begin();
  auto task = std::make_unique<ScheduleTask>(comm, *algorithm, static_cast<int>(row), chosen, sequence, role);
  task->begin();
  return task;
}

}  // namespace

std::unique_ptr<Task> start_collective(const Communicator& comm, const AlgorithmSource& source, const Call& call) {
  return start(comm, source, call, comm.state().take_sequence(), Role::whole);
}

std::unique_ptr<Task> start_collective(const Communicator& comm, const AlgorithmSource& source, const Call& call,
                                       std::uint64_t sequence) {
  return start(comm, source, call, sequence, Role::stage);
}

}  // namespace tutti::detail
