// Collective algorithms as data: what a schedule is made of.
//
// A schedule is a pure function from (rank, size, root) to rounds. In a round a rank sends at most one message to each
// peer and receives at most one from each; a message carries a contiguous range of blocks. A schedule knows no MPI, no
// bytes and no memory. Everything that runs, proves or prices a schedule is written once: executor.hpp runs it,
// verifier.hpp proves it.
//
// Vocabulary: the data of a collective are cut into `blocks`; a `slot` is a named place that holds blocks; a `segment`
// is a slice of the data that goes through the whole schedule by itself, so that several can be under way
// (executor.hpp).
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace tutti {

enum class Collective : std::uint8_t { allreduce, broadcast, all_gather, reduce_scatter, reduce, all_to_all, barrier };

/// "allreduce", "all_gather", ...
std::string_view name(Collective collective) noexcept;

/// Whether block b of a collective is tied to rank b (all_gather, reduce_scatter, all_to_all), or is any piece of the
/// data.
constexpr bool has_bound_blocks(Collective collective) noexcept {
  return collective == Collective::all_gather || collective == Collective::reduce_scatter ||
         collective == Collective::all_to_all;
}

/// Where blocks are held. In all_gather the input holds only block `rank`, in reduce_scatter the output does; every
/// other slot holds all blocks. Input and output may be the same memory (in place). A broadcast has only an output.
enum class Slot : std::uint8_t { input, output, scratch };

/// Blocks [first, first + count).
struct BlockRange {
  int first = 0;
  int count = 0;
  friend bool operator==(const BlockRange&, const BlockRange&) = default;
};

struct Send {
  int peer;
  Slot from;
  BlockRange blocks;
};

/// What becomes of received blocks.
enum class Combine : std::uint8_t {
  copy,            ///< to = incoming
  incoming_left,   ///< to = incoming op with
  incoming_right,  ///< to = with op incoming
};

struct Receive {
  int peer;
  Slot to;
  BlockRange blocks;
  Combine combine = Combine::copy;
  Slot with = Slot::output;  ///< the local operand, unless copied
};

/// A local copy, done before the messages of its round are started; nothing if both slots are the same memory.
struct Copy {
  Slot from;
  Slot to;
  BlockRange blocks;
};

/// What one rank does in one round. Its messages are under way together; received blocks are combined, in the order of
/// `receives`, once all of them have come and gone, so a combined block may be one that the same round sends.
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

/// Whose rounds are asked for.
struct Position {
  int rank = 0;
  int size = 1;
  int root = 0;
};

/// One row of the table of algorithms. `blocks`, `rounds` and `round` are asked for size >= 2 only: alone, a collective
/// is a copy.
struct Algorithm {
  std::string_view name;
  Collective collective;
  bool single_block;  ///< no message covers more than one block

  int (*blocks)(int size) noexcept;
  int (*rounds)(int size) noexcept;  ///< the same on every rank; a rank may be idle in some

  /// Appends what `position.rank` does in round `index`, 0 <= index < rounds(size), to an empty `round`.
  void (*round)(const Position& position, int index, Round& round);

  /// Whether the rank needs the scratch slot, as large as all blocks together.
  bool (*needs_scratch)(const Position& position) noexcept;
};

inline bool no_scratch(const Position&) noexcept { return false; }
inline int one_block(int) noexcept { return 1; }
inline int block_per_rank(int size) noexcept { return size; }

/// `i` modulo `n`, for -n <= i < 2n.
constexpr int wrap(int i, int n) noexcept { return i < 0 ? i + n : i >= n ? i - n : i; }

}  // namespace tutti
