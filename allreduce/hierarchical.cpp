// Allreduce on two levels; see hierarchical.hpp.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <tutti/allreduce/allreduce_table.hpp>
#include <tutti/allreduce/hierarchical.hpp>
#include <tutti/collectives/communicator/call_plan.hpp>
#include <tutti/collectives/communicator/communicator_state.hpp>
#include <tutti/collectives/communicator/hierarchy.hpp>
#include <tutti/collectives/engine/staged_task.hpp>
#include <tutti/collectives/schedule/algorithm_table.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::detail {
namespace {

constexpr std::size_t kChunksUnderway = 4;
constexpr std::size_t kMostChunks = 128;  // every chunk takes three numbers of operations
enum StageNumber : int { reduce_in_node, across_nodes, gather_in_node };
constexpr int kStages = 3;

/// Boundary `i` of `parts` equal parts of `count`, the larger ones first.
std::size_t cut(std::size_t count, std::size_t i, std::size_t parts) noexcept {
  return count / parts * i + std::min(i, count % parts);
}

/// The chunks are the parts of the operation.
class HierarchicalAllreduce final : public Stages {
 public:
  HierarchicalAllreduce(const Communicator& comm, ConstBuffer input, Buffer output, ReduceOp op, int chunks)
      : levels_(*comm.state().hierarchy()),
        input_(input),
        output_(output),
        op_(op),
        chunks_(static_cast<std::size_t>(chunks)),
        in_memory_(comm.state().node() != nullptr && levels_.node.size() > 1) {
    if (in_memory_) first_slot_ = comm.state().node()->reserve_slots(2 * chunks_);
  }

  std::unique_ptr<WaitingTask> begin(const Stage& stage) override {
    const Buffer own = own_slice(stage);
    Call call = {.collective = Collective::allreduce,
                 .input = own,
                 .output = own,
                 .data_count = own.count,
                 .dtype = output_.dtype,
                 .op = op_ == ReduceOp::avg ? ReduceOp::sum : op_,
                 .stated_op = op_};
    if (stage.number() == across_nodes) {
      if (!levels_.across) return nullptr;
      return stage.start(*levels_.across, allreduce_algorithms(), std::move(call));
    }
    if (stage.number() == reduce_in_node) {
      call.collective = Collective::reduce_scatter;
      call.input = chunk_of(input_, stage);
    } else {
      call.collective = Collective::all_gather;
      call.output = chunk_of(output_, stage);
    }
    set_counts(call, slice_counts(chunk_of(output_, stage).count));
    if (in_memory_) return stage.start_in_node(levels_.node, std::move(call), slot_of(stage));
    return stage.start(levels_.node, collective_algorithms(), std::move(call));
  }

  void end(const Stage& stage) override {
    if (stage.number() == across_nodes) finish_reduction(op_, own_slice(stage), stage.comm().size());
  }

 private:
  /// The order in which the node makes the stages of all chunks: that in which they begin if each is as fast as the
  /// others. A chunk is reduced once the one so many `ahead` is gathered.
  ReservedSlot slot_of(const Stage& stage) const noexcept {
    const auto c = static_cast<std::uint64_t>(stage.part());
    const std::uint64_t ahead = std::min(chunks_, kChunksUnderway);
    std::uint64_t place = c < ahead ? c : 2 * c - ahead + 1;
    if (stage.number() == gather_in_node) place = c < chunks_ - ahead ? ahead + 2 * c : chunks_ + c;
    return {first_slot_.number + place, first_slot_.turn + place};
  }

  template <class AnyBuffer>
  AnyBuffer chunk_of(const AnyBuffer& data, const Stage& stage) const {
    const auto chunk = static_cast<std::size_t>(stage.part());
    const std::size_t first = cut(data.count, chunk, chunks_);
    return data.slice(first, cut(data.count, chunk + 1, chunks_) - first);
  }

  /// What every rank of the node holds between the stages: a slice each, the ranks beyond the slices nothing.
  std::vector<std::size_t> slice_counts(std::size_t count) const {
    const auto slices = static_cast<std::size_t>(levels_.prices.slices);
    std::vector<std::size_t> counts(static_cast<std::size_t>(levels_.node.size()));
    for (std::size_t i = 0; i < slices; ++i) counts[i] = cut(count, i + 1, slices) - cut(count, i, slices);
    return counts;
  }

  Buffer own_slice(const Stage& stage) const {
    const Buffer all = chunk_of(output_, stage);
    const auto slices = static_cast<std::size_t>(levels_.prices.slices);
    const std::size_t own = std::min(static_cast<std::size_t>(levels_.node.number()), slices);
    const std::size_t first = cut(all.count, own, slices);
    return all.slice(first, (own == slices ? first : cut(all.count, own + 1, slices)) - first);
  }

