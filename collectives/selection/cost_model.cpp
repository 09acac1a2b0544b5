// Counting schedules and pricing what was counted; see cost_model.hpp.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numeric>
#include <vector>

#include <tutti/collectives/schedule/message_sizes.hpp>
#include <tutti/collectives/selection/cost_model.hpp>
#include <tutti/collectives/selection/link_use.hpp>

namespace tutti {
namespace {

using Load = Profile::Load;

constexpr int kAllFollowed = 128;

/// Ranks that are followed through all rounds: all of up to kAllFollowed; of more, those where schedules begin, end and
/// fold.
std::vector<int> followed_ranks(int size) {
  std::vector<int> ranks(static_cast<std::size_t>(std::min(size, kAllFollowed)));
  std::iota(ranks.begin(), ranks.end(), 0);
  if (size > kAllFollowed) ranks = {0, 1, 2, 3, size / 2 - 1, size / 2, size - 2, size - 1};
  return ranks;
}

/// Those that a wave from rank 0 to its right has reached in round `index`, unless they are followed anyway.
std::vector<int> wave_ranks(int size, int index) {
  std::vector<int> ranks;
  for (const int r : {index, index + 1}) {
    if (size > kAllFollowed && ((r > 3 && r < size / 2 - 1) || (r > size / 2 && r < size - 2))) ranks.push_back(r);
  }
  return ranks;
}

/// What a rank does, with both directions apart: over several rounds they overlap.
struct Count {
  double sends = 0;
  double receives = 0;
  double greetings_sent = 0;
  double greetings_received = 0;
  double sent = 0;
  double received = 0;
  double sent_far = 0;
  double received_far = 0;
  double inside_sent = 0;
  double inside_received = 0;
  double reduced = 0;
  double copied = 0;

  Load load(double blocks) const noexcept {
    return {std::max(sends, receives),
            std::max(greetings_sent, greetings_received),
            std::max(sent + inside_sent, received + inside_received) / blocks,
            std::max(sent, received) / blocks,
            std::max(sent_far, received_far) / blocks,
            std::max(inside_sent, inside_received) / blocks,
            reduced / blocks,
            copied / blocks};
  }
};

void add(Count& sum, const Count& more) noexcept {
  sum.sends += more.sends;
  sum.receives += more.receives;
  sum.greetings_sent += more.greetings_sent;
  sum.greetings_received += more.greetings_received;
  sum.sent += more.sent;
  sum.received += more.received;
  sum.sent_far += more.sent_far;
  sum.received_far += more.received_far;
  sum.inside_sent += more.inside_sent;
  sum.inside_received += more.inside_received;
  sum.reduced += more.reduced;
  sum.copied += more.copied;
}

/// A rank through all rounds, and whom it has exchanged messages with.
struct Followed {
  int rank = 0;
  Count total;
  std::vector<bool> greeted;
  std::vector<bool> greeted_by;
};

/// Remembers that the peer has been met; whether it is for the first time.
bool is_first(std::vector<bool>& met, int peer) {
  const auto at = static_cast<std::size_t>(peer);
  if (met.empty() || met[at]) return false;
  return met[at] = true;
}

/// log2 of how many ranks apart two ranks are, on a circle.
double doublings(int a, int b, int size) noexcept {
  const int apart = std::abs(a - b);
  return std::log2(std::min(apart, size - apart));
}

Count count(const Round& round, int size, int ranks_per_node, Followed& who) {
  const auto is_inside = [&](int peer) { return peer / ranks_per_node == who.rank / ranks_per_node; };
  Count count;
  count.sends = static_cast<double>(round.sends.size());
  count.receives = static_cast<double>(round.receives.size());
  for (const Send& send : round.sends) {
    if (is_inside(send.peer)) {
      count.inside_sent += send.blocks.count();
    } else {
      count.sent += send.blocks.count();
      count.sent_far += send.blocks.count() * doublings(who.rank, send.peer, size);
    }
    if (is_first(who.greeted, send.peer)) count.greetings_sent += 1;
  }
  for (const Receive& receive : round.receives) {
    if (is_inside(receive.peer)) {
      count.inside_received += receive.blocks.count();
    } else {
      count.received += receive.blocks.count();
      count.received_far += receive.blocks.count() * doublings(who.rank, receive.peer, size);
    }
    if (receive.reduction != Reduction::copy) count.reduced += receive.blocks.count();
    if (is_first(who.greeted_by, receive.peer)) count.greetings_received += 1;
  }
  for (const Copy& copy : round.copies) count.copied += copy.blocks.count;
  add(who.total, count);
  return count;
}

Load larger(const Load& a, const Load& b) noexcept {
  return {std::max(a.messages, b.messages), std::max(a.first_messages, b.first_messages),
          std::max(a.own, b.own),           std::max(a.moved, b.moved),
          std::max(a.carried, b.carried),   std::max(a.inside, b.inside),
          std::max(a.reduced, b.reduced),   std::max(a.copied, b.copied)};
}

/// What the busiest rank does, and the busiest link: the ranks of a node share theirs. Where not all ranks are
/// followed, the others of a node are taken to do as the one that is.
class Busiest {
 public:
  Busiest(int size, int ranks_per_node, int blocks)
      : ranks_per_node_(ranks_per_node), blocks_(blocks), all_followed_(size <= kAllFollowed) {
    if (ranks_per_node > 1 && all_followed_) {
      links_.resize(static_cast<std::size_t>((size + ranks_per_node - 1) / ranks_per_node));
    }
  }

