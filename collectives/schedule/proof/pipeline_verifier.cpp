// Replays who waits for whom when segments are pipelined; see verifier.hpp.
#include <deque>
#include <map>
#include <vector>

#include <tutti/collectives/schedule/proof/refutation.hpp>
#include <tutti/collectives/schedule/proof/verifier.hpp>
#include <tutti/collectives/schedule/step_order.hpp>

namespace tutti {
namespace {

using detail::judge;
using detail::refute;

/// The executor's order and rules, without data.
class PipelineReplay {
 public:
  PipelineReplay(const Algorithm& algorithm, const Shape& shape, int segments, int spacing)
      : algorithm_(algorithm), size_(shape.size), shape_(shape), rounds_(algorithm.rounds(shape)), segments_(segments) {
    const StepOrder order(rounds_, segments, spacing);
    for (int r = 0; r < size_; ++r) {
      ranks_.push_back({order, std::vector<Slot>(static_cast<std::size_t>(order.window())), 0});
    }
  }

  void run() {
    for (bool any = true; any;) {
      any = false;
      for (int r = 0; r < size_; ++r) any = advance(r) || any;
    }
    for (int r = 0; r < size_; ++r) {
      const Rank& rank = ranks_[static_cast<std::size_t>(r)];
      if (rank.segments_done < segments_) {
        refute("deadlock: rank ", r, " waits to start round ", rank.order.round(), " of segment ",
               rank.order.segment());
      }
    }
  }

 private:
  struct Step {
    int round;
    int segment;
    friend bool operator==(const Step&, const Step&) = default;
  };
  struct Slot {
    int segment = -1;
    int round = 0;
    bool underway = false;
    int open = 0;
  };
  struct Rank {
    StepOrder order;
    std::vector<Slot> window;
    int segments_done;
  };
  /// Messages of one direction between two ranks, in the order in which either side started them.
  struct Channel {
    std::deque<Step> sends;
    std::deque<Step> receives;
  };

  Slot& slot(int r, int segment) {
    std::vector<Slot>& window = ranks_[static_cast<std::size_t>(r)].window;
    return window[static_cast<std::size_t>(segment) % window.size()];
  }

  bool advance(int r) {
    Rank& rank = ranks_[static_cast<std::size_t>(r)];
    bool any = false;
    for (Slot& active : rank.window) {
      if (!active.underway || active.open > 0) continue;
      active.underway = false;
      any = true;
      if (++active.round < rounds_) continue;
      active.segment = -1;
      ++rank.segments_done;
    }
    for (; !rank.order.done(); rank.order.next()) {
      Slot& active = slot(r, rank.order.segment());
      if (rank.order.round() == 0) {
        if (active.segment >= 0) break;
        active = {.segment = rank.order.segment(), .round = 0, .underway = false, .open = 0};
      } else if (active.underway || active.round != rank.order.round()) {
        break;
      }
      start(r, active);
      any = true;
    }
    return any;
  }

  void start(int r, Slot& active) {
    Round plan;
    algorithm_.round(position_of(r, shape_), active.round, plan);
    active.underway = true;
    active.open = static_cast<int>(plan.sends.size() + plan.receives.size());
    const Step step = {active.round, active.segment};
    for (const Send& send : plan.sends) {
      channels_[{r, send.peer}].sends.push_back(step);
      meet(r, send.peer);
    }
    for (const Receive& receive : plan.receives) {
      channels_[{receive.peer, r}].receives.push_back(step);
      meet(receive.peer, r);
    }
  }

  void meet(int s, int d) {
    Channel& channel = channels_[{s, d}];
    if (channel.sends.empty() || channel.receives.empty()) return;
    const Step sent = channel.sends.front();
    const Step awaited = channel.receives.front();
    if (sent != awaited) {
      refute("rank ", s, " sends round ", sent.round, " of segment ", sent.segment, " to rank ", d,
             ", which awaits round ", awaited.round, " of segment ", awaited.segment);
    }
    channel.sends.pop_front();
    channel.receives.pop_front();
    --slot(s, sent.segment).open;
    --slot(d, sent.segment).open;
  }

  const Algorithm& algorithm_;
  int size_;
  Shape shape_;
  int rounds_;
  int segments_;
  std::vector<Rank> ranks_;
  std::map<std::pair<int, int>, Channel> channels_;
};

}  // namespace

Verdict verify_pipelining(const Algorithm& algorithm, const Shape& shape, int segments, int spacing) {
  return judge(algorithm, shape, 0, [&] {
    PipelineReplay(algorithm, shape, segments, spacing).run();
    Verdict verdict;
    verdict.proven = true;
    return verdict;
  });
}

}  // namespace tutti
