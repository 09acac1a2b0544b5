// Reading control blocks; see process_view.hpp.
#include <algorithm>
#include <cstring>
#include <iterator>

#include <tutti/collectives/call/call.hpp>
#include <tutti/collectives/watch/process_view.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::detail {
namespace {

template <class T>
T get(const std::atomic<T>& field) noexcept {
  return field.load(std::memory_order_relaxed);
}

double seconds(std::int64_t ns) noexcept { return static_cast<double>(ns) * 1e-9; }

/// What a record said, once it is known not to be torn.
struct Plain {
  std::uint64_t number, begin, end, sequence, count, bytes;
  std::uint32_t communicator, what, cut;
  std::int32_t peer;
};

std::optional<Plain> read(const Record& record) noexcept {
  const std::uint64_t number = record.number.load(std::memory_order_acquire);
  const Plain plain{number,
                    get(record.begin),
                    get(record.end),
                    get(record.sequence),
                    get(record.count),
                    get(record.bytes),
                    get(record.communicator),
                    get(record.what),
                    get(record.cut),
                    get(record.peer)};
  std::atomic_thread_fence(std::memory_order_acquire);
  if (number == 0 || get(record.number) != number) return std::nullopt;
  return plain;
}

std::string algorithm_name(const ControlBlock& block, std::uint32_t algorithm) {
  const std::uint32_t known = block.way_count.load(std::memory_order_acquire);
  return algorithm == 0 || algorithm > known || algorithm > block.algorithms.size()
             ? ""
             : std::string(block.algorithms[algorithm - 1].data(),
                           strnlen(block.algorithms[algorithm - 1].data(), block.algorithms[algorithm - 1].size()));
}

OperationView view_operation(const ControlBlock& block, const Plain& plain, const TickScale& scale, const Moment& now) {
  constexpr std::uint32_t kByte = 0xFF;
  const std::uint32_t kind = plain.what & kByte;
  const auto dtype = static_cast<DType>(plain.what >> 8 & kByte);
  const auto op = static_cast<ReduceOp>(plain.what >> 16 & kByte);
  const std::uint64_t end = plain.end & ~Record::kFailed;
  OperationView view{.number = plain.number,
                     .begin_ns = scale.monotonic_ns(plain.begin != 0 ? plain.begin : now.ticks),
                     .failed = (plain.end & Record::kFailed) != 0,
                     .is_message = kind == kSend || kind == kReceive,
                     .communicator = plain.communicator,
                     .count = plain.count,
                     .bytes = plain.bytes};
  // One that ends while it is read may have no beginning yet, but an end.
  if (plain.end != 0) view.end_ns = std::max(scale.monotonic_ns(end), plain.begin != 0 ? view.begin_ns : INT64_MIN);
  if (view.end_ns) view.begin_ns = std::min(view.begin_ns, *view.end_ns);
  if (view.is_message) {
    view.kind = kind == kSend ? "send" : "receive";
    view.peer = plain.peer;
  } else {
    const auto collective = static_cast<Collective>(kind);
    view.kind = kind < std::size(kAllCollectives) ? std::string(name(collective)) : text("collective ", kind);
    view.sequence = plain.sequence;
    if (is_rooted(collective)) view.root = plain.peer;
    if (reduces(collective)) view.op = op == kUserOperator ? "function" : name(op);
    view.algorithm = algorithm_name(block, plain.what >> 24);
    view.radix = static_cast<int>(plain.cut & UINT16_MAX);
    view.segments = static_cast<int>(plain.cut >> 16);
  }
  if (view.kind != name(Collective::barrier)) view.dtype = view.op == "function" ? "" : name(dtype);
  return view;
}

/// Empty if the process shows no wait, or is changing it all the time.
void view_wait(const Wait& wait, CommunicatorView& view, std::int64_t now_ns) {
  constexpr int kTries = 100;
  for (int i = 0; i < kTries; ++i) {
    const std::uint32_t version = wait.version.load(std::memory_order_acquire);
    CommunicatorView read = view;
    const std::uint32_t mode = get(wait.mode);
    if (mode == Wait::waits) read.mode = WaitMode::waits;
    if (mode == Wait::tests) read.mode = WaitMode::tests;
    read.sequence = get(wait.sequence);
    read.waited_s = seconds(now_ns - get(wait.since));
    read.looked_s = seconds(now_ns - get(wait.looked));
    read.anyone = get(wait.anyone) != 0;
    read.awaited = static_cast<int>(get(wait.awaited));
    for (const auto& rank : wait.ranks) {
      if (get(rank) >= 0) read.ranks.push_back(get(rank));
    }
    std::array<std::uint64_t, Wait::kWords> words{};
    for (std::size_t w = 0; w < words.size(); ++w) words[w] = get(wait.label[w]);
    std::atomic_thread_fence(std::memory_order_acquire);
    if (version % 2 != 0 || get(wait.version) != version) continue;
    if (read.mode == WaitMode::none) return;
    const auto* const label = reinterpret_cast<const char*>(words.data());
    read.label.assign(label, strnlen(label, sizeof words));
    view = std::move(read);
    return;
  }
}

}  // namespace