  void consider(int rank, const Count& count) {
    load_ = larger(load_, count.load(blocks_));
    if (!links_.empty()) add(links_[static_cast<std::size_t>(rank / ranks_per_node_)], count);
  }

  Load load() const {
    Load all = load_;
    if (ranks_per_node_ == 1) return all;
    if (!all_followed_) {
      all.moved *= ranks_per_node_;
      all.carried *= ranks_per_node_;
    }
    for (const Count& link : links_) {
      const Load shared = link.load(blocks_);
      all.moved = std::max(all.moved, shared.moved);
      all.carried = std::max(all.carried, shared.carried);
    }
    return all;
  }

 private:
  int ranks_per_node_;
  double blocks_;
  bool all_followed_;
  Load load_;
  std::vector<Count> links_;
};

void add(std::vector<Profile::Rounds>& path, const Load& load, double count) {
  const auto same = std::find_if(path.begin(), path.end(), [&](const auto& rounds) { return rounds.load == load; });
  if (same != path.end()) {
    same->count += count;
  } else {
    path.push_back({load, count});
  }
}

double transfer_time(const Load& load, double bytes, const TransportCosts& costs, double node_byte) noexcept {
  return bytes * (costs.byte * (load.moved + load.carried * costs.distance) + node_byte * load.inside);
}

double local_time(const Load& load, double bytes, const TransportCosts& costs) noexcept {
  return bytes * (load.reduced * costs.reduce + load.copied * costs.copy);
}

/// One segment of so many bytes alone on its way. While a message is prepared or taken in, those before it move. A
/// first message to a peer costs twice, unless the signature rides in it (signature_exchange.hpp).
Prediction first_segment(const Profile& profile, double bytes, const TransportCosts& costs, double node_byte) noexcept {
  Prediction sum;
  sum.latency = profile.depth * costs.latency + profile.detours;
  for (const auto& [load, count] : profile.path) {
    const double transfer = transfer_time(load, bytes, costs, node_byte);
    sum.transfer += count * transfer;
    sum.local += count * local_time(load, bytes, costs);
    if (load.messages < 1) continue;
    const bool rides = bytes * load.own / load.messages <= static_cast<double>(detail::kPackedBytes);
    const double messages = load.messages + (rides ? 0 : load.first_messages);
    const double hidden = costs.overlaps ? std::min(costs.gap, transfer / messages) : 0;
    sum.overhead += count * (2 * costs.overhead + (messages - 1) * (costs.gap - hidden));
  }
  return sum;
}

/// What messages of one segment cost a processor that has other segments to see to: those of a round follow each other
/// in gaps; a rank that is not in every round pays for its own only.
double busy_time(const Profile& profile, const TransportCosts& costs) noexcept {
  double all_rounds = 0;
  for (const auto& [load, count] : profile.path) {
    if (load.messages >= 1) all_rounds += count * (2 * costs.overhead + (load.messages - 1) * costs.gap);
  }
  return std::min(all_rounds, profile.rank.messages * 2 * costs.overhead);
}

/// What every segment after the first adds where the busiest rank is never idle: the time of its messages, and that of
/// bytes and local work, of which a network hides one behind the other. That messages too hide behind bytes is not
/// counted on: segments wait for each other more than the model knows.
Prediction further_segment(const Profile& profile, double bytes, const TransportCosts& costs,
                           double node_byte) noexcept {
  Prediction sum = {.latency = 0,
                    .overhead = busy_time(profile, costs),
                    .transfer = transfer_time(profile.rank, bytes, costs, node_byte),
                    .local = local_time(profile.rank, bytes, costs)};
  if (!costs.overlaps) return sum;
  (sum.transfer > sum.local ? sum.local : sum.transfer) = 0;
  return sum;
}

}  // namespace

Profile profile(const Algorithm& algorithm, const Shape& shape, const CostContext& where) {
  const int ranks_per_node = where.ranks_per_node;
  Profile result;
  result.rounds = algorithm.rounds(shape);
  result.depth = (result.rounds + algorithm.alternating_parts - 1) / algorithm.alternating_parts;
  result.blocks = algorithm.blocks(shape);
  std::vector<Followed> followed;
  for (const int rank : followed_ranks(shape.size)) {
    const std::vector<bool> nobody(static_cast<std::size_t>(shape.size));
    followed.push_back({rank, {}, nobody, nobody});
    const Position at = position_of(rank, shape);
    result.scratch = result.scratch || algorithm.needs_scratch(at);
  }
  const bool follows = can_follow_links(where.network);
  const LinkUse links = follows ? links_used(algorithm, shape, ranks_per_node, where.network) : LinkUse{};
  const auto over_links = [&](Load load, double moved) {
    if (!follows) return load;
    load.moved = moved;
    load.carried = 0;
    return load;
  };
  Busiest total(shape.size, ranks_per_node, result.blocks);
  Round round;
  for (int index = 0; index < result.rounds; ++index) {
    Busiest busiest(shape.size, ranks_per_node, result.blocks);
    const auto look = [&](Followed& who) {
      round.clear();
      algorithm.round(position_of(who.rank, shape), index, round);
      busiest.consider(who.rank, count(round, shape.size, ranks_per_node, who));
    };
    for (Followed& who : followed) look(who);
    for (const int rank : wave_ranks(shape.size, index)) {
      Followed passing{rank, {}, {}, {}};
      look(passing);
    }
    const LinkUse::Ways schedule_plans = follows ? links.rounds[static_cast<std::size_t>(index)] : LinkUse::Ways{};
    add(result.path, over_links(busiest.load(), schedule_plans.moved), (1.0 + 1.0 / algorithm.alternating_parts) / 2);
    result.detours += std::max(0, schedule_plans.links - 1) * where.network.hop / algorithm.alternating_parts;
  }
  for (const Followed& who : followed) total.consider(who.rank, who.total);
  result.rank = over_links(total.load(), links.moved);
  return result;
}

Prediction predict(const Profile& profile, std::size_t bytes, int segments, int spacing, const TransportCosts& costs,
                   double node_byte) noexcept {
  const double segment = static_cast<double>(bytes) / segments;
  const Prediction first = first_segment(profile, segment, costs, node_byte);
  if (segments == 1) return first;

  // The others follow as fast as the busiest rank can, but no more at a time than have entered before the first is out.
  Prediction next = further_segment(profile, segment, costs, node_byte);
  const int underway = (profile.rounds + spacing - 1) / spacing;
  next.latency = std::max(0.0, first.total() / underway - next.total());
  const double more = segments - 1;
  return {first.latency + more * next.latency, first.overhead + more * next.overhead,
          first.transfer + more * next.transfer, first.local + more * next.local};
}

}  // namespace tutti
