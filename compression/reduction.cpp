#include <tutti/compression/reduction.hpp>

#include <algorithm>
#include <utility>

#include <tutti/allreduce/allreduce_table.hpp>
#include <tutti/collectives/call/call.hpp>
#include <tutti/collectives/communicator/communicator_state.hpp>
#include <tutti/collectives/schedule/algorithm_table.hpp>
#include <tutti/compression/rehearsal.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::detail {

void Reduction::prepare(std::span<float> data, std::uint64_t step) noexcept {
  data_ = data;
  step_ = step;
  std::fill(facts_.begin(), facts_.end(), CompressionFacts{});
  under_way_ = true;
}

void Reduction::add_facts(std::size_t part, const CompressionFacts& more) noexcept {
  CompressionFacts& facts = facts_[part];
  facts.values += more.values;
  facts.error += more.error;
  facts.saturated += more.saturated;
}

std::unique_ptr<WaitingTask> Reduction::begin(const Stage& stage) { return begin_stage(stage); }

void Reduction::end(const Stage& stage) {
  end_stage(stage);
  if (stage.number() + 1 == stages()) under_way_ = false;
}

std::size_t Reduction::ranks() const noexcept {
  return static_cast<std::size_t>(made_from_.rehearsed != nullptr ? made_from_.rehearsed->ranks() : comm().size());
}

std::size_t Reduction::rank() const noexcept {
  return static_cast<std::size_t>(made_from_.rehearsed != nullptr ? made_from_.rehearsed->rank() : comm().rank());
}

Selector& Reduction::selector() const {
  return made_from_.rehearsed != nullptr ? made_from_.rehearsed->selector() : comm().state().everyone().selector();
}

std::unique_ptr<WaitingTask> Reduction::start_all_to_all(const Stage& stage, std::span<const std::byte> in,
                                                         std::span<std::byte> out) const {
  return start_collective(stage, {.collective = Collective::all_to_all,
                                  .input = ConstBuffer(in.data(), in.size(), DType::u8),
                                  .output = Buffer(out.data(), out.size(), DType::u8),
                                  .data_count = out.size(),
                                  .dtype = DType::u8});
}

std::unique_ptr<WaitingTask> Reduction::start_all_gather(const Stage& stage, std::span<const std::byte> in,
                                                         std::span<std::byte> out) const {
  return start_collective(stage, {.collective = Collective::all_gather,
                                  .input = ConstBuffer(in.data(), in.size(), DType::u8),
                                  .output = Buffer(out.data(), out.size(), DType::u8),
                                  .data_count = out.size(),
                                  .dtype = DType::u8});
}

std::unique_ptr<WaitingTask> Reduction::start_all_gather(const Stage& stage, std::span<const std::byte> in,
                                                         std::span<std::byte> out,
                                                         std::span<const std::size_t> bytes) const {
  Call call = {.collective = Collective::all_gather,
               .input = ConstBuffer(in.data(), in.size(), DType::u8),
               .output = Buffer(out.data(), out.size(), DType::u8),
               .dtype = DType::u8};
  set_counts(call, bytes);
  return start_collective(stage, std::move(call));
}

std::unique_ptr<WaitingTask> Reduction::start_all_to_all(const Stage& stage, std::span<const std::byte> in,
                                                         std::span<const std::size_t> in_bytes,
                                                         std::span<std::byte> out,
                                                         std::span<const std::size_t> out_bytes) const {
  Call call = {.collective = Collective::all_to_all,
               .input = ConstBuffer(in.data(), in.size(), DType::u8),
               .output = Buffer(out.data(), out.size(), DType::u8),
               .dtype = DType::u8};
  set_counts(call, in_bytes, out_bytes);
  return start_collective(stage, std::move(call));
}

std::unique_ptr<WaitingTask> Reduction::start_allreduce(const Stage& stage, Buffer data, ReduceOp op) const {
  return start_collective(stage, {.collective = Collective::allreduce,
                                  .input = data,
                                  .output = data,
                                  .data_count = data.count,
                                  .dtype = data.dtype,
                                  .op = op});
}

std::unique_ptr<WaitingTask> Reduction::start_collective(const Stage& stage, Call&& call) const {
  if (made_from_.rehearsed != nullptr) {
    made_from_.rehearsed->take_part(call);
    return nullptr;
  }
  const AlgorithmTable table =
      call.collective == Collective::allreduce ? allreduce_algorithms() : collective_algorithms();
  return stage.start(stage.comm().state().everyone(), table, std::move(call));
}

Request start_reduction(const std::shared_ptr<Reduction>& reduction, std::span<float> data, std::uint64_t step) {
  const Communicator& comm = reduction->comm();
  CommunicatorState& state = comm.state();
  std::string problem;
  std::size_t count = 0;
  for (const TensorPart& part : reduction->parts()) {
    count += part.count;
    if (part.offset > data.size() || part.count > data.size() - part.offset)
      problem = text("a part at ", part.offset, " of ", part.count, " elements lies outside the data, which has ",
                     data.size());
  }
  if (data.data() == nullptr && !data.empty())
    problem = text("data is null and should hold ", data.size(), " elements");
  if (reduction->is_under_way()) problem = "the last call is not complete";
  if (!problem.empty()) refuse_reduction(comm, problem);
  const std::uint64_t sequence = state.take_sequence();
  StagedCall call = {.name = "compressed allreduce",
                     .arguments = text(name(reduction->op()), " f32 x ", count, " in ", reduction->parts().size(),
                                       " tensors, ", to_text(reduction->settings()), ", step ", step),
                     .collective = Collective::allreduce,
                     .count = count,
                     .dtype = DType::f32,
                     .op = reduction->op(),
                     .algorithm = "compressed",
                     .stages = reduction->stages()};
  return Request(start_staged(comm, std::move(call), sequence, [&] {
    reduction->allocate();
    reduction->prepare(data, step);
    return reduction;
  }));
}

}  // namespace tutti::detail
