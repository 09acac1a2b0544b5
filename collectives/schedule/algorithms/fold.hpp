// Exchanges among fewer ranks than there are.
//
// Exchanges whose factors multiply up need a number of ranks that is such a product. With P = m + e ranks, 0 <= e <= m,
// the first 2e ranks form e pairs (even, odd); the even one stands for both, so that m `members` remain, numbered in
// rank order. Each odd rank hands its data to its partner before and gets the result after (Rabenseifner and Traeff,
// EuroPVM/MPI 2004).
#pragma once

#include <bit>

#include <tutti/collectives/schedule/schedule.hpp>

namespace tutti {

class Fold {
 public:
  /// `members` of `size` ranks, at least half of them.
  constexpr Fold(int size, int members) noexcept : members_(members), pairs_(size - members) {}

  constexpr int members() const noexcept { return members_; }

  /// Whether `rank` belongs to a pair, and whether it is the one that hands over.
  constexpr bool is_paired(int rank) const noexcept { return rank < 2 * pairs_; }
  constexpr bool is_folded(int rank) const noexcept { return is_paired(rank) && rank % 2 == 1; }

  /// Member that `rank` is or is represented by, and the rank that a member is.
  constexpr int member(int rank) const noexcept { return is_paired(rank) ? rank / 2 : rank - pairs_; }
  constexpr int rank(int member) const noexcept { return member < pairs_ ? 2 * member : member + pairs_; }

  /// Rounds before and after the exchanges: one each if there are pairs.
  constexpr int extra() const noexcept { return pairs_ > 0 ? 1 : 0; }

  /// Ranks represented by members [first, first + count), which are as many consecutive ranks.
  constexpr BlockRange ranks(BlockRange of) const noexcept {
    const int begin = first_rank(of.first);
    return {begin, first_rank(of.first + of.count) - begin};
  }

 private:
  constexpr int first_rank(int m) const noexcept { return m <= pairs_ ? 2 * m : m + pairs_; }

  int members_;
  int pairs_;
};

/// Appends the round in which folded ranks hand over `all` blocks of the input, to be reduced into `work`.
inline void fold_round(const Fold& fold, int rank, BlockRange all, Slot work, Round& round) {
  if (fold.is_folded(rank)) {
    round.sends.push_back({rank - 1, Slot::input, all});
  } else if (fold.is_paired(rank)) {
    round.receives.push_back({rank + 1, work, all, Reduction::incoming_right, Slot::input});
  }
}

/// Appends the round in which folded ranks get `all` blocks of the output.
inline void unfold_round(const Fold& fold, int rank, BlockRange all, Round& round) {
  if (fold.is_folded(rank)) {
    round.receives.push_back({rank - 1, Slot::output, all});
  } else if (fold.is_paired(rank)) {
    round.sends.push_back({rank + 1, Slot::output, all});
  }
}

}  // namespace tutti
