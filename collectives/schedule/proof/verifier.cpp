// Symbolic replay of schedules; see verifier.hpp.
#include <algorithm>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>

#include <tutti/collectives/schedule/proof/refutation.hpp>
#include <tutti/collectives/schedule/proof/symbolic_memory.hpp>
#include <tutti/collectives/schedule/proof/verifier.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti {
namespace {

using detail::Atom;
using detail::judge;
using detail::refute;
using detail::Sample;
using detail::SymbolicMemory;
using detail::Value;

/// Messages of a round that are under way on one rank.
struct RankState {
  int round = 0;
  Round plan;
  std::vector<std::vector<Value>> arrived;  // per receive
  std::size_t open = 0;                     // messages not completed
};

class Replay {
 public:
  Replay(const Algorithm& algorithm, const Shape& shape, int root, bool in_place)
      : algorithm_(algorithm),
        shape_(shape),
        size_(shape.size),
        root_(root),
        blocks_(algorithm.blocks(shape)),
        rounds_(algorithm.rounds(shape)),
        sample_(blocks_) {
    for (int r = 0; r < size_; ++r) memory_.emplace_back(algorithm, position(r), blocks_, in_place, sample_);
    ranks_.resize(static_cast<std::size_t>(size_));
    blocks_sent_.resize(static_cast<std::size_t>(size_));
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
  Position position(int rank) const { return position_of(rank, shape_, root_); }

  void start_round(int r) {
    RankState& state = at(ranks_, r);
    if (state.round == rounds_) return;
    state.plan.clear();
    algorithm_.round(position(r), state.round, state.plan);
    check_peers(r, state.plan);
    for (const Copy& copy : state.plan.copies) {
      for (int b = copy.blocks.first; b < copy.blocks.first + copy.blocks.count; ++b) {
        at(memory_, r).write(copy.to, b + copy.shift, Value(at(memory_, r).read(copy.from, b)));
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

  static bool touch(const Blocks& some, const Blocks& others) {
    return std::any_of(some.begin(), some.end(), [&](BlockRange a) {
      return std::any_of(others.begin(), others.end(),
                         [&](BlockRange b) { return a.first < b.first + b.count && b.first < a.first + a.count; });
    });
  }

  static std::string text_of(const Blocks& blocks) {
    std::string out;
    for (const BlockRange range : blocks)
      out += text(out.empty() ? "block " : " and ", range.first, " x ", range.count);
    return out;
  }

  // A copied receive lands while the messages of its round are under way.
  void check_hazards(int r, const Round& plan) {
    for (std::size_t i = 0; i < plan.receives.size(); ++i) {
      const Receive& receive = plan.receives[i];
      if (receive.reduction != Reduction::copy) continue;
      for (const Send& send : plan.sends) {
        if (at(memory_, r).same(send.from, receive.to) && touch(send.blocks, receive.blocks)) {
          refute("rank ", r, " receives into ", text_of(receive.blocks), " while it sends it");
        }
      }
      for (std::size_t j = 0; j < plan.receives.size(); ++j) {
        const Receive& other = plan.receives[j];
        if (j != i && at(memory_, r).same(other.to, receive.to) && touch(other.blocks, receive.blocks)) {
          refute("rank ", r, " receives ", text_of(receive.blocks), " twice in a round");
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
    if (!blocks_match(s, *send, d, *receive)) {
      refute("round ", sender.round, ": rank ", s, " sends ", text_of(send->blocks), ", rank ", d, " receives ",
             text_of(receive->blocks));
    }
    for (const BlockRange range : send->blocks) {
      for (int b = range.first; b < range.first + range.count; ++b) {
        const bool barrier = algorithm_.collective == Collective::barrier;
        arrived.push_back(barrier ? at(memory_, s).heard() : at(memory_, s).read(send->from, b));
      }
    }
    at(blocks_sent_, s) += send->blocks.count();
    if (--sender.open == 0) ready_.push_back(s);
    if (--receiver.open == 0) ready_.push_back(d);
  }

  /// Whether both sides mean the same blocks, or blocks that have the same size.
  bool blocks_match(int s, const Send& send, int d, const Receive& receive) const {
    if (algorithm_.moves_blocks)
      return has_bound_blocks(algorithm_.collective) && send.blocks.is_cut_like(receive.blocks);
    if (algorithm_.collective == Collective::all_to_all) {
      return send.blocks == Blocks(d, 1) && receive.blocks == Blocks(s, 1);
    }
    return send.blocks == receive.blocks;
  }

  void finish_round(int r) {
    RankState& state = at(ranks_, r);
    const std::vector<Receive>& receives = state.plan.receives;
    for (std::size_t i = 0; i < receives.size();) {
      std::size_t end = i + 1;
      while (end < receives.size() && reduced_together(receives[i], receives[end])) ++end;
      std::size_t place = 0;  // within the messages
      for (const BlockRange range : receives[i].blocks) {
        for (int b = range.first; b < range.first + range.count; ++b) take(r, i, end, b, place++);
      }
      i = end;
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

  /// Reduces block `block`, which is the one at `place` in the messages [first, end) that are reduced together.
  void take(int r, std::size_t first, std::size_t end, int block, std::size_t place) {
    RankState& state = at(ranks_, r);
    SymbolicMemory& memory = at(memory_, r);
    const Receive& receive = state.plan.receives[first];
    if (algorithm_.collective == Collective::barrier) {  // knowledge adds up
      add(memory.heard(), state.arrived[first][place]);
      return;
    }
    if (receive.reduction == Reduction::copy) {
      memory.write(receive.to, block, std::move(state.arrived[first][place]));
      return;
    }
    Value reduced;
    const auto append = [&](const Value& more) { reduced.insert(reduced.end(), more.begin(), more.end()); };
    for (std::size_t i = first; i < end; ++i) {
      if (state.plan.receives[i].reduction == Reduction::incoming_left) append(state.arrived[i][place]);
    }
    append(memory.read(receive.with, block));
    for (std::size_t i = first; i < end; ++i) {
      if (state.plan.receives[i].reduction == Reduction::incoming_right) append(state.arrived[i][place]);
    }
    memory.write(receive.to, block, std::move(reduced));
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
      case Collective::gather:
        if (r != root_) return std::nullopt;
        return Value{atom(b, b)};
      case Collective::scatter:
        if (b != r) return std::nullopt;
        return Value{atom(root_, b)};
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
    if (!sample_.follows(b)) return all;
    for (int rank = 0; rank < size_; ++rank) all.push_back(atom(rank, b));
    return all;
  }

  bool check_results() {
    bool canonical = true;
    const bool barrier = algorithm_.collective == Collective::barrier;
    for (int r = 0; r < size_; ++r) {
      for (int b = 0; b < (barrier ? 1 : blocks_); ++b) {
        std::optional<Value> want = expected(r, b);
        if (!want) continue;
        std::erase_if(*want, [&](const Atom& atom) { return !sample_.follows(atom.block); });
        const Value& have = barrier ? at(memory_, r).heard() : at(memory_, r).result(b);
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
  Shape shape_;
  int size_;
  int root_;
  int blocks_;
  int rounds_;
  Sample sample_;
  std::vector<SymbolicMemory> memory_;
  std::vector<RankState> ranks_;
  std::vector<int> blocks_sent_;
  std::deque<int> ready_;
};

}  // namespace

Verdict verify(const Algorithm& algorithm, const Shape& shape, int root, bool in_place) {
  return judge(algorithm, shape, root, [&] { return Replay(algorithm, shape, root, in_place).run(); });
}

}  // namespace tutti
