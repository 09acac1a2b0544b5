// Symbolic replay of schedules; see verifier.hpp.
#include <algorithm>
#include <cstdint>
#include <deque>
#include <optional>
#include <tuple>

#include <tutti/collectives/refutation.hpp>
#include <tutti/collectives/verifier.hpp>

namespace tutti {
namespace {

using detail::judge;
using detail::refute;

/// One contribution: block `block` of the input of `rank`.
struct Atom {
  std::int16_t rank;
  std::int16_t block;
  friend bool operator==(const Atom&, const Atom&) = default;
  friend bool operator<(const Atom& a, const Atom& b) { return std::tie(a.rank, a.block) < std::tie(b.rank, b.block); }
};
using Value = std::vector<Atom>;  // empty: never written

const char* name(Slot slot) {
  constexpr const char* kNames[] = {"input", "output", "scratch"};
  return kNames[static_cast<int>(slot)];
}

/// The memory of one rank.
class RankMemory {
 public:
  RankMemory(const Algorithm& algorithm, Position at, int blocks, bool in_place)
      : algorithm_(algorithm), at_(at), in_place_(in_place) {
    for (auto& slot : slots_) slot.resize(static_cast<std::size_t>(blocks));
    const Collective collective = algorithm.collective;
    for (int b = 0; b < blocks; ++b) {
      const bool holds = collective == Collective::broadcast    ? at.rank == at.root
                         : collective == Collective::all_gather ? b == at.rank
                                                                : true;
      if (!holds) continue;
      const Slot slot = collective == Collective::broadcast ? Slot::output : Slot::input;
      cell(slot, b) = {{static_cast<std::int16_t>(at.rank), static_cast<std::int16_t>(b)}};
    }
  }

  const Value& read(Slot slot, int block) const {
    check(slot, block);
    const Value& value = const_cast<RankMemory*>(this)->cell(slot, block);
    if (value.empty()) refute("rank ", at_.rank, " reads block ", block, " of ", name(slot), " before it is written");
    return value;
  }

  void write(Slot slot, int block, Value value) {
    check(slot, block);
    if (slot == Slot::input) refute("rank ", at_.rank, " writes its input");
    cell(slot, block) = std::move(value);
  }

  const Value& result(int block) { return cell(Slot::output, block); }
  const Value& scratch(int block) { return cell(Slot::scratch, block); }

  /// Whether two places are the same memory.
  bool same(Slot a, Slot b) const noexcept { return a == b || (in_place_ && a != Slot::scratch && b != Slot::scratch); }

 private:
  Value& cell(Slot slot, int block) {
    if (in_place_ && slot == Slot::input) slot = Slot::output;
    return slots_[static_cast<std::size_t>(slot)][static_cast<std::size_t>(block)];
  }

  void check(Slot slot, int block) const {
    const Collective collective = algorithm_.collective;
    const bool own_only = (collective == Collective::all_gather && slot == Slot::input) ||
                          (collective == Collective::reduce_scatter && slot == Slot::output);
    const bool missing = (slot == Slot::scratch && !algorithm_.needs_scratch(at_)) ||
                         (slot == Slot::input && collective == Collective::broadcast) ||
                         (slot == Slot::output && collective == Collective::reduce && at_.rank != at_.root);
    if (missing || (own_only && block != at_.rank) || block < 0 ||
        static_cast<std::size_t>(block) >= slots_[0].size()) {
      refute("rank ", at_.rank, " has no block ", block, " in ", name(slot));
    }
  }

  const Algorithm& algorithm_;
  Position at_;
  bool in_place_;
  std::vector<Value> slots_[3];
};

/// Messages of a round that are under way on one rank.
struct RankState {
  int round = 0;
  Round plan;
  std::vector<std::vector<Value>> arrived;  // per receive
  std::size_t open = 0;                     // messages not completed
};

class Replay {
 public:
  Replay(const Algorithm& algorithm, int size, int root, bool in_place)
      : algorithm_(algorithm),
        size_(size),
        root_(root),
        blocks_(algorithm.blocks(size)),
        rounds_(algorithm.rounds(size)) {
    for (int r = 0; r < size; ++r) memory_.emplace_back(algorithm, position(r), blocks_, in_place);
    ranks_.resize(static_cast<std::size_t>(size));
    blocks_sent_.resize(static_cast<std::size_t>(size));
  }

