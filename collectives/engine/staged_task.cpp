// Operations of several collectives; see staged_task.hpp.
#include <algorithm>
#include <exception>
#include <span>
#include <utility>

#include <tutti/collectives/engine/node_task.hpp>
#include <tutti/collectives/engine/staged_task.hpp>
#include <tutti/collectives/system/leak_until_exit.hpp>
#include <tutti/kernels/crc32c.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::detail {

std::uint32_t StagedCall::variant() const {
  const std::string words = text(name, " ", arguments, " in ", parts, " parts");
  return crc32c(std::as_bytes(std::span(words)));
}

std::unique_ptr<WaitingTask> Stage::start(RankGroup& group, AlgorithmTable table, Call&& call) const {
  call.variant ^= variant_;
  return start_stage(comm_, group, table, std::move(call), sequence_);
}

std::unique_ptr<WaitingTask> Stage::start_in_node(const RankGroup& group, Call&& call, const ReservedSlot& slot) const {
  call.variant ^= variant_;
  return start_node_stage(comm_, group, std::move(call), sequence_, slot);
}

StagedTask::StagedTask(const Communicator& comm, StagedCall&& call, std::uint64_t sequence,
                       std::shared_ptr<Stages> stages)
    : WaitingTask(comm, sequence, Role::whole),
      call_(std::move(call)),
      variant_(call_.variant()),
      stages_(std::move(stages)),
      first_stage_(state().take_sequence(call_.stages * call_.parts)),
      underway_(static_cast<std::size_t>(std::min(call_.parts, call_.parts_underway))) {
  const Signature whole = {.sequence = sequence,
                           .count = call_.count,
                           .history = state().calls().history(),
                           .plan = call_.plan,
                           .variant = variant_,
                           .root = 0,
                           .collective = call_.collective,
                           .dtype = call_.dtype,
                           .op = call_.op,
                           .algorithm = call_.row};
  state().calls().record({.call = whole, .before = state().calls().last_call()}, true, true,
                         {.name = call_.algorithm, .segments = call_.parts});
}

StagedTask::~StagedTask() {
  if (done_ == call_.parts) return;
  state().failures().fail(sequence(), text(label(), " was given up before it was complete"));
  leak_until_exit(std::move(stages_));
}

Task::Progress StagedTask::advance() {
  try {
    return advance_parts();
  } catch (const std::exception& error) {  // of a stage, or of what is computed between two
    if (!state().failures().unusable()) state().failures().fail(sequence(), text(label(), ": ", error.what()));
    throw;
  }
}

Task::Progress StagedTask::advance_parts() {
  bool any = false;
  for (bool again = true; again; any = any || again) {
    again = false;
    for (Part& part : underway_) again = advance_part(part) || again;
  }
  if (done_ == call_.parts) return Progress::complete;
  return any ? Progress::some : Progress::none;
}

/// Whether it got further.
bool StagedTask::advance_part(Part& part) {
  if (part.index < 0) {
    if (begun_ == call_.parts) return false;
    part.index = begun_++;
    part.stage = 0;
    part.task = stages_->begin(stage_of(part));
  }
  const Progress progress = part.task ? part.task->advance() : Progress::complete;
  if (progress != Progress::complete) return progress == Progress::some;
  part.task.reset();
  stages_->end(stage_of(part));
  if (++part.stage < call_.stages) {
    part.task = stages_->begin(stage_of(part));
  } else {
    part.index = -1;
    ++done_;
  }
  return true;
}

Stage StagedTask::stage_of(const Part& part) const noexcept {
  const auto number = static_cast<std::uint64_t>(call_.stages) * static_cast<std::uint64_t>(part.index) +
                      static_cast<std::uint64_t>(part.stage);
  return {comm(), part.index, part.stage, first_stage_ + number, variant_};
}

std::string StagedTask::label() const { return text(call_.name, " #", sequence(), " (", call_.arguments, ")"); }

std::set<int> StagedTask::awaited() const {
  std::set<int> ranks;
  for (const Part& part : underway_) {
    if (part.task) ranks.merge(part.task->awaited_by_stage());
  }
  return ranks;
}

std::unique_ptr<StagedTask> start_staged(const Communicator& comm, StagedCall&& call, std::uint64_t sequence,
                                         const std::function<std::shared_ptr<Stages>()>& make) {
  CommunicatorState& state = comm.state();
  std::shared_ptr<Stages> stages;
  try {
    stages = make();
  } catch (const std::exception& error) {
    if (!state.failures().unusable())
      state.failures().fail(sequence, text(call.name, " #", sequence, ": ", error.what()));
    throw;
  }
  auto task = std::make_unique<StagedTask>(comm, std::move(call), sequence, std::move(stages));
  task->advance();
  return task;
}

}  // namespace tutti::detail
