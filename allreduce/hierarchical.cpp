// Allreduce on two levels; see hierarchical.hpp.
#include <algorithm>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <tutti/allreduce/hierarchical.hpp>
#include <tutti/allreduce/table.hpp>
#include <tutti/collectives/communicator/hierarchy.hpp>
#include <tutti/collectives/engine/dispatch.hpp>
#include <tutti/collectives/engine/node_task.hpp>
#include <tutti/collectives/engine/waiting_task.hpp>
#include <tutti/collectives/schedule/algorithm_table.hpp>
#include <tutti/kernels/crc32c.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::detail {
namespace {

constexpr std::size_t kChunksUnderway = 4;
constexpr std::size_t kMostChunks = 128;  // every chunk takes three numbers of operations
enum class Stage : std::uint8_t { reduce_in_node, across_nodes, gather_in_node };
constexpr int kStages = 3;

/// Boundary `i` of `parts` equal parts of `count`, the larger ones first.
std::size_t cut(std::size_t count, std::size_t i, std::size_t parts) noexcept {
  return count / parts * i + std::min(i, count % parts);
}

class HierarchicalAllreduce final : public WaitingTask {
 public:
  HierarchicalAllreduce(const Communicator& comm, Hierarchy& levels, ConstBuffer input, Buffer output, ReduceOp op,
                        const HierarchicalPlan& plan)
      : WaitingTask(comm, comm.state().take_sequence(1 + kStages * plan.chunks), Role::whole),
        levels_(levels),
        input_(input),
        output_(output),
        op_(op),
        chunks_(static_cast<std::size_t>(plan.chunks)),
        active_(std::min(chunks_, kChunksUnderway)) {
    // Groups make their stages when they can; the whole has a number of its own, by which ranks compare their calls.
    const Signature whole = {.sequence = sequence(),
                             .count = output.count,
                             .history = state().calls().history(),
                             .plan = static_cast<std::uint32_t>(plan.chunks),
                             .variant = variant(),
                             .root = 0,
                             .collective = Collective::allreduce,
                             .dtype = output.dtype,
                             .op = op,
                             .algorithm = UINT8_MAX};
    state().calls().record({.call = whole, .before = state().calls().last_call()}, true, true,
                           {.name = kHierarchical, .segments = plan.chunks});
    if (in_memory()) first_ticket_ = state().node()->reserve_slots(2 * chunks_);
  }

  // Stages that are given up tell the others themselves; their memory stays as theirs.
  ~HierarchicalAllreduce() override = default;

  void begin() { advance(); }

  Progress advance() override {
    bool any = false;
    for (bool again = true; again; any = any || again) {
      again = false;
      for (Chunk& chunk : active_) again = advance_chunk(chunk) || again;
    }
    if (done_ == chunks_) return Progress::complete;
    return any ? Progress::some : Progress::none;
  }

 private:
  struct Chunk {
    std::size_t index = 0;
    bool free = true;
    Stage stage = Stage::reduce_in_node;
    std::unique_ptr<Task> task;
  };

  /// Those that any stage waits for.
  std::set<int> awaited() const override {
    std::set<int> ranks;
    for (const Chunk& chunk : active_) {
      if (const auto* const stage = dynamic_cast<const WaitingTask*>(chunk.task.get())) {
        ranks.merge(stage->awaited_by_stage());
      }
    }
    return ranks;
  }
  std::string awaited_in_words() const override { return list("waits for", awaited()); }

  std::string label() const override { return text("hierarchical allreduce #", sequence(), " (", call(), ")"); }
  std::string call() const { return text(name(op_), " ", name(output_.dtype), " x ", output_.count); }

  std::uint64_t sequence_of(const Chunk& chunk) const noexcept {
    return sequence() + 1 + std::uint64_t{kStages} * chunk.index + static_cast<std::uint64_t>(chunk.stage);
  }

  /// Whether the stages inside the node are made in its memory.
  bool in_memory() const noexcept { return state().node() != nullptr && levels_.node.size() > 1; }

