// Collective algorithms as data: what a schedule is made of.
//
// A schedule is a pure function from (rank, size, root, radix, torus) to rounds. In a round a rank sends at most one
// message to each peer and receives at most one from each; a message carries one range of blocks or two. A schedule
// knows no MPI, no bytes and no memory. Everything that runs, proves or prices a schedule is written once:
// schedule_task.hpp runs it, verifier.hpp proves it.
//
// Vocabulary: the data of a collective are cut into `blocks`; a `slot` is a named place that holds blocks; a `segment`
// is a slice of the data that goes through the whole schedule by itself, so that several can be under way
// (schedule_task.hpp).
#pragma once

#include <tutti/kernels/cpp20.hpp>

#include <cstdint>
#include <string_view>
#include <vector>

#include <tutti/collectives/network.hpp>

namespace tutti {

/// The numeric values travel in signatures: append, never reorder.
enum class Collective : std::uint8_t {
  allreduce,
  broadcast,
  all_gather,
  reduce_scatter,
  reduce,
  all_to_all,
  barrier,
  gather,
  scatter
};

inline constexpr Collective kAllCollectives[] = {
    Collective::allreduce,      Collective::broadcast, Collective::all_gather,
    Collective::reduce_scatter, Collective::reduce,    Collective::all_to_all,
    Collective::barrier,        Collective::gather,    Collective::scatter};

/// "allreduce", "all_gather", ...
std::string_view name(Collective collective) noexcept;

constexpr bool is_rooted(Collective collective) noexcept {
  return collective == Collective::broadcast || collective == Collective::reduce || collective == Collective::gather ||
         collective == Collective::scatter;
}

/// Whether the collective reduces contributions.
constexpr bool reduces(Collective collective) noexcept {
  return collective == Collective::allreduce || collective == Collective::reduce ||
         collective == Collective::reduce_scatter;
}

/// Whether the input of a rank holds only block `rank`, and its output.
constexpr bool has_own_input(Collective collective) noexcept {
  return collective == Collective::all_gather || collective == Collective::gather;
}
constexpr bool has_own_output(Collective collective) noexcept {
  return collective == Collective::reduce_scatter || collective == Collective::scatter;
}

/// Whether block b of a collective is tied to rank b, or is any piece of the data.
constexpr bool has_bound_blocks(Collective collective) noexcept {
  return has_own_input(collective) || has_own_output(collective) || collective == Collective::all_to_all;
}

/// Where blocks are held. All slots hold all blocks, but for has_own_input() and has_own_output(). A broadcast has only
/// an output; the output of reduce and gather and the input of scatter are the root's alone. Input and output may be
/// the same memory (in place).
enum class Slot : std::uint8_t { input, output, scratch };

/// Blocks [first, first + count).
struct BlockRange {
  int first = 0;
  int count = 0;
  friend bool operator==(const BlockRange&, const BlockRange&) = default;
};

/// The blocks of a message in the order in which they travel: one range, or two where a range wraps around the end.
class Blocks {
 public:
  constexpr Blocks(BlockRange one) noexcept : ranges_{one, {}} {}  // NOLINT(google-explicit-constructor): is one
  constexpr Blocks(int first, int count) noexcept : ranges_{{first, count}, {}} {}
  constexpr Blocks(BlockRange one, BlockRange two) noexcept : ranges_{one, two} {}

  constexpr const BlockRange* begin() const noexcept { return ranges_; }
  constexpr const BlockRange* end() const noexcept { return ranges_ + (ranges_[1].count > 0 ? 2 : 1); }
  constexpr int count() const noexcept { return ranges_[0].count + ranges_[1].count; }

  /// Whether the ranges have the same lengths: a message is sent and received in ranges of the same lengths.
  constexpr bool is_cut_like(const Blocks& other) const noexcept {
    return ranges_[0].count == other.ranges_[0].count && ranges_[1].count == other.ranges_[1].count;
  }
  friend bool operator==(const Blocks&, const Blocks&) = default;

