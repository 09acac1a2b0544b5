// Runs schedules; see executor.hpp.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <list>
#include <set>
#include <utility>

#include <tutti/collectives/executor.hpp>
#include <tutti/collectives/segments.hpp>
#include <tutti/collectives/step_order.hpp>
#include <tutti/collectives/table.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti::detail {
namespace {

constexpr std::size_t kDefaultSegmentBytes = std::size_t{512} << 10;
constexpr int kSegmentsUnderway = 4;  // enough to keep the network busy while one is reduced
constexpr int kMaxSegments = 1 << 16;
constexpr int kTags = 32000;  // MPI guarantees 32767
constexpr auto kNoticeInterval = std::chrono::microseconds(20);

/// The first message of a pair in one direction: the signature and, if it is small, the payload.
struct Greeting {
  static constexpr std::size_t kInlineBytes = 4096;

  int peer = 0;
  Pending pending;
  bool verified = false;
  std::vector<std::byte> bytes;

  std::byte* payload() noexcept { return bytes.data() + sizeof(Signature); }
};

/// A receive of the step under way: where the bytes arrive, and what then becomes of them.
struct Incoming {
  Receive receive;
  ElementRange elements;
  std::byte* arrived = nullptr;  ///< where the payload lies once it has come
  Greeting* greeting = nullptr;
};

/// A segment on its way through the schedule.
struct ActiveSegment {
  int segment = -1;  ///< -1: free
  int round = 0;     ///< next to be started, or under way
  bool underway = false;
  Pending pending;
  Round plan;
  std::vector<Incoming> incoming;
  Scratch staging;  ///< for received data that is combined
};

/// Everything MPI reads or writes while the operation is under way, except the caller's buffers.
struct Memory {
  std::list<Greeting> greetings;
  std::vector<ActiveSegment> window;
  Scratch scratch;
  std::byte barrier_byte{};
};

Segments cut(const Call& call, const Algorithm& algorithm, int size) {
  const bool bound = has_bound_blocks(call.collective);
  const int blocks = algorithm.blocks(size);
  if (bound && !algorithm.single_block) return {call.data_count, blocks, 1, true};
  const std::size_t wanted = call.options.segment_bytes > 0 ? call.options.segment_bytes : kDefaultSegmentBytes;
  const std::size_t data = call.data_count * size_of(call.dtype);
  const std::size_t message = algorithm.single_block ? data / static_cast<std::size_t>(blocks) : data / 2;
  const std::size_t segments = std::clamp<std::size_t>((message + wanted - 1) / wanted, 1, kMaxSegments);
  return {call.data_count, blocks, static_cast<int>(segments), bound};
}

class ScheduleTask final : public Task {
 public:
  ScheduleTask(Communicator comm, const Algorithm& algorithm, int row, Call call, std::uint64_t sequence);
  ~ScheduleTask() override;
  ScheduleTask(const ScheduleTask&) = delete;
  ScheduleTask& operator=(const ScheduleTask&) = delete;

  /// Starts the first messages.
  void begin() { advance(); }
  bool poll() override;
  void wait() override;

 private:
  enum class Progress { none, some, complete };

  Progress advance();
  Progress advance_within_limits();
  bool start_steps();
  void start_step(ActiveSegment& active);
  void post_send(const Send& send, ActiveSegment& active);
  void post_receive(Incoming& incoming, ActiveSegment& active);
  bool is_complete(const ActiveSegment& active) const;
  void complete_step(ActiveSegment& active);
  void complete_segment(ActiveSegment& active);
  void verify_greetings();
  void check_limits(Clock::time_point now);
  [[noreturn]] void fail(const std::string& why);
  std::string label() const;
  std::string waiting_for() const;

  std::byte* address(Slot slot, std::size_t element) const noexcept;
  int tag() const noexcept { return static_cast<int>(signature_.sequence % kTags); }
  CommunicatorState& state() const noexcept { return comm_.state(); }

  Communicator comm_;
  const Algorithm& algorithm_;
  Call call_;
  Position at_;
  Segments segments_;
  Signature signature_{};
  int rounds_;

  std::shared_ptr<Memory> memory_ = std::make_shared<Memory>();
  std::vector<bool> greeted_;     ///< by peer: our signature has been sent
  std::vector<bool> greeted_by_;  ///< by peer: its signature is awaited or here
  int unverified_ = 0;

  StepOrder order_;  ///< the next step to be started
  int segments_done_ = 0;

