// Proves schedules by replaying all ranks symbolically.
//
// A block's value is the list of contributions it was made from, in order; a reduction appends one list to another.
// Messages are replayed under synchronous-send semantics: a round of a rank ends only when the other sides of all its
// messages have taken part, with no buffering in between.
#pragma once

#include <string>

#include <tutti/collectives/schedule/schedule.hpp>

namespace tutti {

struct Verdict {
  bool proven = false;
  std::string why_not;           ///< names rank, round and block
  bool canonical_order = false;  ///< every result reduces ranks 0, 1, ..., P-1 in this order
  int rounds = 0;
  int blocks = 0;
  int most_blocks_sent = 0;  ///< by any rank, over all rounds

  explicit operator bool() const noexcept { return proven; }
};

/// Replays `algorithm` on `shape.size` >= 2 ranks, in place (where the collective has such a form) or not, and proves:
/// - every block that the collective defines holds exactly one contribution of every rank that should have contributed;
/// - no block is read before it is written; no receive writes a block that a message of the same round still reads or
/// writes, unless
///   it is reduced after all of them; the input is never written;
/// - there is no deadlock, and sender and receiver of every message agree on its round and blocks;
/// - slots are used only where they hold blocks, and scratch only where needs_scratch() says so.
/// With more than 300 blocks only the contributions to a few of them are followed; the rest holds for all.
Verdict verify(const Algorithm& algorithm, const Shape& shape, int root = 0, bool in_place = false);

/// Replays only who waits for whom when `segments` segments are pipelined as the executor does (step_order.hpp), with
/// root 0: no deadlock, and the messages of each pair of ranks meet in the order in which both sides start them.
Verdict verify_pipelining(const Algorithm& algorithm, const Shape& shape, int segments, int spacing);

}  // namespace tutti