  /// The order in which the node makes the stages of all chunks: that in which they begin if each is as fast as the
  /// others. A chunk is reduced once the one `active_` before it is gathered.
  ReservedSlot ticket_of(const Chunk& chunk) const noexcept {
    const std::uint64_t c = chunk.index;
    const std::uint64_t ahead = active_.size();
    std::uint64_t place = c < ahead ? c : 2 * c - ahead + 1;
    if (chunk.stage == Stage::gather_in_node) place = c < chunks_ - ahead ? ahead + 2 * c : chunks_ + c;
    return {first_ticket_.number + place, first_ticket_.turn + place};
  }

  /// Ranks must agree on more than what a stage moves.
  std::uint32_t variant() const {
    const std::string words = text(call(), " in ", chunks_, " chunks");
    return crc32c(std::as_bytes(std::span(words)));
  }

  bool advance_chunk(Chunk& chunk) {
    if (chunk.free) {
      if (begun_ == chunks_) return false;
      chunk.index = begun_++;
      chunk.free = false;
      start_stage(chunk, Stage::reduce_in_node);
    }
    const Progress progress = chunk.task ? chunk.task->advance() : Progress::complete;
    if (progress != Progress::complete) return progress == Progress::some;
    chunk.task.reset();
    if (chunk.stage == Stage::across_nodes) finish_reduction(op_, own_slice(chunk), comm().size());
    if (chunk.stage == Stage::gather_in_node) {
      chunk.free = true;
      ++done_;
    } else {
      start_stage(chunk, static_cast<Stage>(static_cast<int>(chunk.stage) + 1));
    }
    return true;
  }

  void start_stage(Chunk& chunk, Stage stage) {
    chunk.stage = stage;
    const Buffer result = part(output_, chunk);
    Call call = {.collective = Collective::allreduce,
                 .input = own_slice(chunk),
                 .output = own_slice(chunk),
                 .data_count = own_slice(chunk).count,
                 .dtype = output_.dtype,
                 .op = op_ == ReduceOp::avg ? ReduceOp::sum : op_,
                 .stated_op = op_,
                 .variant = variant()};
    if (stage == Stage::across_nodes) {
      if (levels_.across) {
        chunk.task =
            detail::start_stage(comm(), *levels_.across, allreduce_algorithms(), std::move(call), sequence_of(chunk));
      }
      return;
    }
    call.collective = stage == Stage::reduce_in_node ? Collective::reduce_scatter : Collective::all_gather;
    if (stage == Stage::reduce_in_node) call.input = part(input_, chunk);
    if (stage == Stage::gather_in_node) call.output = result;
    set_counts(call, slice_counts(result.count));
    call.variant ^= variant();
    if (in_memory()) {
      chunk.task = start_node_stage(comm(), levels_.node, std::move(call), sequence_of(chunk), ticket_of(chunk));
      return;
    }
    chunk.task =
        detail::start_stage(comm(), levels_.node, collective_algorithms(), std::move(call), sequence_of(chunk));
  }

  template <class AnyBuffer>
  AnyBuffer part(const AnyBuffer& data, const Chunk& chunk) const {
    const std::size_t first = cut(data.count, chunk.index, chunks_);
    return data.slice(first, cut(data.count, chunk.index + 1, chunks_) - first);
  }

  /// What every rank of the node holds between the stages: a slice each, the ranks beyond the slices nothing.
  std::vector<std::size_t> slice_counts(std::size_t count) const {
    const auto slices = static_cast<std::size_t>(levels_.slices);
    std::vector<std::size_t> counts(static_cast<std::size_t>(levels_.node.size()));
    for (std::size_t i = 0; i < slices; ++i) counts[i] = cut(count, i + 1, slices) - cut(count, i, slices);
    return counts;
  }

