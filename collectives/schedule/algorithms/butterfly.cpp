// Factors of butterflies, all-gather and reduce-scatter; see butterfly.hpp.
#include <algorithm>
#include <utility>

#include <tutti/collectives/schedule/algorithms/butterfly.hpp>
#include <tutti/collectives/schedule/algorithms/fold.hpp>

namespace tutti {
namespace {

/// `number` without its prime factors up to `limit`: 1 if it has no others.
int rough_part(int number, int limit) noexcept {
  for (int p = 2; p <= limit && p * p <= number; ++p) {
    while (number % p == 0) number /= p;
  }
  return number <= limit ? 1 : number;
}

/// Smallest f with f^count >= product.
int even_factor(int product, int count) noexcept {
  for (int f = 1;; ++f) {
    long power = 1;
    for (int i = 0; i < count && power < product; ++i) power *= f;
    if (power >= product) return f;
  }
}

}  // namespace

int largest_prime_factor(int number) noexcept {
  for (int p = 2; p * p <= number;) number % p == 0 ? number /= p : ++p;
  return number;
}

Factors::Factors(const Shape& shape) noexcept {
  members_ = shape.size;
  while (rough_part(members_, shape.radix) != 1) --members_;
  while (!find(members_, rounds_, std::min(members_, shape.radix))) ++rounds_;
  const auto place = [](int factor) { return std::pair(factor & -factor, factor); };
  std::sort(factors_, factors_ + rounds_, [&](int a, int b) { return place(a) > place(b); });
}

// Factors do not increase, so the first of `count` is at least the even one; the smallest that works leaves the most
// even rest.
bool Factors::find(int product, int count, int limit) noexcept {
  if (count == 0) return product == 1;
  for (int f = even_factor(product, count); f <= limit; ++f) {
    if (product % f != 0) continue;
    factors_[rounds_ - count] = f;
    if (find(product / f, count - 1, f)) return true;
  }
  return false;
}

LevelFactors::LevelFactors(const Shape& shape) noexcept {
  for (long reached = 1; reached < shape.size; reached *= shape.radix) ++rounds_;
  const Factors exact(shape);
  if (exact.members() == shape.size && exact.rounds() == rounds_) {
    for (int level = 0; level < rounds_; ++level) factors_[level] = exact[level];
    return;
  }
  int largest = shape.size;  // group at the level
  for (int level = 0; level < rounds_; ++level) {
    factors_[level] = even_factor(largest, rounds_ - level);
    largest = (largest + factors_[level] - 1) / factors_[level];
  }
}

int Factors::stride(int round) const noexcept {
  int stride = 1;
  for (int i = 0; i < round; ++i) stride *= factors_[i];
  return stride;
}

namespace {

int bound_rounds(const Shape& shape) noexcept {
  const Factors factors(shape);
  return factors.rounds() + 2 * Fold(shape.size, factors.members()).extra();
}

/// Ranks of the aligned group of `stride` members around `member`.
BlockRange group(const Fold& fold, int member, int stride) noexcept {
  return fold.ranks({member - member % stride, stride});
}

void butterfly_all_gather_round(const Position& at, int index, Round& round) {
  const Factors factors(at.shape());
  const Fold fold(at.size, factors.members());
  const BlockRange own = {at.rank, 1};
  if (index == 0) round.copies.push_back({Slot::input, Slot::output, own});
  const int level = index - fold.extra();
  if (level < 0) {  // fold
    if (fold.is_folded(at.rank)) {
      round.sends.push_back({at.rank - 1, Slot::input, own});
    } else if (fold.is_paired(at.rank)) {
      round.receives.push_back({at.rank + 1, Slot::output, {at.rank + 1, 1}});
    }
    return;
  }
  // A folded rank gets everything, its own block too, which lies at one place or the other.
  if (level == factors.rounds()) return unfold_round(fold, at.rank, {0, at.size}, round);
  if (fold.is_folded(at.rank)) return;
  const int member = fold.member(at.rank);
  const int stride = factors.stride(level);
  for_each_peer(factors, member, level, [&](int peer, int) {
    round.sends.push_back({fold.rank(peer), Slot::output, group(fold, member, stride)});
    round.receives.push_back({fold.rank(peer), Slot::output, group(fold, peer, stride)});
  });
}

void butterfly_reduce_scatter_round(const Position& at, int index, Round& round) {
  const Factors factors(at.shape());
  const Fold fold(at.size, factors.members());
  const bool paired = fold.is_paired(at.rank);
  const int step = index - fold.extra();
  if (step < 0) return fold_round(fold, at.rank, {0, at.size}, Slot::scratch, round);
  if (step == factors.rounds()) {  // unfold
    if (fold.is_folded(at.rank)) {
      round.receives.push_back({at.rank - 1, Slot::output, {at.rank, 1}});
    } else if (paired) {
      round.copies.push_back({Slot::scratch, Slot::output, {at.rank, 1}});
      round.sends.push_back({at.rank + 1, Slot::scratch, {at.rank + 1, 1}});
    }
    return;
  }
  if (fold.is_folded(at.rank)) return;
  const int level = factors.rounds() - 1 - step;
  const int member = fold.member(at.rank);
  const int stride = factors.stride(level);
  const Slot from = step == 0 && !paired ? Slot::input : Slot::scratch;
  const Slot to = level == 0 && !paired ? Slot::output : Slot::scratch;
  for_each_peer(factors, member, level, [&](int peer, int) {
    round.sends.push_back({fold.rank(peer), from, group(fold, peer, stride)});
    round.receives.push_back({fold.rank(peer), to, group(fold, member, stride),
                              peer < member ? Reduction::incoming_left : Reduction::incoming_right, from});
  });
}

bool halving_needs_scratch(const Position& at) noexcept {
  return !Fold(at.size, Factors(at.shape()).members()).is_folded(at.rank);
}

}  // namespace

const Algorithm kRecursiveDoublingAllGather = {.name = "recursive_doubling",
                                               .collective = Collective::all_gather,
                                               .radix = Radix::per_rank,
                                               .single_block = false,
                                               .blocks = block_per_rank,
                                               .rounds = bound_rounds,
                                               .round = butterfly_all_gather_round,
                                               .needs_scratch = no_scratch};

const Algorithm kRecursiveHalvingReduceScatter = {.name = "recursive_halving",
                                                  .collective = Collective::reduce_scatter,
                                                  .radix = Radix::per_rank,
                                                  .single_block = false,
                                                  .reduces_at_once = true,
                                                  .blocks = block_per_rank,
                                                  .rounds = bound_rounds,
                                                  .round = butterfly_reduce_scatter_round,
                                                  .needs_scratch = halving_needs_scratch};

}  // namespace tutti