  Hierarchy& levels_;
  ConstBuffer input_;
  Buffer output_;
  ReduceOp op_;
  std::size_t chunks_;
  bool in_memory_;  ///< the stages inside the node are made there
  ReservedSlot first_slot_{};
};

Prediction sum_of(const Prediction& a, const Prediction& b, double times = 1) noexcept {
  return {.latency = a.latency + times * b.latency,
          .overhead = a.overhead + times * b.overhead,
          .transfer = a.transfer + times * b.transfer,
          .local = a.local + times * b.local};
}

}  // namespace

Prediction HierarchicalStages::total() const noexcept {
  const Prediction node = sum_of(reduce_in_node.predicted, gather_in_node.predicted);
  const Prediction& network = across_nodes.predicted;
  return sum_of(sum_of(node, network), node.total() < network.total() ? network : node, chunks - 1);
}

HierarchicalStages plan_stages(LevelPrices& levels, std::size_t bytes, int chunks) {
  const auto parts = static_cast<std::size_t>(chunks);
  const std::size_t chunk = (bytes + parts - 1) / parts;
  const auto slices = static_cast<std::size_t>(levels.slices);
  const std::size_t slice = (chunk + slices - 1) / slices;
  const auto plan = [](Selector& selector, std::span<const Algorithm* const> table, Collective collective,
                       std::size_t of_bytes) {
    if (selector.size() == 1) return Plan{};
    return selector.choose(table, collective, of_bytes, {.uneven = has_bound_blocks(collective)});
  };
  return {.chunks = chunks,
          .chunk_bytes = chunk,
          .slice_bytes = slice,
          .reduce_in_node = plan(levels.node, collective_algorithms(), Collective::reduce_scatter, chunk),
          .across_nodes = plan(levels.network, allreduce_algorithms(), Collective::allreduce, slice),
          .gather_in_node = plan(levels.node, collective_algorithms(), Collective::all_gather, chunk)};
}

namespace {

/// In `chunks`, which are more than there are bytes for at times: then some are empty.
Plan plan_of(const Algorithm& row, LevelPrices& levels, std::size_t bytes, std::size_t chunks) {
  const HierarchicalStages stages = plan_stages(levels, bytes, static_cast<int>(chunks));
  const double of_chunk =
      stages.reduce_in_node.messages + stages.across_nodes.messages + stages.gather_in_node.messages;
  return {.algorithm = &row,
          .segments = stages.chunks,
          .predicted = stages.total(),
          .messages = of_chunk * static_cast<double>(chunks)};
}

Plan plan_hierarchical(const Algorithm& row, LevelPrices& levels, std::size_t bytes, std::size_t chunk_bytes) {
  const auto chunks_of = [&](std::size_t of_bytes) {
    return std::clamp<std::size_t>(bytes / of_bytes, 1, kMostChunks);
  };
  if (chunk_bytes != 0) return plan_of(row, levels, bytes, chunks_of(chunk_bytes));
  Plan best = plan_of(row, levels, bytes, 1);
  for (const std::size_t size :
       {std::size_t{8} << 20, std::size_t{2} << 20, std::size_t{512} << 10, std::size_t{128} << 10}) {
    const Plan plan = plan_of(row, levels, bytes, chunks_of(size));
    if (plan.predicted.total() < best.predicted.total()) best = plan;
  }
  return best;
}

const char* find_problem_on_levels(const Communicator& comm, const Call& call) {
  if (comm.state().hierarchy() == nullptr) return "needs several nodes, one of them with several ranks";
  if (call.function) return "is not for functions of the program";
  // Its stages would be enqueued when those before are done, which is not in one order on all ranks.
  if (comm.state().queue() != nullptr) return "is not for transports that only enqueue";
  return nullptr;
}

std::unique_ptr<WaitingTask> start_hierarchical(const Communicator& comm, const Call& call, const StagedPlan& plan,
                                                std::uint64_t sequence) {
  StagedCall staged = {.name = "hierarchical allreduce",
                       .arguments = text(name(call.op), " ", name(call.dtype), " x ", call.data_count),
                       .collective = call.collective,
                       .count = call.data_count,
                       .dtype = call.dtype,
                       .op = call.op,
                       .row = static_cast<std::uint8_t>(plan.row),
                       .plan = plan.digest,
                       .algorithm = plan.algorithm->name,
                       .stages = kStages,
                       .parts = plan.parts,
                       .parts_underway = static_cast<int>(kChunksUnderway)};
  return start_staged(comm, std::move(staged), sequence, [&] {
    return std::make_shared<HierarchicalAllreduce>(comm, call.input, call.output, call.op, plan.parts);
  });
}

constexpr StagedAlgorithm kStagesOfLevels = {
    .part = "chunk", .plan = plan_hierarchical, .find_problem = find_problem_on_levels, .start = start_hierarchical};

}  // namespace
}  // namespace tutti::detail

namespace tutti {

const Algorithm kHierarchicalAllreduce = {.name = "hierarchical",
                                          .collective = Collective::allreduce,
                                          .single_block = false,
                                          .blocks = nullptr,
                                          .rounds = nullptr,
                                          .round = nullptr,
                                          .needs_scratch = nullptr,
                                          .staged = &detail::kStagesOfLevels};

}  // namespace tutti
