#include "tools/perf/collective.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <string>

#include <tutti/collectives/mpi_call.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti::tools {
namespace {

std::size_t unsigned_rank(const Communicator& comm) { return static_cast<std::size_t>(comm.rank()); }

MPI_Datatype mpi_type(DType dtype) {
  switch (dtype) {
    case DType::f64:
      return MPI_DOUBLE;
    case DType::f32:
      return MPI_FLOAT;
    case DType::i64:
      return MPI_INT64_T;
    case DType::i32:
      return MPI_INT32_T;
    case DType::i16:
      return MPI_INT16_T;
    case DType::i8:
      return MPI_INT8_T;
    case DType::u64:
      return MPI_UINT64_T;
    case DType::u32:
      return MPI_UINT32_T;
    case DType::bf16:
    case DType::f16:  // as bits; mpi_can() keeps them from being added
    case DType::u16:
      return MPI_UINT16_T;
    case DType::u8:
      return MPI_UINT8_T;
  }
  return MPI_DATATYPE_NULL;
}

MPI_Op mpi_op(ReduceOp op) {
  switch (op) {
    case ReduceOp::sum:
      return MPI_SUM;
    case ReduceOp::prod:
      return MPI_PROD;
    case ReduceOp::min:
      return MPI_MIN;
    case ReduceOp::max:
      return MPI_MAX;
    case ReduceOp::bit_and:
      return MPI_BAND;
    case ReduceOp::bit_or:
      return MPI_BOR;
    case ReduceOp::bit_xor:
      return MPI_BXOR;
    case ReduceOp::logical_and:
      return MPI_LAND;
    case ReduceOp::logical_or:
      return MPI_LOR;
    case ReduceOp::avg:
      break;
  }
  return MPI_OP_NULL;
}

bool is_root(const Call& call) { return call.comm.rank() == call.root; }
int mpi_count(const Call& call) { return static_cast<int>(call.count); }

// ---- tutti's calls

void run_allreduce(const Call& c) {
  if (c.in_place) return allreduce(c.comm, c.output, c.op, c.options);
  allreduce(c.comm, ConstBuffer(c.input), c.output, c.op, c.options);
}
void run_broadcast(const Call& c) { broadcast(c.comm, c.output, c.root, c.options); }
void run_all_gather(const Call& c) { all_gather(c.comm, c.input, c.output, c.options); }
void run_reduce_scatter(const Call& c) { reduce_scatter(c.comm, c.input, c.output, c.op, c.options); }
void run_reduce(const Call& c) { reduce(c.comm, c.input, is_root(c) ? c.output : Buffer{}, c.op, c.root, c.options); }
void run_gather(const Call& c) { gather(c.comm, c.input, is_root(c) ? c.output : Buffer{}, c.root, c.options); }
void run_scatter(const Call& c) {
  scatter(c.comm, is_root(c) ? ConstBuffer(c.input) : ConstBuffer{}, c.output, c.root, c.options);
}
void run_all_to_all(const Call& c) { all_to_all(c.comm, c.input, c.output, c.options); }
void run_barrier(const Call& c) { barrier(c.comm); }

// ---- The same by the MPI library

void mpi_allreduce(const Call& c) {
  detail::check_mpi(MPI_Allreduce(c.in_place ? MPI_IN_PLACE : c.input.data, c.output.data, mpi_count(c),
                                  mpi_type(c.output.dtype), mpi_op(c.op), c.comm.mpi()),
                    "MPI_Allreduce");
}
void mpi_broadcast(const Call& c) {
  detail::check_mpi(MPI_Bcast(c.output.data, mpi_count(c), mpi_type(c.output.dtype), c.root, c.comm.mpi()),
                    "MPI_Bcast");
}
void mpi_all_gather(const Call& c) {
  MPI_Datatype type = mpi_type(c.output.dtype);
  detail::check_mpi(MPI_Allgather(c.in_place ? MPI_IN_PLACE : c.input.data, mpi_count(c), type, c.output.data,
                                  mpi_count(c), type, c.comm.mpi()),
                    "MPI_Allgather");
}
void mpi_reduce_scatter(const Call& c) {
  // In place MPI leaves the result at the start of the buffer, where it is moved from: part of the same work.
  detail::check_mpi(
      MPI_Reduce_scatter_block(c.in_place ? MPI_IN_PLACE : c.input.data, c.in_place ? c.input.data : c.output.data,
                               mpi_count(c), mpi_type(c.output.dtype), mpi_op(c.op), c.comm.mpi()),
      "MPI_Reduce_scatter_block");
  if (c.in_place && c.comm.rank() != 0) std::memcpy(c.output.data, c.input.data, c.output.size_bytes());
}
void mpi_reduce(const Call& c) {
  const bool at_root = is_root(c);
  detail::check_mpi(MPI_Reduce(c.in_place && at_root ? MPI_IN_PLACE : c.input.data, at_root ? c.output.data : nullptr,
                               mpi_count(c), mpi_type(c.output.dtype), mpi_op(c.op), c.root, c.comm.mpi()),
                    "MPI_Reduce");
}
void mpi_gather(const Call& c) {
  MPI_Datatype type = mpi_type(c.input.dtype);
  detail::check_mpi(MPI_Gather(c.in_place && is_root(c) ? MPI_IN_PLACE : c.input.data, mpi_count(c), type,
                               is_root(c) ? c.output.data : nullptr, mpi_count(c), type, c.root, c.comm.mpi()),
                    "MPI_Gather");
}
void mpi_scatter(const Call& c) {
  MPI_Datatype type = mpi_type(c.output.dtype);
  detail::check_mpi(
      MPI_Scatter(is_root(c) ? c.input.data : nullptr, mpi_count(c), type,
                  c.in_place && is_root(c) ? MPI_IN_PLACE : c.output.data, mpi_count(c), type, c.root, c.comm.mpi()),
      "MPI_Scatter");
}
void mpi_all_to_all(const Call& c) {
  MPI_Datatype type = mpi_type(c.output.dtype);
  detail::check_mpi(MPI_Alltoall(c.input.data, mpi_count(c), type, c.output.data, mpi_count(c), type, c.comm.mpi()),
                    "MPI_Alltoall");
}
void mpi_barrier(const Call& c) { detail::check_mpi(MPI_Barrier(c.comm.mpi()), "MPI_Barrier"); }

// ---- What must have come out

void check_result(const Call& c, const Pattern& p, int iteration, std::size_t& wrong) {
  wrong += p.count_wrong_result(c.output, 0, iteration);
}
void check_broadcast(const Call& c, const Pattern& p, int iteration, std::size_t& wrong) {
  wrong += p.count_wrong(c.output, c.root, 0, iteration);
}
void check_all_gather(const Call& c, const Pattern& p, int iteration, std::size_t& wrong) {
  for (int r = 0; r < c.comm.size(); ++r)
    wrong += p.count_wrong(c.output.slice(static_cast<std::size_t>(r) * c.count, c.count), r, 0, iteration);
}
void check_reduce_scatter(const Call& c, const Pattern& p, int iteration, std::size_t& wrong) {
  wrong += p.count_wrong_result(c.output, unsigned_rank(c.comm) * c.count, iteration);
}
void check_reduce(const Call& c, const Pattern& p, int iteration, std::size_t& wrong) {
  if (is_root(c)) wrong += p.count_wrong_result(c.output, 0, iteration);
}
void check_gather(const Call& c, const Pattern& p, int iteration, std::size_t& wrong) {
  if (is_root(c)) check_all_gather(c, p, iteration, wrong);
}
void check_scatter(const Call& c, const Pattern& p, int iteration, std::size_t& wrong) {
  wrong += p.count_wrong(c.output, c.root, unsigned_rank(c.comm) * c.count, iteration);
}
void check_all_to_all(const Call& c, const Pattern& p, int iteration, std::size_t& wrong) {
  for (int r = 0; r < c.comm.size(); ++r)
    wrong += p.count_wrong(c.output.slice(static_cast<std::size_t>(r) * c.count, c.count), r,
                           unsigned_rank(c.comm) * c.count, iteration);
}
void check_nothing(const Call& /*c*/, const Pattern& /*p*/, int /*iteration*/, std::size_t& /*wrong*/) {}

// ---- Bus bandwidth over algorithm bandwidth

double whole(int /*ranks*/) { return 1.0; }
double all_but_own(int ranks) { return static_cast<double>(ranks - 1) / ranks; }
double there_and_back(int ranks) { return 2.0 * all_but_own(ranks); }

// name, moves data, reduces, rooted, in place, input and output of P blocks
constexpr std::array kCollectives = {
    MeasuredCollective{"allreduce", true, true, false, true, false, false, run_allreduce, mpi_allreduce, check_result,
                       there_and_back},
    MeasuredCollective{"broadcast", true, false, true, true, false, false, run_broadcast, mpi_broadcast,
                       check_broadcast, whole},
    MeasuredCollective{"all_gather", true, false, false, true, false, true, run_all_gather, mpi_all_gather,
                       check_all_gather, all_but_own},
    MeasuredCollective{"reduce_scatter", true, true, false, true, true, false, run_reduce_scatter, mpi_reduce_scatter,
                       check_reduce_scatter, all_but_own},
    MeasuredCollective{"reduce", true, true, true, true, false, false, run_reduce, mpi_reduce, check_reduce, whole},
    MeasuredCollective{"gather", true, false, true, true, false, true, run_gather, mpi_gather, check_gather,
                       all_but_own},
    MeasuredCollective{"scatter", true, false, true, true, true, false, run_scatter, mpi_scatter, check_scatter,
                       all_but_own},
    MeasuredCollective{"all_to_all", true, false, false, false, true, true, run_all_to_all, mpi_all_to_all,
                       check_all_to_all, all_but_own},
    MeasuredCollective{"barrier", false, false, false, false, false, false, run_barrier, mpi_barrier, check_nothing,
                       whole},
};

std::size_t blocks(bool has_blocks, int ranks) { return has_blocks ? static_cast<std::size_t>(ranks) : 1; }

std::size_t blocks_per_row(const MeasuredCollective& collective, int ranks) {
  return blocks(collective.input_has_blocks || collective.output_has_blocks, ranks);
}

/// Both buffers start on a cache line.
std::size_t aligned(std::size_t bytes) { return (bytes + 63) / 64 * 64; }

}  // namespace