  Verdict run() {
    for (int r = 0; r < size_; ++r) start_round(r);
    while (!ready_.empty()) {
      const int r = ready_.front();
      ready_.pop_front();
      finish_round(r);
    }
    for (int r = 0; r < size_; ++r) {
      const RankState& state = at(ranks_, r);
      if (state.round < rounds_) refute("deadlock: rank ", r, " never ends round ", state.round);
    }
    Verdict verdict;
    verdict.canonical_order = check_results();
    verdict.proven = true;
    verdict.rounds = rounds_;
    verdict.blocks = blocks_;
    verdict.most_blocks_sent = *std::max_element(blocks_sent_.begin(), blocks_sent_.end());
    return verdict;
  }

 private:
  template <class T>
  static T& at(std::vector<T>& all, int r) {
    return all[static_cast<std::size_t>(r)];
  }
  Position position(int rank) const { return {.rank = rank, .size = size_, .root = root_}; }

  void start_round(int r) {
    RankState& state = at(ranks_, r);
    if (state.round == rounds_) return;
    state.plan.clear();
    algorithm_.round(position(r), state.round, state.plan);
    check_peers(r, state.plan);
    for (const Copy& copy : state.plan.copies) {
      for (int b = copy.blocks.first; b < copy.blocks.first + copy.blocks.count; ++b) {
        at(memory_, r).write(copy.to, b, at(memory_, r).read(copy.from, b));
      }
    }
    check_hazards(r, state.plan);
    state.arrived.assign(state.plan.receives.size(), {});
    state.open = state.plan.sends.size() + state.plan.receives.size();
    if (state.open == 0) ready_.push_back(r);
    for (const Send& send : state.plan.sends) meet(r, send.peer);
    for (const Receive& receive : state.plan.receives) meet(receive.peer, r);
  }

  void check_peers(int r, const Round& plan) const {
    std::vector<int> to;
    std::vector<int> from;
    for (const Send& send : plan.sends) to.push_back(send.peer);
    for (const Receive& receive : plan.receives) from.push_back(receive.peer);
    for (auto* peers : {&to, &from}) {
      std::sort(peers->begin(), peers->end());
      if (std::adjacent_find(peers->begin(), peers->end()) != peers->end()) {
        refute("rank ", r, " has two messages with one peer in a round");
      }
      for (const int peer : *peers) {
        if (peer < 0 || peer >= size_ || peer == r) refute("rank ", r, " has a message with rank ", peer);
      }
    }
  }

  static bool touch(BlockRange a, BlockRange b) { return a.first < b.first + b.count && b.first < a.first + a.count; }

  // A copied receive lands while the messages of its round are under way.
  void check_hazards(int r, const Round& plan) {
    for (std::size_t i = 0; i < plan.receives.size(); ++i) {
      const Receive& receive = plan.receives[i];
      if (receive.combine != Combine::copy) continue;
      for (const Send& send : plan.sends) {
        if (at(memory_, r).same(send.from, receive.to) && touch(send.blocks, receive.blocks)) {
          refute("rank ", r, " receives into block ", receive.blocks.first, " while it sends it");
        }
      }
      for (std::size_t j = 0; j < plan.receives.size(); ++j) {
        const Receive& other = plan.receives[j];
        if (j != i && at(memory_, r).same(other.to, receive.to) && touch(other.blocks, receive.blocks)) {
          refute("rank ", r, " receives block ", receive.blocks.first, " twice in a round");
        }
      }
    }
  }

  /// Completes the message from `s` to `d` if both have started it. Both must be in the same round for it: the schedule
  /// numbers rounds alike on all ranks.
  void meet(int s, int d) {
    RankState& sender = at(ranks_, s);
    RankState& receiver = at(ranks_, d);
    if (sender.round != receiver.round || sender.round == rounds_) return;
    const auto send =
        std::find_if(sender.plan.sends.begin(), sender.plan.sends.end(), [&](const Send& m) { return m.peer == d; });
    const auto receive = std::find_if(receiver.plan.receives.begin(), receiver.plan.receives.end(),
                                      [&](const Receive& m) { return m.peer == s; });
    if (send == sender.plan.sends.end() || receive == receiver.plan.receives.end()) return;
    auto& arrived = receiver.arrived[static_cast<std::size_t>(receive - receiver.plan.receives.begin())];
    if (!arrived.empty()) return;
    if (!blocks_match(*send, *receive)) {
      refute("round ", sender.round, ": rank ", s, " sends block ", send->blocks.first, " x ", send->blocks.count,
             ", rank ", d, " receives block ", receive->blocks.first, " x ", receive->blocks.count);
    }
    for (int b = 0; b < send->blocks.count; ++b) {
      arrived.push_back(at(memory_, s).read(send->from, send->blocks.first + b));
      if (algorithm_.collective == Collective::barrier)
        add(arrived.back(), at(memory_, s).scratch(b));  // all it has heard
    }
    at(blocks_sent_, s) += send->blocks.count;
    if (--sender.open == 0) ready_.push_back(s);
    if (--receiver.open == 0) ready_.push_back(d);
  }

