// The collectives that can be measured, as a table: for each what its buffers are, how tutti and the MPI library are
// called on them, how they are filled and checked, and its factor of bus bandwidth (bench/README.md).
//
// Vocabulary: `count` is the call's count argument, the elements of one block; P the number of ranks. all_gather and
// gather give P blocks, reduce_scatter and scatter take P blocks, all_to_all takes and gives P blocks. The size of a
// row is that of the largest buffer.
#pragma once

#include <mpi.h>

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include <tutti/allreduce/allreduce.hpp>

#include "tools/perf/pattern.hpp"

namespace tutti::tools {

/// One call: its buffers and arguments. In place, one of the two buffers lies in the other as the collective wants it.
struct Call {
  const Communicator& comm;
  std::size_t count = 0;
  Buffer input;
  Buffer output;
  ReduceOp op = ReduceOp::sum;
  int root = 0;
  bool in_place = false;
  CollectiveOptions options;
};

struct MeasuredCollective {
  std::string_view name;
  bool moves_data;  ///< has buffers (barrier has none)
  bool reduces;     ///< takes an op
  bool rooted;      ///< takes a root
  bool in_place_possible;
  bool input_has_blocks;   ///< input of P blocks instead of one
  bool output_has_blocks;  ///< output of P blocks instead of one
  void (*run)(const Call&);
  void (*run_mpi)(const Call&);
  void (*check)(const Call&, const Pattern&, int iteration, std::size_t& wrong);
  double (*bus_factor)(int ranks);
};

std::span<const MeasuredCollective> all_collectives();

/// \throws InvalidArgument naming the text and the known collectives.
const MeasuredCollective& collective_from_name(std::string_view text);

/// Elements of the count argument for a row of at most `bytes`; at least one.
std::size_t count_for(const MeasuredCollective& collective, std::size_t bytes, DType dtype, int ranks);

/// The size of the row: bytes of the largest buffer.
std::size_t row_bytes(const MeasuredCollective& collective, std::size_t count, DType dtype, int ranks);

/// The two buffers inside `memory`, which has as many bytes as memory_bytes() says. Rooted movement (broadcast) has one
/// buffer and is always in place: each rank starts with its own data in it.
void place_buffers(const MeasuredCollective& collective, Call& call, std::byte* memory, DType dtype);
std::size_t memory_bytes(const MeasuredCollective& collective, std::size_t count, DType dtype, int ranks,
                         bool in_place);

/// Writes this rank's input of `iteration`, and garbage into the output where it is apart from the input.
void prepare(const MeasuredCollective& collective, const Call& call, const Pattern& pattern, int iteration);

/// Whether MPI has a collective for these arguments: no average, no bf16 or f16 arithmetic, counts that fit int.
bool mpi_can(const MeasuredCollective& collective, std::size_t count, DType dtype, ReduceOp op, int ranks);

}  // namespace tutti::tools
