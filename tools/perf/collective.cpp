#include "tools/perf/collective.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <string>

#include <tutti/collectives/inspect/selection.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/names.hpp>
#include <tutti/kernels/text.hpp>

#include "tools/perf/calls.hpp"

namespace tutti::tools {
namespace {

std::size_t own(const Call& c) { return static_cast<std::size_t>(c.rank); }
bool is_root(const Call& c) { return c.rank == c.root; }

// ---- What must have come out

std::size_t wrong_result(const Call& c, const Pattern& p, int iteration) {
  return p.count_wrong_result(c.output, 0, iteration);
}
std::size_t wrong_result_at_root(const Call& c, const Pattern& p, int iteration) {
  return is_root(c) ? wrong_result(c, p, iteration) : 0;
}
std::size_t wrong_copy_of_root(const Call& c, const Pattern& p, int iteration) {
  return p.count_wrong(c.output, c.root, 0, iteration);
}
std::size_t wrong_gathered(const Call& c, const Pattern& p, int iteration) {
  std::size_t wrong = 0;
  for (int r = 0; r < c.ranks; ++r) {
    const auto block = static_cast<std::size_t>(r);
    wrong +=
        p.count_wrong(c.output.slice(c.output_blocks.starts[block], c.output_blocks.counts[block]), r, 0, iteration);
  }
  return wrong;
}
std::size_t wrong_gathered_at_root(const Call& c, const Pattern& p, int iteration) {
  return is_root(c) ? wrong_gathered(c, p, iteration) : 0;
}
std::size_t wrong_block_of_result(const Call& c, const Pattern& p, int iteration) {
  return p.count_wrong_result(c.output, c.input_blocks.starts[own(c)], iteration);
}
std::size_t wrong_block_of_root(const Call& c, const Pattern& p, int iteration) {
  return p.count_wrong(c.output, c.root, c.input_blocks.starts[own(c)], iteration);
}
/// Block r of the output is the block of this rank in the input of rank r, where it starts as `starts_at(r)` says.
template <class StartsAt>
std::size_t wrong_exchanged(const Call& c, const Pattern& p, int iteration, StartsAt starts_at) {
  std::size_t wrong = 0;
  for (int r = 0; r < c.ranks; ++r) {
    const auto block = static_cast<std::size_t>(r);
    wrong += p.count_wrong(c.output.slice(c.output_blocks.starts[block], c.output_blocks.counts[block]), r,
                           starts_at(r), iteration);
  }
  return wrong;
}
std::size_t wrong_all_to_all(const Call& c, const Pattern& p, int iteration) {
  return wrong_exchanged(c, p, iteration, [&](int) { return own(c) * c.count; });
}
std::size_t wrong_all_to_all_v(const Call& c, const Pattern& p, int iteration) {
  return wrong_exchanged(c, p, iteration, [&](int r) { return uneven_blocks(c.count, c.ranks, r).starts[own(c)]; });
}
std::size_t nothing_wrong(const Call& /*c*/, const Pattern& /*p*/, int /*iteration*/) { return 0; }

// ---- What the busiest link carries, see bench/README.md

double real(std::size_t elements) { return static_cast<double>(elements); }

double all_twice_but_own(const Call& c) { return 2.0 * real(c.count) * (c.ranks - 1) / c.ranks; }
double all(const Call& c) { return real(c.count); }
double all_but_smallest(const Call& c) {
  const Blocks& blocks = c.output_blocks.total > 0 ? c.output_blocks : c.input_blocks;
  return real(blocks.total - blocks.smallest());
}
double all_but_own(const Call& c) { return real(c.input_blocks.total - c.input_blocks.counts[own(c)]); }
double all_but_roots(const Call& c) {
  const Blocks& blocks = c.output_blocks.total > 0 ? c.output_blocks : c.input_blocks;
  return real(blocks.total - blocks.counts[static_cast<std::size_t>(c.root)]);
}
double none(const Call& /*c*/) { return 0.0; }

// ---- What the ranks of a node must load and store, see bench/README.md

double largest(const Call& c) {
  const std::size_t blocks = std::max(c.input_blocks.total, c.output_blocks.total);
  return real(blocks > 0 ? blocks : c.count);
}
double all_in_all_out(const Call& c) { return 2.0 * c.ranks * largest(c); }
double all_in_one_out(const Call& c) { return (c.ranks + 1.0) * largest(c); }
double one_in_all_out(const Call& c) { return (c.ranks + (c.in_place ? 0.0 : 1.0)) * largest(c); }
double one_in_others_out(const Call& c) { return c.ranks * largest(c); }
double one_in_one_out(const Call& c) { return 2.0 * (c.in_place ? all_but_roots(c) : largest(c)); }

// ---- The table

constexpr bool kReduces = true;
constexpr bool kRooted = true;
constexpr bool kUneven = true;
constexpr bool kInPlace = true;
constexpr bool kApart = true;

using enum Holds;

// name, input, output, reduces, rooted, uneven, in place, out of place, calls, check, bus, moved
constexpr std::array kCollectives = {
    MeasuredCollective{"allreduce", data, data, kReduces, !kRooted, !kUneven, kInPlace, kApart, &tutti_calls::allreduce,
                       &mpi_calls::allreduce, wrong_result, all_twice_but_own, all_in_all_out},
    MeasuredCollective{"broadcast", data, data, !kReduces, kRooted, !kUneven, kInPlace, !kApart,
                       &tutti_calls::broadcast, &mpi_calls::broadcast, wrong_copy_of_root, all, one_in_others_out},
    MeasuredCollective{"reduce", data, data, kReduces, kRooted, !kUneven, kInPlace, kApart, &tutti_calls::reduce,
                       &mpi_calls::reduce, wrong_result_at_root, all, all_in_one_out},
    MeasuredCollective{"all_gather", own_block, blocks, !kReduces, !kRooted, !kUneven, kInPlace, kApart,
                       &tutti_calls::all_gather, &mpi_calls::all_gather, wrong_gathered, all_but_smallest,
                       one_in_all_out},
    MeasuredCollective{"reduce_scatter", blocks, own_block, kReduces, !kRooted, !kUneven, kInPlace, kApart,
                       &tutti_calls::reduce_scatter, &mpi_calls::reduce_scatter, wrong_block_of_result,
                       all_but_smallest, all_in_one_out},
    MeasuredCollective{"gather", own_block, blocks, !kReduces, kRooted, !kUneven, kInPlace, kApart,
                       &tutti_calls::gather, &mpi_calls::gather, wrong_gathered_at_root, all_but_roots, one_in_one_out},
    MeasuredCollective{"scatter", blocks, own_block, !kReduces, kRooted, !kUneven, kInPlace, kApart,
                       &tutti_calls::scatter, &mpi_calls::scatter, wrong_block_of_root, all_but_roots, one_in_one_out},
    MeasuredCollective{"all_to_all", blocks, blocks, !kReduces, !kRooted, !kUneven, !kInPlace, kApart,
                       &tutti_calls::all_to_all, &mpi_calls::all_to_all, wrong_all_to_all, all_but_own, all_in_all_out},
    MeasuredCollective{"all_gather_v", own_block, blocks, !kReduces, !kRooted, kUneven, kInPlace, kApart,
                       &tutti_calls::all_gather_v, &mpi_calls::all_gather_v, wrong_gathered, all_but_smallest,
                       one_in_all_out},
    MeasuredCollective{"reduce_scatter_v", blocks, own_block, kReduces, !kRooted, kUneven, kInPlace, kApart,
                       &tutti_calls::reduce_scatter_v, &mpi_calls::reduce_scatter_v, wrong_block_of_result,
                       all_but_smallest, all_in_one_out},
    MeasuredCollective{"gather_v", own_block, blocks, !kReduces, kRooted, kUneven, kInPlace, kApart,
                       &tutti_calls::gather_v, &mpi_calls::gather_v, wrong_gathered_at_root, all_but_roots,
                       one_in_one_out},
    MeasuredCollective{"scatter_v", blocks, own_block, !kReduces, kRooted, kUneven, kInPlace, kApart,
                       &tutti_calls::scatter_v, &mpi_calls::scatter_v, wrong_block_of_root, all_but_roots,
                       one_in_one_out},
    MeasuredCollective{"all_to_all_v", blocks, blocks, !kReduces, !kRooted, kUneven, !kInPlace, kApart,
                       &tutti_calls::all_to_all_v, &mpi_calls::all_to_all_v, wrong_all_to_all_v, all_but_own,
                       all_in_all_out},
    MeasuredCollective{"barrier", nothing, nothing, !kReduces, !kRooted, !kUneven, !kInPlace, kApart,
                       &tutti_calls::barrier, &mpi_calls::barrier, nothing_wrong, none, none},
};

/// Both buffers start on a cache line.
std::size_t aligned(std::size_t bytes) { return (bytes + 63) / 64 * 64; }

std::size_t buffer_count(Holds what, std::size_t count, const Blocks& own, const Blocks& others, std::size_t rank) {
  switch (what) {
    case nothing:
      break;
    case data:
      return count;
    case own_block:
      return others.counts[rank];
    case blocks:
      return own.total;
  }
  return 0;
}
}  // namespace

std::span<const MeasuredCollective> all_collectives() { return kCollectives; }

const MeasuredCollective& collective_from_name(std::string_view text) {
  const std::string wanted = spelled_collective(text);
  for (const auto& collective : kCollectives) {
    if (collective.name == wanted) return collective;
  }
  throw InvalidArgument(
      tutti::text("perf: ", unknown_name("collective", text, names_of(kCollectives, &MeasuredCollective::name))));
}

std::size_t count_for(const MeasuredCollective& collective, std::size_t bytes, DType dtype, int ranks) {
  if (!collective.moves_data()) return 0;
  const std::size_t blocks_in_row = collective.has_blocks() ? static_cast<std::size_t>(ranks) : 1;
  return std::max<std::size_t>(1, bytes / (size_of(dtype) * blocks_in_row));
}

void set_count(const MeasuredCollective& collective, Call& call, std::size_t count, DType dtype) {
  const bool exchange = collective.input == blocks && collective.output == blocks;
  call.count = count;
  call.input_blocks = {};
  call.output_blocks = {};
  if (collective.input == blocks)
    call.input_blocks =
        collective.uneven ? uneven_blocks(count, call.ranks, exchange ? call.rank : 0) : even_blocks(count, call.ranks);
  if (collective.output == blocks) {
    call.output_blocks = !collective.uneven ? even_blocks(count, call.ranks)
                         : exchange         ? uneven_blocks_for(count, call.ranks, call.rank)
                                            : uneven_blocks(count, call.ranks);
  }
  const std::size_t me = own(call);
  call.input = Buffer(nullptr, buffer_count(collective.input, count, call.input_blocks, call.output_blocks, me), dtype);
  call.output =
      Buffer(nullptr, buffer_count(collective.output, count, call.output_blocks, call.input_blocks, me), dtype);
}

std::size_t row_bytes(const MeasuredCollective& collective, const Call& call) {
  const std::size_t elements =
      collective.has_blocks() ? std::max(call.input_blocks.total, call.output_blocks.total) : call.count;
  return elements * size_of(call.output.dtype);
}

double bus_factor(const MeasuredCollective& collective, const Call& call) {
  const std::size_t bytes = row_bytes(collective, call);
  if (bytes == 0) return 0.0;
  return collective.bus_elements(call) * real(size_of(call.output.dtype)) / real(bytes);
}

NodeWork node_work(const MeasuredCollective& collective, const Call& call) {
  const double element = real(size_of(call.output.dtype));
  return {.moved = collective.moved_elements(call) * element,
          .reduced = collective.reduces ? (call.ranks - 1) * largest(call) * element : 0.0};
}

std::size_t memory_bytes(const Call& call) {
  const std::size_t input = aligned(call.input.size_bytes());
  const std::size_t output = aligned(call.output.size_bytes());
  return call.in_place ? std::max(input, output) : input + output;
}

void place_buffers(const MeasuredCollective& collective, Call& call, std::byte* memory) {
  const std::size_t me = own(call);
  const std::size_t element = size_of(call.output.dtype);
  call.input.data = memory;
  call.output.data = memory;
  if (!call.in_place) {
    call.output.data = memory + aligned(call.input.size_bytes());
  } else if (collective.output == blocks) {
    call.input.data = memory + call.output_blocks.starts[me] * element;
  } else if (collective.input == blocks) {
    call.output.data = memory + call.input_blocks.starts[me] * element;
  }
}

void prepare(const MeasuredCollective& collective, const Call& call, const Pattern& pattern, int iteration) {
  if (!collective.moves_data()) return;
  constexpr int kGarbage = 0xA5;
  std::memset(call.output.data, kGarbage, call.output.size_bytes());
  pattern.fill(call.input, call.rank, 0, iteration);
}

bool mpi_can(const MeasuredCollective& collective, const Call& call) {
  const DType dtype = call.output.dtype;
  const bool half_float = dtype == DType::bf16 || dtype == DType::f16;
  if (collective.reduces && (call.op == ReduceOp::avg || half_float)) return false;
  return row_bytes(collective, call) / size_of(dtype) <= static_cast<std::size_t>(std::numeric_limits<int>::max());
}

}  // namespace tutti::tools
