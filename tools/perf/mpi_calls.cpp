#include <mpi.h>

#include <cstring>
#include <memory>
#include <tuple>

#include <tutti/collectives/inspect/mpi.hpp>

#include "tools/perf/calls.hpp"

namespace tutti::tools::mpi_calls {
namespace {

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

// ---- Arguments as MPI wants them

bool is_root(const Call& c) { return c.rank == c.root; }
int count(const Call& c) { return static_cast<int>(c.count); }
MPI_Datatype type(const Call& c) { return mpi_type(c.output.dtype); }

const void* input(const Call& c) { return c.in_place ? MPI_IN_PLACE : c.input.data; }
const void* input_unless_root(const Call& c) { return c.in_place && is_root(c) ? MPI_IN_PLACE : c.input.data; }
const void* input_at_root(const Call& c) { return is_root(c) ? c.input.data : nullptr; }
void* output_at_root(const Call& c) { return is_root(c) ? c.output.data : nullptr; }
void* output_unless_root(const Call& c) { return c.in_place && is_root(c) ? MPI_IN_PLACE : c.output.data; }

/// Where reduce_scatter leaves its result, and moving it to where it belongs.
void* scattered(const Call& c) { return c.in_place ? c.input.data : c.output.data; }
void move_scattered(const Call& c) {
  if (scattered(c) != c.output.data) std::memmove(c.output.data, c.input.data, c.output.size_bytes());
}

int input_count(const Call& c) { return static_cast<int>(c.input.count); }
int output_count(const Call& c) { return static_cast<int>(c.output.count); }
const int* counts(const Blocks& blocks) { return blocks.mpi_counts.data(); }
const int* starts(const Blocks& blocks) { return blocks.mpi_starts.data(); }

// ---- Started calls as operations

class RequestTask : public detail::Task {
 public:
  RequestTask(MPI_Request request, const Call& call, void (*finish)(const Call&))
      : request_(request), call_(call), finish_(finish) {}

  Progress advance() override { return poll() ? Progress::complete : Progress::none; }
  bool poll() override {
    int done = 0;
    detail::check_mpi(MPI_Test(&request_, &done, MPI_STATUS_IGNORE), "MPI_Test");
    if (done != 0) finish_(call_);
    return done != 0;
  }
  void wait() override {
    detail::check_mpi(MPI_Wait(&request_, MPI_STATUS_IGNORE), "MPI_Wait");
    finish_(call_);
  }

 private:
  MPI_Request request_;
  const Call& call_;
  void (*finish_)(const Call&);
};

void nothing_more(const Call& /*c*/) {}

/// The call at once and the call started, which takes the same arguments and a request. `kArguments` makes a tuple of
/// them; `kFinish` is done after either.
template <auto kAtOnce, auto kStarted, auto kArguments, auto kFinish = nothing_more>
constexpr Calls calls() {
  return {.run =
              [](const Call& c) {
                detail::check_mpi(std::apply(kAtOnce, kArguments(c)), "a collective of the MPI library");
                kFinish(c);
              },
          .start =
              [](const Call& c) {
                MPI_Request request = MPI_REQUEST_NULL;
                detail::check_mpi(std::apply(kStarted, std::tuple_cat(kArguments(c), std::tuple(&request))),
                                  "a non-blocking collective of the MPI library");
                return Request(std::make_unique<RequestTask>(request, c, kFinish));
              }};
}

}  // namespace

const Calls allreduce = calls<MPI_Allreduce, MPI_Iallreduce, [](const Call& c) {
  return std::tuple(input(c), c.output.data, count(c), type(c), mpi_op(c.op), c.comm->mpi());
}>();

const Calls broadcast = calls<MPI_Bcast, MPI_Ibcast, [](const Call& c) {
  return std::tuple(c.output.data, count(c), type(c), c.root, c.comm->mpi());
}>();

const Calls all_gather = calls<MPI_Allgather, MPI_Iallgather, [](const Call& c) {
  return std::tuple(input(c), count(c), type(c), c.output.data, count(c), type(c), c.comm->mpi());
}>();

const Calls reduce_scatter =
    calls<MPI_Reduce_scatter_block, MPI_Ireduce_scatter_block,
          [](const Call& c) {
            return std::tuple(input(c), scattered(c), count(c), type(c), mpi_op(c.op), c.comm->mpi());
          },
          move_scattered>();

const Calls reduce = calls<MPI_Reduce, MPI_Ireduce, [](const Call& c) {
  return std::tuple(input_unless_root(c), output_at_root(c), count(c), type(c), mpi_op(c.op), c.root, c.comm->mpi());
}>();

const Calls gather = calls<MPI_Gather, MPI_Igather, [](const Call& c) {
  return std::tuple(input_unless_root(c), count(c), type(c), output_at_root(c), count(c), type(c), c.root,
                    c.comm->mpi());
}>();

const Calls scatter = calls<MPI_Scatter, MPI_Iscatter, [](const Call& c) {
  return std::tuple(input_at_root(c), count(c), type(c), output_unless_root(c), count(c), type(c), c.root,
                    c.comm->mpi());
}>();

const Calls all_to_all = calls<MPI_Alltoall, MPI_Ialltoall, [](const Call& c) {
  return std::tuple(c.input.data, count(c), type(c), c.output.data, count(c), type(c), c.comm->mpi());
}>();

const Calls barrier = calls<MPI_Barrier, MPI_Ibarrier, [](const Call& c) { return std::tuple(c.comm->mpi()); }>();

const Calls all_gather_v = calls<MPI_Allgatherv, MPI_Iallgatherv, [](const Call& c) {
  return std::tuple(input(c), input_count(c), type(c), c.output.data, counts(c.output_blocks), starts(c.output_blocks),
                    type(c), c.comm->mpi());
}>();

const Calls reduce_scatter_v =
    calls<MPI_Reduce_scatter, MPI_Ireduce_scatter,
          [](const Call& c) {
            return std::tuple(input(c), scattered(c), counts(c.input_blocks), type(c), mpi_op(c.op), c.comm->mpi());
          },
          move_scattered>();

const Calls gather_v = calls<MPI_Gatherv, MPI_Igatherv, [](const Call& c) {
  return std::tuple(input_unless_root(c), input_count(c), type(c), output_at_root(c), counts(c.output_blocks),
                    starts(c.output_blocks), type(c), c.root, c.comm->mpi());
}>();

const Calls scatter_v = calls<MPI_Scatterv, MPI_Iscatterv, [](const Call& c) {
  return std::tuple(input_at_root(c), counts(c.input_blocks), starts(c.input_blocks), type(c), output_unless_root(c),
                    output_count(c), type(c), c.root, c.comm->mpi());
}>();

const Calls all_to_all_v = calls<MPI_Alltoallv, MPI_Ialltoallv, [](const Call& c) {
  return std::tuple(c.input.data, counts(c.input_blocks), starts(c.input_blocks), type(c), c.output.data,
                    counts(c.output_blocks), starts(c.output_blocks), type(c), c.comm->mpi());
}>();

}  // namespace tutti::tools::mpi_calls