  std::optional<Clock::time_point> waiting_since_;
  Clock::time_point last_notices_{};
  bool warned_ = false;
  bool complete_ = false;
};

ScheduleTask::ScheduleTask(Communicator comm, const Algorithm& algorithm, int row, Call call, std::uint64_t sequence)
    : comm_(std::move(comm)),
      algorithm_(algorithm),
      call_(call),
      at_{.rank = comm_.rank(), .size = comm_.size(), .root = call.root},
      segments_(cut(call, algorithm, comm_.size())),
      rounds_(algorithm.rounds(comm_.size())),
      greeted_(static_cast<std::size_t>(comm_.size())),
      greeted_by_(static_cast<std::size_t>(comm_.size())),
      order_(rounds_, segments_.segments(), std::max(1, (rounds_ + kSegmentsUnderway - 1) / kSegmentsUnderway)) {
  signature_ = {.sequence = sequence,
                .count = call.data_count,
                .segments = static_cast<std::uint64_t>(segments_.segments()),
                .root = call.root,
                .collective = call.collective,
                .dtype = call.dtype,
                .op = call.op,
                .algorithm = static_cast<std::uint8_t>(row)};
  if (call.collective == Collective::barrier) call_.input = ConstBuffer(&memory_->barrier_byte, 1, DType::u8);
  memory_->window.resize(static_cast<std::size_t>(order_.window()));
  if (algorithm.needs_scratch(at_)) {
    memory_->scratch = state().acquire_scratch(call.data_count * size_of(call.dtype));
  }
}

ScheduleTask::~ScheduleTask() {
  if (!complete_) {
    state().fail(signature_.sequence, text(label(), " was given up before it was complete"));
    keep_until_exit(memory_);
    return;
  }
  state().release_scratch(std::move(memory_->scratch));
  for (ActiveSegment& active : memory_->window) state().release_scratch(std::move(active.staging));
}

std::byte* ScheduleTask::address(Slot slot, std::size_t element) const noexcept {
  std::size_t origin = 0;
  void* base = nullptr;
  switch (slot) {
    case Slot::input:
      base =
          const_cast<void*>(call_.input.data);  // only read: the verifier proves that no schedule writes to its input
      if (call_.collective == Collective::all_gather) origin = segments_.block_begin(at_.rank);
      break;
    case Slot::output:
      base = call_.output.data;
      if (call_.collective == Collective::reduce_scatter) origin = segments_.block_begin(at_.rank);
      break;
    case Slot::scratch:
      base = memory_->scratch.memory.get();
      break;
  }
  return static_cast<std::byte*>(base) + (element - origin) * size_of(call_.dtype);
}

bool ScheduleTask::poll() {
  if (complete_) return true;
  return advance_within_limits() == Progress::complete;
}

void ScheduleTask::wait() {
  Waiter waiter(state().wait_policy());
  for (;;) {
    switch (advance_within_limits()) {
      case Progress::complete:
        return;
      case Progress::some:
        waiter.progressed();
        break;
      case Progress::none:
        waiter.pause(Clock::now());
        break;
    }
  }
}

ScheduleTask::Progress ScheduleTask::advance_within_limits() {
  const Progress progress = advance();
  if (progress != Progress::none) return progress;
  const auto now = Clock::now();
  if (now - last_notices_ >= kNoticeInterval) {
    last_notices_ = now;
    state().poll_notices();
    check_limits(now);
  }
  return Progress::none;
}

ScheduleTask::Progress ScheduleTask::advance() {
  if (complete_) return Progress::complete;
  if (state().unusable()) state().throw_unusable();
  bool any = false;
  try {
    any = state().transport().progress();
  } catch (const CommunicationError& error) {
    verify_greetings();  // calls that differ explain most failures, and say more
    fail(error.what());
  }
  if (unverified_ > 0) verify_greetings();
  for (bool again = true; again;) {
    again = false;
    for (ActiveSegment& active : memory_->window) {
      if (active.underway && is_complete(active)) {
        complete_step(active);
        again = true;
      }
    }
    again = start_steps() || again;
    any = any || again;
  }
  if (segments_done_ == segments_.segments()) {
    complete_ = true;
    return Progress::complete;
  }
  return any ? Progress::some : Progress::none;
}

bool ScheduleTask::start_steps() {
  bool any = false;
  for (; !order_.done(); order_.next()) {
    ActiveSegment& active = memory_->window[static_cast<std::size_t>(order_.segment()) % memory_->window.size()];
    if (order_.round() == 0) {
      if (active.segment >= 0) break;
      active.segment = order_.segment();
      active.round = 0;
    } else if (active.underway || active.round != order_.round()) {
      break;
    }
    start_step(active);
    any = true;
  }
  return any;
}

void ScheduleTask::start_step(ActiveSegment& active) {
  active.plan.clear();
  algorithm_.round(at_, active.round, active.plan);
  for (const Copy& copy : active.plan.copies) {
    const ElementRange elements = segments_.range(active.segment, copy.blocks);
    const std::byte* from = address(copy.from, elements.first);
    std::byte* to = address(copy.to, elements.first);
    if (from != to && elements.count > 0) std::memcpy(to, from, elements.count * size_of(call_.dtype));
  }

  active.incoming.clear();
  std::size_t staged = 0;
  for (const Receive& receive : active.plan.receives) {
    const ElementRange elements = segments_.range(active.segment, receive.blocks);
    active.incoming.push_back({.receive = receive, .elements = elements});
    if (receive.combine != Combine::copy) staged += elements.count * size_of(call_.dtype);
  }
  if (staged > active.staging.capacity) {
    state().release_scratch(std::move(active.staging));
    active.staging = state().acquire_scratch(staged);
  }
  std::byte* stage = active.staging.memory.get();
  for (Incoming& incoming : active.incoming) {
    if (incoming.receive.combine == Combine::copy) {
      incoming.arrived = address(incoming.receive.to, incoming.elements.first);
    } else {
      incoming.arrived = stage;
      stage += incoming.elements.count * size_of(call_.dtype);
    }
    post_receive(incoming, active);
  }
  for (const Send& send : active.plan.sends) post_send(send, active);
  active.underway = true;
}

void ScheduleTask::post_send(const Send& send, ActiveSegment& active) {
  const ElementRange elements = segments_.range(active.segment, send.blocks);
  const std::span<const std::byte> payload(address(send.from, elements.first), elements.count * size_of(call_.dtype));
  auto greeted = greeted_[static_cast<std::size_t>(send.peer)];
  if (!greeted) {
    greeted = true;
    const std::size_t inlined = payload.size() <= Greeting::kInlineBytes ? payload.size() : 0;
    Greeting& greeting = memory_->greetings.emplace_back();
    greeting.verified = true;  // our own
    greeting.bytes.resize(sizeof(Signature) + inlined);
    std::memcpy(greeting.bytes.data(), &signature_, sizeof(Signature));
    if (inlined > 0) std::memcpy(greeting.payload(), payload.data(), inlined);
    state().transport().send(send.peer, tag(), greeting.bytes, active.pending);
    if (inlined == payload.size()) return;
  }
  if (!payload.empty()) state().transport().send(send.peer, tag(), payload, active.pending);
}

void ScheduleTask::post_receive(Incoming& incoming, ActiveSegment& active) {
  const int peer = incoming.receive.peer;
  const std::size_t bytes = incoming.elements.count * size_of(call_.dtype);
  auto greeted_by = greeted_by_[static_cast<std::size_t>(peer)];
  if (!greeted_by) {
    greeted_by = true;
    Greeting& greeting = memory_->greetings.emplace_back();
    greeting.peer = peer;
    greeting.bytes.resize(sizeof(Signature) + Greeting::kInlineBytes);  // room for what another call may send
    ++unverified_;
    incoming.greeting = &greeting;
    state().transport().receive(peer, tag(), greeting.bytes, greeting.pending);
    if (bytes <= Greeting::kInlineBytes) return;
  }
  if (bytes > 0) state().transport().receive(peer, tag(), {incoming.arrived, bytes}, active.pending);
}

void ScheduleTask::verify_greetings() {
  for (Greeting& greeting : memory_->greetings) {
    if (greeting.verified || greeting.pending.messages > 0) continue;
    Signature theirs{};
    std::memcpy(&theirs, greeting.bytes.data(), sizeof(Signature));
    if (theirs != signature_) {
      fail(text("calls differ: rank ", at_.rank, " calls ", name(call_.collective), " ", describe(signature_),
                ", rank ", greeting.peer, " calls ", name(theirs.collective), " ", describe(theirs),
                theirs.algorithm != signature_.algorithm || theirs.segments != signature_.segments
                    ? " (algorithm or segments differ)"
                    : ""));
    }
    greeting.verified = true;
    --unverified_;
  }
}

bool ScheduleTask::is_complete(const ActiveSegment& active) const {
  return active.pending.messages == 0 &&
         std::all_of(active.incoming.begin(), active.incoming.end(),
                     [](const Incoming& in) { return in.greeting == nullptr || in.greeting->verified; });
}

void ScheduleTask::complete_step(ActiveSegment& active) {
  for (const Incoming& in : active.incoming) {
    const std::size_t count = in.elements.count;
    if (count == 0) continue;
    const std::size_t bytes = count * size_of(call_.dtype);
    const bool inlined = in.greeting != nullptr && bytes <= Greeting::kInlineBytes;
    const std::byte* arrived = inlined ? in.greeting->payload() : in.arrived;
    std::byte* to = address(in.receive.to, in.elements.first);
    if (in.receive.combine == Combine::copy) {
      if (arrived != to) std::memcpy(to, arrived, bytes);
      continue;
    }
    const ConstBuffer incoming(arrived, count, call_.dtype);
    const ConstBuffer own(address(in.receive.with, in.elements.first), count, call_.dtype);
    const bool left = in.receive.combine == Combine::incoming_left;
    combine(call_.op, left ? incoming : own, left ? own : incoming, Buffer(to, count, call_.dtype));
  }
  active.underway = false;
  ++active.round;
  if (active.round == rounds_) complete_segment(active);
}

void ScheduleTask::complete_segment(ActiveSegment& active) {
  const Collective collective = call_.collective;
  const bool holds_result = collective != Collective::reduce || at_.rank == at_.root;
  if (call_.reduces() && holds_result) {
    const int blocks = algorithm_.blocks(at_.size);
    const bool own_only = collective == Collective::reduce_scatter;
    const ElementRange elements =
        segments_.range(active.segment, own_only ? BlockRange{at_.rank, 1} : BlockRange{0, blocks});
    finish_reduction(call_.op, Buffer(address(Slot::output, elements.first), elements.count, call_.dtype), at_.size);
  }
  active.segment = -1;
  ++segments_done_;
}

void ScheduleTask::check_limits(Clock::time_point now) {
  if (!waiting_since_) waiting_since_ = now;
  const std::chrono::duration<double> waited = now - *waiting_since_;
  const CommunicatorOptions& options = comm_.options();
  if (options.deadline && waited >= *options.deadline) {
    fail(text("no end after ", options.deadline->count(), " s; ", waiting_for()));
  }
  if (!warned_ && options.stall_warning.count() > 0 && waited >= options.stall_warning) {
    warned_ = true;
    std::fprintf(stderr, "tutti: warning: rank %d: %s has not ended for %.0f s; %s\n", at_.rank, label().c_str(),
                 waited.count(), waiting_for().c_str());
  }
}

std::string ScheduleTask::label() const {
  return text(name(call_.collective), " #", signature_.sequence, " (", describe(signature_), ", ", algorithm_.name,
              ")");
}

std::string ScheduleTask::waiting_for() const {
  std::set<int> from;
  std::set<int> to;
  for (const Underway& message : state().transport().underway()) {
    (message.direction == Direction::receive ? from : to).insert(message.peer);
  }
  const auto list = [](const char* what, const std::set<int>& peers) {
    constexpr std::size_t kShown = 8;
    std::string out;
    for (const int peer : peers) {
      if (out.empty()) out = what;
      out += text(out == what ? "" : ", ", peer);
      if (peer == *std::next(peers.begin(), static_cast<std::ptrdiff_t>(std::min(peers.size(), kShown) - 1))) break;
    }
    return peers.size() > kShown ? text(out, " and ", peers.size() - kShown, " more") : out;
  };
  const std::string receives = list("waits for messages from rank ", from);
  const std::string sends = list("waits for messages to be taken by rank ", to);
  return text(receives, receives.empty() || sends.empty() ? "" : "; ", sends);
}

void ScheduleTask::fail(const std::string& why) {
  const std::string message = text(label(), ": ", why);
  state().fail(signature_.sequence, message);
  throw CommunicationError(message);
}

/// Alone, every collective is a copy.
class CompleteTask final : public Task {
 public:
  bool poll() override { return true; }
  void wait() override {}
};

}  // namespace

