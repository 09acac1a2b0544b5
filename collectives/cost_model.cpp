// Counting schedules and pricing what was counted; see cost_model.hpp.
#include <algorithm>
#include <map>
#include <numeric>
#include <vector>

#include <tutti/collectives/cost_model.hpp>

namespace tutti {
namespace {

using Load = Profile::Load;

/// All of up to 128 ranks; of more, those where schedules begin, end and fold, and those that a wave from rank 0 to its
/// right has reached in round `index`.
std::vector<int> sampled_ranks(int size, int index) {
  std::vector<int> ranks(static_cast<std::size_t>(std::min(size, 128)));
  std::iota(ranks.begin(), ranks.end(), 0);
  if (size > 128) {
    ranks = {0, 1, 2, 3, size / 2 - 1, size / 2, size - 2, size - 1};
    for (const int r : {index, index + 1}) {
      if (r > 3 && r < size / 2 - 1) ranks.push_back(r);
      if (r > size / 2 && r < size - 2) ranks.push_back(r);
    }
  }
  return ranks;
}

/// What a rank does, with both directions apart: over several rounds they overlap.
struct Count {
  double sends = 0;
  double receives = 0;
  double sent = 0;
  double received = 0;
  double reduced = 0;
  double copied = 0;

  Load load(double blocks) const noexcept {
    return {std::max(sends, receives), std::max(sent, received) / blocks, reduced / blocks, copied / blocks};
  }
};

void add(Count& sum, const Count& more) noexcept {
  sum.sends += more.sends;
  sum.receives += more.receives;
  sum.sent += more.sent;
  sum.received += more.received;
  sum.reduced += more.reduced;
  sum.copied += more.copied;
}

Count count(const Round& round) {
  Count count;
  count.sends = static_cast<double>(round.sends.size());
  count.receives = static_cast<double>(round.receives.size());
  for (const Send& send : round.sends) count.sent += send.blocks.count();
  for (const Receive& receive : round.receives) {
    count.received += receive.blocks.count();
    if (receive.combine != Combine::copy) count.reduced += receive.blocks.count();
  }
  for (const Copy& copy : round.copies) count.copied += copy.blocks.count;
  return count;
}

void add(Load& sum, const Load& more) noexcept {
  sum.messages += more.messages;
  sum.moved += more.moved;
  sum.reduced += more.reduced;
  sum.copied += more.copied;
}

Load larger(const Load& a, const Load& b) noexcept {
  return {std::max(a.messages, b.messages), std::max(a.moved, b.moved), std::max(a.reduced, b.reduced),
          std::max(a.copied, b.copied)};
}

void add(Prediction& sum, const Load& load, double bytes, const TransportCosts& costs) noexcept {
  sum.overhead += 2 * load.messages * costs.overhead;
  sum.moving += bytes * load.moved * costs.byte;
  sum.local += bytes * (load.reduced * costs.reduce + load.copied * costs.copy);
}

}  // namespace

Profile profile(const Algorithm& algorithm, const Shape& shape) {
  Profile result;
  result.rounds = algorithm.rounds(shape);
  result.depth = (result.rounds + algorithm.alternating_parts - 1) / algorithm.alternating_parts;
  result.blocks = algorithm.blocks(shape);
  std::map<int, Count> totals;
  Round round;
  for (int index = 0; index < result.rounds; ++index) {
    Load busiest;
    for (const int rank : sampled_ranks(shape.size, index)) {
      round.clear();
      algorithm.round({.rank = rank, .size = shape.size, .root = 0, .radix = shape.radix}, index, round);
      const Count its = count(round);
      busiest = larger(busiest, its.load(result.blocks));
      add(totals[rank], its);
    }
    add(result.path, busiest);
    result.most_messages = std::max(result.most_messages, static_cast<int>(busiest.messages));
  }
  const double parts = algorithm.alternating_parts;
  result.path = {result.path.messages / parts, result.path.moved / parts, result.path.reduced / parts,
                 result.path.copied / parts};
  for (const auto& [rank, total] : totals) {
    result.rank = larger(result.rank, total.load(result.blocks));
    const Position at = {.rank = rank, .size = shape.size, .root = 0, .radix = shape.radix};
    result.scratch = result.scratch || algorithm.needs_scratch(at);
  }
  return result;
}

Prediction predict(const Profile& profile, std::size_t bytes, int segments, int spacing,
                   const TransportCosts& costs) noexcept {
  const double segment = static_cast<double>(bytes) / segments;
  Prediction first;
  first.latency = profile.depth * costs.latency;
  add(first, profile.path, segment, costs);
  if (segments == 1) return first;

  // The others follow as fast as the busiest rank can, but no more at a time than have entered before the first is out.
  Prediction next;
  add(next, profile.rank, segment, costs);
  if (costs.overlaps) (next.moving > next.local ? next.local : next.moving) = 0;  // the longer hides the other
  const int underway = (profile.rounds + spacing - 1) / spacing;
  next.latency = std::max(0.0, first.total() / underway - next.total());
  const double more = segments - 1;
  return {first.latency + more * next.latency, first.overhead + more * next.overhead, first.moving + more * next.moving,
          first.local + more * next.local};
}

}  // namespace tutti