 private:
  BlockRange ranges_[2];
};

struct Send {
  int peer;
  Slot from;
  Blocks blocks;
};

/// What becomes of received blocks.
enum class Reduction : std::uint8_t {
  copy,            ///< to = incoming
  incoming_left,   ///< to = incoming op with
  incoming_right,  ///< to = with op incoming
};

struct Receive {
  int peer;
  Slot to;
  Blocks blocks;
  Reduction reduction = Reduction::copy;
  Slot with = Slot::output;  ///< the local operand, unless copied
};

/// Whether two receives that follow each other are reduced in one pass.
constexpr bool reduced_together(const Receive& a, const Receive& b) noexcept {
  return a.reduction != Reduction::copy && b.reduction != Reduction::copy && a.to == b.to && a.with == b.with &&
         a.blocks == b.blocks;
}

/// A local copy, done before the messages of its round are started, in the order of `copies`; nothing if both places
/// are the same memory. Block b goes to place b + shift.
struct Copy {
  Slot from;
  Slot to;
  BlockRange blocks;
  int shift = 0;
};

/// What one rank does in one round. Its messages are under way together; received blocks are reduced, in the order of
/// `receives`, once all of them have come and gone, so a reduced block may be one that the same round sends.
///
/// Receives in succession with the same `to`, `with` and `blocks` are reduced in one pass, from left to right: the
/// incoming_left ones in their order, the local operand, the incoming_right ones in theirs. So ranks that exchange the
/// same contributions compute the same bits wherever the own one stands.
struct Round {
  std::vector<Copy> copies;
  std::vector<Send> sends;
  std::vector<Receive> receives;

  void clear() noexcept {
    copies.clear();
    sends.clear();
    receives.clear();
  }
  bool empty() const noexcept { return copies.empty() && sends.empty() && receives.empty(); }
};

/// The number of ranks, how many ways a tree or exchange branches in a round, for algorithms that have a radix, and the
/// torus that ranks are laid out on, for algorithms that are: of `size` nodes, or none.
struct Shape {
  int size = 1;
  int radix = 2;
  Torus torus = {};
};

/// Whose rounds are asked for.
struct Position {
  int rank = 0;
  int size = 1;
  int root = 0;
  int radix = 2;
  Torus torus = {};

  constexpr Shape shape() const noexcept { return {size, radix, torus}; }
};

constexpr Position position_of(int rank, const Shape& shape, int root = 0) noexcept {
  return {rank, shape.size, root, shape.radix, shape.torus};
}

/// Whether and how far an algorithm's rounds can be widened by a radix, which is at least 2.
enum class Radix : std::uint8_t {
  none,     ///< the radix is ignored
  per_rank  ///< up to the number of ranks
};

/// How many segments an algorithm wants under way at once.
enum class Pipelining : std::uint8_t {
  few,        ///< a rank is busy in every round: a few segments, so that one is reduced while others travel
  each_round  ///< a rank is busy in a few rounds: a segment enters in every round
};

namespace detail {
struct StagedAlgorithm;
}

/// One row of the table of algorithms. `blocks`, `rounds` and `round` are asked for size >= 2 and 2 <= radix only:
/// alone, a collective is a copy. Rows that are `staged` have none of them.
struct Algorithm {
  std::string_view name;
  Collective collective;
  Radix radix = Radix::none;
  bool single_block;             ///< no message covers more than one block
  bool moves_blocks = false;     ///< blocks are held elsewhere than at their own places, so all must have the same size
  bool canonical_order = false;  ///< every result reduces ranks 0, 1, ..., P-1 in this order
  bool order_from_root = false;  ///< only with root 0: otherwise the order begins with the root
  bool reduces_at_once = false;  ///< with a radix of P, every result reduces all ranks in one pass, by rank
  Pipelining pipelining = Pipelining::few;
  int alternating_parts = 1;  ///< parts of the data that take rounds in turn and do not wait for each other

  int (*blocks)(const Shape& shape) noexcept;
  int (*rounds)(const Shape& shape) noexcept;  ///< the same on every rank; a rank may be idle in some

  /// Appends what `position.rank` does in round `index`, 0 <= index < rounds(shape), to an empty `round`.
  void (*round)(const Position& position, int index, Round& round);

  /// Whether the rank needs the scratch slot, as large as all blocks together.
  bool (*needs_scratch)(const Position& position) noexcept;

  /// Whether it may be chosen where none is named; null: always.
  bool (*is_eligible)(const Shape& shape) noexcept = nullptr;

  /// Of a row made of collectives of parts of the ranks, instead of rounds: these (selection/staged_algorithm.hpp).
  const detail::StagedAlgorithm* staged = nullptr;
};

inline bool no_scratch(const Position&) noexcept { return false; }
inline bool scratch_everywhere(const Position&) noexcept { return true; }
inline int one_block(const Shape&) noexcept { return 1; }
inline int two_blocks(const Shape&) noexcept { return 2; }
inline int block_per_rank(const Shape& shape) noexcept { return shape.size; }

/// `i` modulo `n`, for -n <= i < 2n.
constexpr int wrap(int i, int n) noexcept { return i < 0 ? i + n : i >= n ? i - n : i; }

/// Blocks first, first + 1, ... modulo `size`; 0 <= first < size, count <= size.
constexpr Blocks cyclic(int first, int count, int size) noexcept {
  const int before_end = count < size - first ? count : size - first;
  return {{first, before_end}, {0, count - before_end}};
}

}  // namespace tutti
