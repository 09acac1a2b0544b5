// The collectives that can be measured, as a table: for each what its buffers are, how tutti and the MPI library are
// called on them, how they are filled and checked, and what must be moved at least (bench/README.md).
//
// Vocabulary: P is the number of ranks; a block is what one rank gives to or gets from another. `count` is the elements
// of a block, their mean where blocks differ, and all elements where there are no blocks. The size of a row is that of
// the largest buffer.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include <tutti/allreduce/allreduce.hpp>

#include "tools/perf/blocks.hpp"
#include "tools/perf/pattern.hpp"

namespace tutti::tools {

/// One call: its buffers and arguments. In place, one of the two buffers lies in the other as the collective wants it.
struct Call {
  const Communicator* comm = nullptr;  ///< only calling needs it
  int rank = 0;
  int ranks = 1;
  std::size_t count = 0;
  Blocks input_blocks = {};   ///< blocks of the input by the rank they go to, where the input has blocks
  Blocks output_blocks = {};  ///< blocks of the output by the rank they come from, where the output has blocks
  Buffer input = {};
  Buffer output = {};
  ReduceOp op = ReduceOp::sum;
  int root = 0;
  bool in_place = false;
  CollectiveOptions options = {};
};

/// What a buffer of a collective holds.
enum class Holds {
  nothing,
  data,       ///< `count` elements that are no block
  own_block,  ///< the block that is this rank's in the other buffer
  blocks,     ///< one block for every rank
};

/// How a collective is called, by tutti or by the MPI library.
struct Calls {
  void (*run)(const Call&);       ///< returns when it is done
  Request (*start)(const Call&);  ///< the call outlives the operation
};

struct MeasuredCollective {
  std::string_view name;
  Holds input;
  Holds output;
  bool reduces;                ///< takes an op
  bool rooted;                 ///< takes a root
  bool uneven;                 ///< blocks are uneven_blocks()
  bool in_place_possible;      ///< has a form in place
  bool out_of_place_possible;  ///< has a form with two buffers
  const Calls* tutti;
  const Calls* mpi;
  /// Elements of the output that differ from what must have come out.
  std::size_t (*count_wrong)(const Call&, const Pattern&, int iteration);
  /// Elements that the busiest link must carry, at least.
  double (*bus_elements)(const Call&);
  /// Elements that all ranks together must load and store, at least, where they share memory.
  double (*moved_elements)(const Call&);

  bool moves_data() const { return output != Holds::nothing; }
  bool has_blocks() const { return input == Holds::blocks || output == Holds::blocks; }
};

std::span<const MeasuredCollective> all_collectives();

/// \throws InvalidArgument naming the text and the known collectives.
const MeasuredCollective& collective_from_name(std::string_view text);

/// The largest count for a row of at most `bytes`, but at least one.
std::size_t count_for(const MeasuredCollective& collective, std::size_t bytes, DType dtype, int ranks);

/// Sets `call.count` and what follows from it: blocks, and the counts of the two buffers.
void set_count(const MeasuredCollective& collective, Call& call, std::size_t count, DType dtype);

/// The size of the row: bytes of the largest buffer of any rank. After set_count().
std::size_t row_bytes(const MeasuredCollective& collective, const Call& call);

/// The least bytes that the busiest link carries, over the size of the row. After set_count().
double bus_factor(const MeasuredCollective& collective, const Call& call);

/// What all ranks of a node together have to do at least, in bytes (bench/README.md). After set_count().
struct NodeWork {
  double moved = 0.0;    ///< loaded and stored
  double reduced = 0.0;  ///< of contributions that are reduced with what there is already
};
NodeWork node_work(const MeasuredCollective& collective, const Call& call);

/// The two buffers inside `memory`, which has as many bytes as memory_bytes() says. After set_count().
void place_buffers(const MeasuredCollective& collective, Call& call, std::byte* memory);
std::size_t memory_bytes(const Call& call);

/// Writes this rank's input of `iteration`, and garbage into the output where it is apart from the input.
void prepare(const MeasuredCollective& collective, const Call& call, const Pattern& pattern, int iteration);

/// Whether MPI has a collective for this call: no average, no bf16 or f16 arithmetic, counts that fit int. After
/// set_count().
bool mpi_can(const MeasuredCollective& collective, const Call& call);

}  // namespace tutti::tools