std::string describe(const OperationView& operation) {
  if (operation.is_message) {
    const std::string peer = *operation.peer < 0 ? "any rank" : text("rank ", *operation.peer);
    return text(operation.kind, operation.kind == "send" ? " to " : " from ", peer, " (", operation.dtype, " x ",
                operation.count, ")");
  }
  std::string what = operation.op;
  if (!operation.dtype.empty()) what += text(what.empty() ? "" : " ", operation.dtype, " x ", operation.count);
  if (operation.root) what += text(" root ", *operation.root);
  return text(operation.kind, " #", operation.sequence, what.empty() ? "" : text(" (", what, ")"));
}

std::vector<CommunicatorView> view_communicators(const ControlBlock& block) {
  const std::int64_t now_ns = monotonic_ns();
  std::vector<CommunicatorView> all;
  for (const CommunicatorEntry& entry : block.communicators) {
    CommunicatorView view;
    view.serial = entry.serial.load(std::memory_order_acquire);
    const std::uint32_t state = get(entry.state);
    view.stamp = get(entry.stamp);
    view.rank = get(entry.rank);
    view.size = get(entry.size);
    view.failed = state == CommunicatorEntry::failed;
    view.freed = state == CommunicatorEntry::freed;
    view.begun = get(entry.begun);
    std::atomic_thread_fence(std::memory_order_acquire);
    if (view.serial == 0 || get(entry.serial) != view.serial) continue;
    if (!view.freed) view_wait(entry.wait, view, now_ns);
    all.push_back(std::move(view));
  }
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.serial < b.serial; });
  return all;
}

std::vector<OperationView> view_operations(const ControlBlock& block, const Record* records) {
  const Moment now = take_moment(block.tick_source);
  const TickScale scale(block.made, now);
  const std::uint64_t first = dropped_operations(block) + 1;
  const std::uint64_t count = get(block.recorded) + 1 - first;
  std::vector<OperationView> all;
  for (std::uint64_t i = 0; i < count && i < block.record_count; ++i) {
    const auto plain = read(records[(first + i) % block.record_count]);
    if (plain && plain->number == first + i) all.push_back(view_operation(block, *plain, scale, now));
  }
  return all;
}

std::uint64_t dropped_operations(const ControlBlock& block) {
  const std::uint64_t recorded = get(block.recorded);
  return recorded - std::min<std::uint64_t>(recorded, block.record_count);
}

ProcessView view_process(const BlockView& view, pid_t process, const ProcessStat& stat) {
  const ControlBlock& block = view.block();
  const Moment now = take_moment(block.tick_source);
  ProcessView seen{.host = text_of(block.host),
                   .process = process,
                   .parent = stat.parent,
                   .state = stat.state,
                   .program = text_of(block.program),
                   .launcher_job = text_of(block.launcher_job),
                   .batch_job = text_of(block.batch_job),
                   .world_rank = block.world_rank,
                   .world_size = block.world_size,
                   .finished = get(block.finished) != 0,
                   .unlisted = get(block.unlisted),
                   .communicators = view_communicators(block),
                   .last = {}};
  // The last may be one that is being written, or one that was not made after all.
  const std::uint64_t last = get(block.recorded);
  for (std::uint64_t number = last; number > dropped_operations(block); --number) {
    const auto plain = read(view.records()[number % block.record_count]);
    if (!plain || plain->number != number) continue;
    const OperationView operation = view_operation(block, *plain, TickScale(block.made, now), now);
    seen.last = describe(operation);
    seen.last_runs = !operation.end_ns;
    seen.last_s = seconds(now.monotonic_ns - operation.end_ns.value_or(operation.begin_ns));
    break;
  }
  return seen;
}

}  // namespace tutti::detail