std::span<const MeasuredCollective> all_collectives() { return kCollectives; }

const MeasuredCollective& collective_from_name(std::string_view text) {
  std::string known;
  for (const auto& collective : kCollectives) {
    if (collective.name == text) return collective;
    known += known.empty() ? "" : ", ";
    known += collective.name;
  }
  throw InvalidArgument(tutti::text("perf: unknown collective '", text, "'; known: ", known));
}

std::size_t count_for(const MeasuredCollective& collective, std::size_t bytes, DType dtype, int ranks) {
  if (!collective.moves_data) return 0;
  return std::max<std::size_t>(1, bytes / (size_of(dtype) * blocks_per_row(collective, ranks)));
}

std::size_t row_bytes(const MeasuredCollective& collective, std::size_t count, DType dtype, int ranks) {
  return count * size_of(dtype) * blocks_per_row(collective, ranks);
}

std::size_t memory_bytes(const MeasuredCollective& collective, std::size_t count, DType dtype, int ranks,
                         bool in_place) {
  const std::size_t block = count * size_of(dtype);
  const std::size_t input = aligned(block * blocks(collective.input_has_blocks, ranks));
  const std::size_t output = aligned(block * blocks(collective.output_has_blocks, ranks));
  return in_place ? std::max(input, output) : input + output;
}

