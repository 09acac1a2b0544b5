// Names of reduction operators, and reduction of many inputs at once.
#include <algorithm>
#include <array>
#include <cassert>
#include <cstdint>

#include <tutti/kernels/cast.hpp>
#include <tutti/kernels/copy.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/names.hpp>
#include <tutti/kernels/reduce.hpp>
#include <tutti/kernels/reducer.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti {
namespace {

constexpr std::size_t kTile = 2048;  // elements; partial results stay in the first cache
constexpr std::size_t kLine = 64;

const detail::Reducer& reducer_of(DType dtype) noexcept {
  if (is_half(dtype)) return detail::kHalfReducer;
  return is_floating(dtype) ? detail::kFloatReducer : detail::kIntegerReducer;
}

/// Elements of all inputs from `first` on, as many as `out` has. Partial results go through a tile, so that `out`,
/// which may be a part of any of the inputs, is written last.
void reduce_tile(ReduceOp op, std::span<const ConstBuffer> inputs, std::size_t first, Buffer out) {
  alignas(kLine) std::array<std::byte, kTile * 8> memory;
  const Buffer tile(memory.data(), out.count, out.dtype);
  reduce_local(op, inputs[0].slice(first, out.count), inputs[1].slice(first, out.count), tile);
  for (std::size_t i = 2; i + 1 < inputs.size(); ++i) reduce_local(op, tile, inputs[i].slice(first, out.count), tile);
  reduce_local(op, tile, inputs.back().slice(first, out.count), out);
}

void reduce_half_tile(ReduceOp op, std::span<const ConstBuffer> inputs, std::size_t first, Buffer out) {
  alignas(kLine) std::array<float, kTile> sum;
  alignas(kLine) std::array<float, kTile> next;
  const Buffer sums(sum.data(), out.count, DType::f32);
  const Buffer nexts(next.data(), out.count, DType::f32);
  cast(inputs[0].slice(first, out.count), sums);
  for (const ConstBuffer& input : inputs.subspan(1)) {
    cast(input.slice(first, out.count), nexts);
    reduce_local(op, sums, nexts, sums);
  }
  cast(sums, out);
}

/// Of at most kTile elements.
void reduce_part(ReduceOp op, std::span<const ConstBuffer> inputs, std::size_t first, Buffer out) {
  if (inputs.size() == 1) {
    if (const ConstBuffer part = inputs[0].slice(first, out.count); part.data != out.data)
      copy_bytes(out.data, part.data, out.size_bytes());
  } else if (inputs.size() == 2) {
    reduce_local(op, inputs[0].slice(first, out.count), inputs[1].slice(first, out.count), out);
  } else {
    (is_half(out.dtype) ? reduce_half_tile : reduce_tile)(op, inputs, first, out);
  }
}

/// Elements [begin, end).
struct Range {
  std::size_t begin;
  std::size_t end;
};

/// reduce_into() of a range, in every case: the result is made in a tile, and copied.
void reduce_and_copy(ReduceOp op, std::span<const ConstBuffer> inputs, std::span<std::byte* const> targets,
                     int contributions, bool streams, Range range) {
  alignas(kLine) std::array<std::byte, kTile * 8> memory;
  const DType dtype = inputs[0].dtype;
  const std::size_t element = size_of(dtype);
  for (std::size_t first = range.begin; first < range.end; first += kTile) {
    const Buffer tile(memory.data(), std::min(kTile, range.end - first), dtype);
    reduce_part(op, inputs, first, tile);
    finish_reduction(op, tile, contributions);
    for (std::byte* const target : targets)
      (streams ? stream_part : copy_bytes)(target + first * element, tile.data, tile.size_bytes());
  }
}

/// reduce_into() of a range, where the last operation can be stored where it belongs.
void reduce_to_targets(ReduceOp op, std::span<const ConstBuffer> inputs, std::span<std::byte* const> targets,
                       bool streams, Range range) {
  if (inputs.size() == 2) {
    const std::size_t count = range.end - range.begin;
    return reducer_of(inputs[0].dtype)
        .reduce_to_all(op, inputs[0].slice(range.begin, count), inputs[1].slice(range.begin, count), targets,
                       range.begin, streams);
  }
  alignas(kLine) std::array<std::byte, kTile * 8> memory;
  const std::size_t least = detail::kWidestVector / size_of(inputs[0].dtype);
  for (std::size_t first = range.begin, n = 0; first < range.end; first += n) {
    const std::size_t left = range.end - first;
    n = std::min(kTile, left);
    if (left > n && left - n < least) n -= least;  // so that there is enough for another
    const Buffer tile(memory.data(), n, inputs[0].dtype);
    reduce_part(op, inputs.first(inputs.size() - 1), first, tile);
    reducer_of(tile.dtype).reduce_to_all(op, tile, inputs.back().slice(first, n), targets, first, streams);
  }
}

/// The elements that are whole cache lines in all of `targets`; none if lines begin elsewhere in some.
Range whole_lines(std::span<std::byte* const> targets, std::size_t count, std::size_t element) noexcept {
  const auto offset = [](const std::byte* data) { return reinterpret_cast<std::uintptr_t>(data) % kLine; };
  const std::size_t head = (kLine - offset(targets[0])) % kLine;
  const auto begins_alike = [&](const std::byte* data) { return offset(data) == offset(targets[0]); };
  if (head % element != 0 || head > count * element || !std::all_of(targets.begin(), targets.end(), begins_alike))
    return {count, count};
  const std::size_t lines = (count * element - head) / kLine;
  return {head / element, (head + lines * kLine) / element};
}

}  // namespace