  Buffer own_slice(const Chunk& chunk) const {
    const Buffer all = part(output_, chunk);
    const auto slices = static_cast<std::size_t>(levels_.slices);
    const std::size_t own = std::min(static_cast<std::size_t>(levels_.node.number()), slices);
    const std::size_t first = cut(all.count, own, slices);
    return all.slice(first, (own == slices ? first : cut(all.count, own + 1, slices)) - first);
  }

  Hierarchy& levels_;
  ConstBuffer input_;
  Buffer output_;
  ReduceOp op_;
  std::size_t chunks_;
  std::size_t begun_ = 0;
  std::size_t done_ = 0;
  std::vector<Chunk> active_;
  ReservedSlot first_ticket_{};
};

/// Predicted seconds of `bytes` in so many chunks.
double predict_chunks(Hierarchy& levels, std::size_t bytes, std::size_t chunks) {
  return plan_stages(levels, bytes, static_cast<int>(chunks)).total().total();
}

Prediction sum_of(const Prediction& a, const Prediction& b, double times = 1) noexcept {
  return {.latency = a.latency + times * b.latency,
          .overhead = a.overhead + times * b.overhead,
          .moving = a.moving + times * b.moving,
          .local = a.local + times * b.local};
}

}  // namespace

Prediction HierarchicalStages::total() const noexcept {
  const Prediction node = sum_of(reduce_in_node.predicted, gather_in_node.predicted);
  const Prediction& network = across_nodes.predicted;
  return sum_of(sum_of(node, network), node.total() < network.total() ? network : node, chunks - 1);
}

HierarchicalStages plan_stages(Hierarchy& levels, std::size_t bytes, int chunks) {
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
          .reduce_in_node = plan(levels.node_prices, collective_algorithms(), Collective::reduce_scatter, chunk),
          .across_nodes = plan(levels.network_prices, allreduce_algorithms(), Collective::allreduce, slice),
          .gather_in_node = plan(levels.node_prices, collective_algorithms(), Collective::all_gather, chunk)};
}

HierarchicalPlan plan_hierarchical(Hierarchy& levels, std::size_t bytes, std::size_t chunk_bytes) {
  const auto chunks_of = [&](std::size_t of_bytes) {
    return std::clamp<std::size_t>(bytes / of_bytes, 1, kMostChunks);
  };
  if (chunk_bytes != 0) {
    const std::size_t chunks = chunks_of(chunk_bytes);
    return {static_cast<int>(chunks), predict_chunks(levels, bytes, chunks)};
  }
  HierarchicalPlan best;
  for (const std::size_t size :
       {SIZE_MAX, std::size_t{8} << 20, std::size_t{2} << 20, std::size_t{512} << 10, std::size_t{128} << 10}) {
    const std::size_t chunks = chunks_of(size);
    const double seconds = predict_chunks(levels, bytes, chunks);
    if (best.seconds == 0 || seconds < best.seconds) best = {static_cast<int>(chunks), seconds};
  }
  return best;
}

bool is_hierarchical_faster(const Communicator& comm, std::size_t count, std::size_t element_bytes) {
  Hierarchy& levels = *comm.state().hierarchy();
  const std::size_t bytes = count * element_bytes;
  Hierarchy::Answer& answer = levels.answers[bytes * 0x9E3779B97F4A7C15U >> 58];
  if (answer.bytes != bytes) {
    const double flat = comm.state()
                            .everyone()
                            .selector()
                            .choose(allreduce_algorithms(), Collective::allreduce, bytes, {})
                            .predicted.total();
    answer = {bytes, plan_hierarchical(levels, bytes, 0).seconds < flat};
  }
  return answer.two_levels;
}

std::unique_ptr<Task> start_hierarchical(const Communicator& comm, ConstBuffer input, Buffer output, ReduceOp op,
                                         const HierarchicalPlan& plan) {
  auto task = std::make_unique<HierarchicalAllreduce>(comm, *comm.state().hierarchy(), input, output, op, plan);
  task->begin();
  return task;
}

}  // namespace tutti::detail