std::unique_ptr<Task> start_collective(const Communicator& comm, const AlgorithmSource& source, const Call& call,
                                       std::uint64_t sequence) {
  CommunicatorState& state = comm.state();
  const auto refuse = [&](const std::string& why) {
    state.refuse(sequence, text(name(call.collective), " #", sequence, ": ", why));
  };
  if (const std::string problem = find_problem(call, comm.rank(), comm.size()); !problem.empty()) refuse(problem);
  const Algorithm* algorithm = nullptr;
  if (call.options.algorithm.empty()) {
    algorithm = &source.choose(call.collective, call.data_count * size_of(call.dtype), comm.size());
  } else {
    algorithm = find_algorithm(source.table, call.collective, call.options.algorithm);
    if (algorithm == nullptr) {
      std::string known;
      for (const Algorithm* row : source.table) {
        if (row->collective == call.collective) known += text(known.empty() ? "" : ", ", row->name);
      }
      refuse(text("there is no algorithm '", call.options.algorithm, "', only ", known));
    }
  }
  if (comm.size() == 1) {
    if (call.input.data != nullptr && call.input.data != call.output.data && call.output.count > 0) {
      std::memcpy(call.output.data, call.input.data, call.output.size_bytes());
    }
    return std::make_unique<CompleteTask>();
  }
  const auto row = std::find(source.table.begin(), source.table.end(), algorithm) - source.table.begin();
  auto task = std::make_unique<ScheduleTask>(comm, *algorithm, static_cast<int>(row), call, sequence);
  task->begin();
  return task;
}

std::unique_ptr<Task> start_collective(const Communicator& comm, const AlgorithmSource& source, const Call& call) {
  return start_collective(comm, source, call, comm.state().take_sequence());
}

}  // namespace tutti::detail
