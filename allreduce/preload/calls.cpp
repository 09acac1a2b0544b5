// MPI's calls as tutti's; see calls.hpp.
#include "allreduce/preload/calls.hpp"

#include <cstring>
#include <limits>

#include <tutti/collectives/call/collective_calls.hpp>

#include "allreduce/preload/datatypes.hpp"

namespace tutti::preload {
namespace {

using MaybeCall = std::optional<detail::Call>;

std::size_t ranks_of(const Shadow& shadow) noexcept { return static_cast<std::size_t>(shadow.own.size()); }
std::size_t rank_of(const Shadow& shadow) noexcept { return static_cast<std::size_t>(shadow.own.rank()); }
bool is_rank(const Shadow& shadow, int root) noexcept { return root >= 0 && root < shadow.own.size(); }

/// Bytes of `count` elements that can be moved as they lie; nothing of others.
std::optional<std::size_t> movable_bytes(std::int64_t count, MPI_Datatype type) noexcept {
  return find_datatype(type) == nullptr ? std::nullopt : bytes_of(count, type);
}

/// MPI_BOTTOM is null, and so is what a program forgot to allocate.
bool is_usable(ConstBuffer buffer) noexcept { return buffer.data != nullptr || buffer.count == 0; }

ConstBuffer bytes_at(const void* data, std::size_t bytes) noexcept { return {data, bytes, DType::u8}; }
Buffer bytes_at(void* data, std::size_t bytes) noexcept { return {data, bytes, DType::u8}; }

/// The call, unless its buffers are unusable or overlap: MPI allows that only where MPI_IN_PLACE says so, and shall say
/// it.
MaybeCall checked(const Shadow& shadow, const Arguments& a, detail::Call&& call) {
  const bool may_be_in_place = a.input == MPI_IN_PLACE || call.collective == Collective::broadcast;
  if (!is_usable(call.input) || !is_usable(call.output) || detail::overlaps(call, shadow.own.rank(), may_be_in_place))
    return std::nullopt;
  return std::move(call);
}

/// Operator and type of a reduction.
struct ReductionOf {
  ReduceOp op;
  DType dtype;
  std::size_t numbers;  // of `dtype` in an element
};

std::optional<ReductionOf> find_combination(const Arguments& a) noexcept {
  const Datatype* const type = find_datatype(a.type);
  const auto op = find_operator(a.op);
  if (type == nullptr || !op || (type->operators >> static_cast<unsigned>(*op) & 1U) == 0) return std::nullopt;
  return ReductionOf{*op, type->dtype, type->numbers};
}

// ---- The operations

MaybeCall make_allreduce(const Shadow& shadow, const Arguments& a) {
  const auto how = find_combination(a);
  if (!how || a.count < 0) return std::nullopt;
  const Buffer output(a.output, static_cast<std::size_t>(a.count) * how->numbers, how->dtype);
  const ConstBuffer input =
      a.input == MPI_IN_PLACE ? ConstBuffer(output) : ConstBuffer(a.input, output.count, how->dtype);
  return checked(shadow, a,
                 {.collective = Collective::allreduce,
                  .input = input,
                  .output = output,
                  .data_count = output.count,
                  .dtype = how->dtype,
                  .op = how->op});
}

MaybeCall make_reduce(const Shadow& shadow, const Arguments& a) {
  const auto how = find_combination(a);
  if (!how || a.count < 0 || !is_rank(shadow, a.root)) return std::nullopt;
  const bool is_root = shadow.own.rank() == a.root;
  const bool in_place = a.input == MPI_IN_PLACE;
  if (in_place && !is_root) return std::nullopt;
  const std::size_t count = static_cast<std::size_t>(a.count) * how->numbers;
  const Buffer output = is_root ? Buffer(a.output, count, how->dtype) : Buffer(nullptr, 0, how->dtype);
  const ConstBuffer input = in_place ? ConstBuffer(output) : ConstBuffer(a.input, count, how->dtype);
  return checked(shadow, a, detail::reduce_call(input, output, how->op, a.root, {}));
}

MaybeCall make_bcast(const Shadow& shadow, const Arguments& a) {
  const auto bytes = movable_bytes(a.count, a.type);
  if (!bytes || !is_rank(shadow, a.root)) return std::nullopt;
  return checked(shadow, a, detail::broadcast_call(bytes_at(a.output, *bytes), a.root, {}));
}

MaybeCall make_allgather(const Shadow& shadow, const Arguments& a) {
  const auto block = movable_bytes(a.count, a.type);
  if (!block) return std::nullopt;
  const Buffer output = bytes_at(a.output, *block * ranks_of(shadow));
  if (a.input == MPI_IN_PLACE) {
    const ConstBuffer own = ConstBuffer(output).slice(rank_of(shadow) * *block, *block);
    return checked(shadow, a, detail::all_gather_call(own, output, {}));
  }
  if (movable_bytes(a.input_count, a.input_type) != block) return std::nullopt;
  return checked(shadow, a, detail::all_gather_call(bytes_at(a.input, *block), output, {}));
}

/// Only blocks that lie one after the other, in the order of their ranks: tutti knows no other places.
MaybeCall make_allgatherv(Shadow& shadow, const Arguments& a) {
  const Datatype* const type = find_datatype(a.type);
  if (type == nullptr || a.counts.empty() || a.displacements.empty()) return std::nullopt;
  std::int64_t end = 0;
  shadow.block_counts.clear();
  for (std::size_t r = 0; r < ranks_of(shadow); ++r) {
    const std::int64_t count = a.counts[r];
    if (count < 0 || (count > 0 && a.displacements[r] != end)) return std::nullopt;
    shadow.block_counts.push_back(static_cast<std::size_t>(count) * type->bytes);
    end += count;
  }
  detail::Call call{.collective = Collective::all_gather,
                    .output = bytes_at(a.output, static_cast<std::size_t>(end) * type->bytes),
                    .dtype = DType::u8};
  detail::set_counts(call, shadow.block_counts);
  const std::size_t own = shadow.block_counts[rank_of(shadow)];
  if (a.input == MPI_IN_PLACE) {
    call.input = ConstBuffer(call.output).slice(call.offsets[rank_of(shadow)], own);
  } else {
    if (movable_bytes(a.input_count, a.input_type) != own) return std::nullopt;
    call.input = bytes_at(a.input, own);
  }
  return checked(shadow, a, std::move(call));
}

/// Where the result goes: in place MPI wants it where the input begins, tutti where this rank's block of that lies.
Buffer block_output(Shadow& shadow, const Arguments& a, std::size_t count, DType dtype) {
  if (a.input != MPI_IN_PLACE) return {a.output, count, dtype};
  shadow.scratch.resize(count * size_of(dtype));
  return {shadow.scratch.data(), count, dtype};
}

MaybeCall make_reduce_scatter_block(Shadow& shadow, const Arguments& a) {
  const auto how = find_combination(a);
  if (!how || a.count < 0) return std::nullopt;
  const std::size_t count = static_cast<std::size_t>(a.count) * how->numbers;
  const ConstBuffer input(a.input == MPI_IN_PLACE ? a.output : a.input, count * ranks_of(shadow), how->dtype);
  return checked(shadow, a,
                 detail::reduce_scatter_call(input, block_output(shadow, a, count, how->dtype), how->op, {}));
}

MaybeCall make_reduce_scatter(Shadow& shadow, const Arguments& a) {
  const auto how = find_combination(a);
  if (!how || a.counts.empty()) return std::nullopt;
  shadow.block_counts.clear();
  for (std::size_t r = 0; r < ranks_of(shadow); ++r) {
    if (a.counts[r] < 0) return std::nullopt;
    shadow.block_counts.push_back(static_cast<std::size_t>(a.counts[r]) * how->numbers);
  }
  detail::Call call{.collective = Collective::reduce_scatter, .dtype = how->dtype, .op = how->op};
  detail::set_counts(call, shadow.block_counts);
  call.input = {a.input == MPI_IN_PLACE ? a.output : a.input, call.offsets.back(), how->dtype};
  call.output = block_output(shadow, a, shadow.block_counts[rank_of(shadow)], how->dtype);
  return checked(shadow, a, std::move(call));
}

/// In place MPI is left to it: that needs a copy of all data, or another algorithm.
MaybeCall make_alltoall(const Shadow& shadow, const Arguments& a) {
  const auto block = movable_bytes(a.count, a.type);
  if (!block || a.input == MPI_IN_PLACE || movable_bytes(a.input_count, a.input_type) != block) return std::nullopt;
  const std::size_t bytes = *block * ranks_of(shadow);
  return checked(shadow, a, detail::all_to_all_call(bytes_at(a.input, bytes), bytes_at(a.output, bytes), {}));
}

/// The sum of the counts; nothing if one is negative or it is too large.
std::optional<std::int64_t> sum_of(PerRank counts, int size) noexcept {
  if (counts.empty()) return std::nullopt;
  std::int64_t sum = 0;
  for (int r = 0; r < size; ++r) {
    const std::int64_t count = counts[static_cast<std::size_t>(r)];
    if (count < 0 || count > std::numeric_limits<std::int64_t>::max() - sum) return std::nullopt;
    sum += count;
  }
  return sum;
}

}  // namespace

std::optional<std::size_t> data_bytes(Operation operation, const Arguments& a, int size) noexcept {
  switch (operation) {
    case Operation::allreduce:
    case Operation::bcast:
    case Operation::reduce:
      return bytes_of(a.count, a.type);
    case Operation::allgather:
    case Operation::reduce_scatter_block:
    case Operation::alltoall:
      if (a.count > std::numeric_limits<std::int64_t>::max() / size) return std::nullopt;
      return bytes_of(a.count * size, a.type);
    case Operation::allgatherv:
    case Operation::reduce_scatter:
      if (const auto sum = sum_of(a.counts, size)) return bytes_of(*sum, a.type);
      return std::nullopt;
    case Operation::barrier:
      break;
  }
  return 0;
}

std::optional<detail::Call> make_call(Shadow& shadow, Operation operation, const Arguments& arguments) {
  switch (operation) {
    case Operation::allreduce:
      return make_allreduce(shadow, arguments);
    case Operation::bcast:
      return make_bcast(shadow, arguments);
    case Operation::reduce:
      return make_reduce(shadow, arguments);
    case Operation::allgather:
      return make_allgather(shadow, arguments);
    case Operation::allgatherv:
      return make_allgatherv(shadow, arguments);
    case Operation::reduce_scatter:
      return make_reduce_scatter(shadow, arguments);
    case Operation::reduce_scatter_block:
      return make_reduce_scatter_block(shadow, arguments);
    case Operation::alltoall:
      return make_alltoall(shadow, arguments);
    case Operation::barrier:
      break;
  }
  return detail::barrier_call({});
}

void finish_call(const Shadow& shadow, Operation operation, const Arguments& arguments, const detail::Call& call) {
  const bool scatters = operation == Operation::reduce_scatter || operation == Operation::reduce_scatter_block;
  if (!scatters || arguments.input != MPI_IN_PLACE || call.output.count == 0) return;
  std::memcpy(arguments.output, shadow.scratch.data(), call.output.size_bytes());
}

}  // namespace tutti::preload
