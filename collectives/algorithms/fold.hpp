// Hypercube exchanges for any number of ranks.
//
// Exchanges at distances 1, 2, 4, ... need a power of two. With P = 2^k + e ranks, 0 <= e < 2^k, the first 2e ranks
// form e pairs (even, odd); the even one stands for both, so that 2^k `members` remain, numbered in rank order. Each
// odd rank hands its data to its partner before and gets the result after (Rabenseifner and Traeff, EuroPVM/MPI 2004).
#pragma once

#include <bit>

#include <tutti/collectives/schedule.hpp>

namespace tutti {

struct Fold {
  int levels;  ///< k: 2^k members
  int pairs;   ///< e

  explicit constexpr Fold(int size) noexcept
      : levels(std::bit_width(static_cast<unsigned>(size)) - 1), pairs(size - (1 << levels)) {}

  constexpr int members() const noexcept { return 1 << levels; }

  /// Whether `rank` belongs to a pair, and whether it is the one that hands over.
  constexpr bool is_paired(int rank) const noexcept { return rank < 2 * pairs; }
  constexpr bool is_folded(int rank) const noexcept { return is_paired(rank) && rank % 2 == 1; }

  /// Member that `rank` is or is represented by, and the rank that a member is.
  constexpr int member(int rank) const noexcept { return is_paired(rank) ? rank / 2 : rank - pairs; }
  constexpr int rank(int member) const noexcept { return member < pairs ? 2 * member : member + pairs; }

  /// Rounds before and after the exchanges: one each if there are pairs.
  constexpr int extra() const noexcept { return pairs > 0 ? 1 : 0; }

  /// Ranks represented by members [first, first + count), which are as many consecutive ranks.
  constexpr BlockRange ranks(BlockRange of) const noexcept {
    const int begin = first_rank(of.first);
    return {begin, first_rank(of.first + of.count) - begin};
  }

 private:
  constexpr int first_rank(int m) const noexcept { return m <= pairs ? 2 * m : m + pairs; }
};

/// One exchange between members at a power-of-two distance. `keep` and `give` are ranges of members.
struct HypercubeStep {
  int peer;         ///< member
  BlockRange keep;  ///< aligned group of `distance` members around the own one
  BlockRange give;  ///< the peer's
};

/// In recursive halving `distance` runs from 2^(k-1) down to 1: `give` is sent and `keep` received and reduced, after
/// which only `keep` matters. In recursive doubling it runs up from 1: `keep` is sent and `give` received.
constexpr HypercubeStep hypercube_step(int member, int distance) noexcept {
  const int own = member & ~(distance - 1);
  return {.peer = member ^ distance, .keep = {own, distance}, .give = {own ^ distance, distance}};
}

/// Received data stands left of the own if it comes from a lower member.
constexpr Combine side_of(int peer_member, int own_member) noexcept {
  return peer_member < own_member ? Combine::incoming_left : Combine::incoming_right;
}

}  // namespace tutti