  bool blocks_match(const Send& send, const Receive& receive) const {
    if (algorithm_.collective == Collective::all_to_all) return send.blocks.count == receive.blocks.count;
    return send.blocks == receive.blocks;
  }

  void finish_round(int r) {
    RankState& state = at(ranks_, r);
    for (std::size_t i = 0; i < state.plan.receives.size(); ++i) {
      const Receive& receive = state.plan.receives[i];
      for (int b = 0; b < receive.blocks.count; ++b) {
        take(r, receive, receive.blocks.first + b, std::move(state.arrived[i][static_cast<std::size_t>(b)]));
      }
    }
    ++state.round;
    start_round(r);
  }

  /// Set union, sorted.
  static void add(Value& known, const Value& more) {
    known.insert(known.end(), more.begin(), more.end());
    std::sort(known.begin(), known.end());
    known.erase(std::unique(known.begin(), known.end()), known.end());
  }

  void take(int r, const Receive& receive, int block, Value incoming) {
    RankMemory& memory = at(memory_, r);
    if (algorithm_.collective == Collective::barrier) {  // knowledge adds up
      Value known = memory.read(Slot::input, block);
      add(known, memory.scratch(block));
      add(known, incoming);
      memory.write(Slot::scratch, block, std::move(known));
      return;
    }
    if (receive.combine == Combine::copy) {
      memory.write(receive.to, block, std::move(incoming));
      return;
    }
    const Value& own = memory.read(receive.with, block);
    Value combined = receive.combine == Combine::incoming_left ? incoming : own;
    const Value& right = receive.combine == Combine::incoming_left ? own : incoming;
    combined.insert(combined.end(), right.begin(), right.end());
    memory.write(receive.to, block, std::move(combined));
  }

  /// The value block `b` of the result of rank `r` should have, sorted; nothing if the collective does not define it.
  std::optional<Value> expected(int r, int b) const {
    const auto atom = [](int rank, int block) {
      return Atom{static_cast<std::int16_t>(rank), static_cast<std::int16_t>(block)};
    };
    switch (algorithm_.collective) {
      case Collective::broadcast:
        return Value{atom(root_, b)};
      case Collective::all_gather:
        return Value{atom(b, b)};
      case Collective::all_to_all:
        return Value{atom(b, r)};
      case Collective::reduce:
        if (r != root_) return std::nullopt;
        break;
      case Collective::reduce_scatter:
        if (b != r) return std::nullopt;
        break;
      case Collective::allreduce:
      case Collective::barrier:
        break;
    }
    Value all;
    for (int rank = 0; rank < size_; ++rank) all.push_back(atom(rank, b));
    return all;
  }

  bool check_results() {
    bool canonical = true;
    for (int r = 0; r < size_; ++r) {
      for (int b = 0; b < blocks_; ++b) {
        const std::optional<Value> want = expected(r, b);
        if (!want) continue;
        const bool barrier = algorithm_.collective == Collective::barrier;
        const Value& have = barrier ? at(memory_, r).scratch(b) : at(memory_, r).result(b);
        if (have == *want) continue;
        canonical = false;
        Value sorted = have;
        std::sort(sorted.begin(), sorted.end());
        if (sorted != *want) refute("rank ", r, " ends with the wrong contributions in block ", b);
      }
    }
    return canonical;
  }

  const Algorithm& algorithm_;
  int size_;
  int root_;
  int blocks_;
  int rounds_;
  std::vector<RankMemory> memory_;
  std::vector<RankState> ranks_;
  std::vector<int> blocks_sent_;
  std::deque<int> ready_;
};

}  // namespace

Verdict verify(const Algorithm& algorithm, int size, int root, bool in_place) {
  return judge(algorithm, size, root, [&] { return Replay(algorithm, size, root, in_place).run(); });
}

}  // namespace tutti