void place_buffers(const MeasuredCollective& collective, Call& call, std::byte* memory, DType dtype) {
  const int ranks = call.comm.size();
  const std::size_t own_block = unsigned_rank(call.comm) * call.count * size_of(dtype);
  call.input = Buffer(memory, call.count * blocks(collective.input_has_blocks, ranks), dtype);
  call.output = Buffer(memory, call.count * blocks(collective.output_has_blocks, ranks), dtype);
  if (!call.in_place) {
    call.output.data = memory + aligned(call.input.size_bytes());
  } else if (collective.output_has_blocks) {
    call.input.data = memory + own_block;
  } else if (collective.input_has_blocks) {
    call.output.data = memory + own_block;
  }
}

void prepare(const MeasuredCollective& collective, const Call& call, const Pattern& pattern, int iteration) {
  if (!collective.moves_data) return;
  constexpr int kGarbage = 0xA5;
  std::memset(call.output.data, kGarbage, call.output.size_bytes());
  pattern.fill(call.input, call.comm.rank(), 0, iteration);
}

bool mpi_can(const MeasuredCollective& collective, std::size_t count, DType dtype, ReduceOp op, int ranks) {
  const bool half_float = dtype == DType::bf16 || dtype == DType::f16;
  if (collective.reduces && (op == ReduceOp::avg || half_float)) return false;
  return count * blocks_per_row(collective, ranks) <= static_cast<std::size_t>(std::numeric_limits<int>::max());
}

}  // namespace tutti::tools
