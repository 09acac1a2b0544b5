// Butterflies of any and mixed radix: in round i every member exchanges with the members that differ from it in digit i
// only.
//
// The number of members is a product f_0 f_1 ... f_{k-1}, every factor at most the radix; member x has digits
// x_i = x / (f_0 ... f_{i-1}) mod f_i. Round i is an exchange among the f_i members of a group, f_i - 1 messages each.
// Radix 2 gives the hypercube. Other numbers of ranks are folded (fold.hpp).
//
// All-gather: groups at distances 1, f_0, f_0 f_1, ... multiply the range of blocks that a member holds; with radix 2
// it is called recursive doubling. Reduce-scatter: the same backwards, recursive halving. Both take k rounds and
// (P-1)/P n bytes per rank if P has no prime factor above the radix, otherwise 2 rounds and n bytes more.
#pragma once

#include <tutti/collectives/schedule/schedule.hpp>

namespace tutti {

/// The factors of the largest number of members that has factors up to the radix only, the fewest and most even that
/// there are. Those that hold the highest powers of two come first, of equal ones the larger, so that groups of
/// neighbours, which exchange most, fit the switches and chassis of networks that are built in powers of two.
class Factors {
 public:
  explicit Factors(const Shape& shape) noexcept;

  int members() const noexcept { return members_; }
  int rounds() const noexcept { return rounds_; }
  int operator[](int round) const noexcept { return factors_[round]; }

  /// Distance between the members of a group in `round`: f_0 ... f_{round-1}.
  int stride(int round) const noexcept;
  int digit(int member, int round) const noexcept { return member / stride(round) % factors_[round]; }

 private:
  bool find(int product, int count, int limit) noexcept;

  static constexpr int kMost = 31;
  int factors_[kMost] = {};
  int rounds_ = 0;
  int members_ = 1;
};

/// Calls exchange(peer, its digit) for the other members of the group of `member` in `round`. Everyone begins with the
/// next one, so that nobody is flooded.
template <class Bootstrap>
void for_each_peer(const Factors& factors, int member, int round, Bootstrap exchange) {
  const int own = factors.digit(member, round);
  for (int turn = 1; turn < factors[round]; ++turn) {
    const int digit = wrap(own + turn, factors[round]);
    exchange(member + (digit - own) * factors.stride(round), digit);
  }
}

/// The factors by which a group of all ranks is cut, level by level from all of them down to single ranks, where cuts
/// need not come out even: as few as there are with factors up to the radix, an exact product if one has no more.
class LevelFactors {
 public:
  explicit LevelFactors(const Shape& shape) noexcept;

  int rounds() const noexcept { return rounds_; }
  int operator[](int level) const noexcept { return factors_[level]; }

 private:
  int factors_[32] = {};
  int rounds_ = 0;
};

/// Of a number of at least 2: the smallest radix with which nothing is folded.
int largest_prime_factor(int number) noexcept;

extern const Algorithm kRecursiveDoublingAllGather;
extern const Algorithm kRecursiveHalvingReduceScatter;

}  // namespace tutti