void reduce_local(ReduceOp op, ConstBuffer left, ConstBuffer right, Buffer out) noexcept {
  assert(left.count == out.count && right.count == out.count && left.dtype == out.dtype && right.dtype == out.dtype);
  if (out.count > 0) reducer_of(out.dtype).reduce(op, left, right, out);
}

void finish_reduction(ReduceOp op, Buffer data, int contributions) noexcept {
  assert(contributions > 0);
  if (op == ReduceOp::avg && data.count > 0) reducer_of(data.dtype).divide(data, contributions);
}

void reduce_all(ReduceOp op, std::span<const ConstBuffer> inputs, Buffer out) noexcept {
  if (inputs.size() == 2) return reduce_local(op, inputs[0], inputs[1], out);
  if (inputs.size() == 1 && inputs[0].data == out.data) return;
  if (inputs.size() == 1) return copy_bytes(out.data, inputs[0].data, out.size_bytes());
  for (std::size_t first = 0; first < out.count; first += kTile)
    reduce_part(op, inputs, first, out.slice(first, std::min(kTile, out.count - first)));
}

void reduce_into(ReduceOp op, std::span<const ConstBuffer> inputs, std::span<std::byte* const> targets,
                 int contributions, bool streams) noexcept {
  const DType dtype = inputs[0].dtype;
  const std::size_t count = inputs[0].count;
  if (targets.size() == 1 && !streams) {
    const Buffer out(targets[0], count, dtype);
    reduce_all(op, inputs, out);
    return finish_reduction(op, out, contributions);
  }
  const bool can_store_last = inputs.size() == 2 || (inputs.size() > 2 && !is_half(dtype));
  const Range at_once = !can_store_last || op == ReduceOp::avg ? Range{count, count}
                        : streams                              ? whole_lines(targets, count, size_of(dtype))
                                                               : Range{0, count};
  if ((at_once.end - at_once.begin) * size_of(dtype) < detail::kWidestVector)
    return reduce_and_copy(op, inputs, targets, contributions, streams, {0, count});
  reduce_and_copy(op, inputs, targets, contributions, streams, {0, at_once.begin});
  reduce_to_targets(op, inputs, targets, streams, at_once);
  reduce_and_copy(op, inputs, targets, contributions, streams, {at_once.end, count});
}

std::string_view name(ReduceOp op) noexcept {
  switch (op) {
    case ReduceOp::sum:
      return "sum";
    case ReduceOp::avg:
      return "avg";
    case ReduceOp::prod:
      return "prod";
    case ReduceOp::min:
      return "min";
    case ReduceOp::max:
      return "max";
    case ReduceOp::bit_and:
      return "bit_and";
    case ReduceOp::bit_or:
      return "bit_or";
    case ReduceOp::bit_xor:
      return "bit_xor";
    case ReduceOp::logical_and:
      return "logical_and";
    case ReduceOp::logical_or:
      return "logical_or";
  }
  return "unknown";
}

ReduceOp reduce_op_from_name(std::string_view text_name) {
  return find_named(kAllReduceOps, "reduction operator", text_name, [](ReduceOp op) { return name(op); });
}

}  // namespace tutti
