// Names of reduction operators, and reduction of many inputs at once.
#include <algorithm>
#include <array>

#include <tutti/kernels/cast.hpp>
#include <tutti/kernels/copy.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/reduce.hpp>

namespace tutti {
namespace {

constexpr std::size_t kTile = 2048;  // elements; partial results stay in the first cache

/// Partial results go through a tile, so that `out`, which may be any of the inputs, is written last.
void combine_tile(ReduceOp op, std::span<const ConstBuffer> inputs, Buffer out, std::size_t first, std::size_t n) {
  alignas(64) std::array<std::byte, kTile * 8> memory;
  const Buffer tile(memory.data(), n, out.dtype);
  combine(op, inputs[0].slice(first, n), inputs[1].slice(first, n), tile);
  for (std::size_t i = 2; i + 1 < inputs.size(); ++i) combine(op, tile, inputs[i].slice(first, n), tile);
  combine(op, tile, inputs.back().slice(first, n), out.slice(first, n));
}

void combine_half_tile(ReduceOp op, std::span<const ConstBuffer> inputs, Buffer out, std::size_t first, std::size_t n) {
  alignas(64) std::array<float, kTile> sum;
  alignas(64) std::array<float, kTile> next;
  const Buffer sums(sum.data(), n, DType::f32);
  const Buffer nexts(next.data(), n, DType::f32);
  cast(inputs[0].slice(first, n), sums);
  for (const ConstBuffer& input : inputs.subspan(1)) {
    cast(input.slice(first, n), nexts);
    combine(op, sums, nexts, sums);
  }
  cast(sums, out.slice(first, n));
}

}  // namespace

void combine_all(ReduceOp op, std::span<const ConstBuffer> inputs, Buffer out) noexcept {
  if (inputs.size() == 2) return combine(op, inputs[0], inputs[1], out);
  if (inputs.size() == 1) {
    if (inputs[0].data != out.data) copy_bytes(out.data, inputs[0].data, out.size_bytes());
    return;
  }
  const bool half = out.dtype == DType::bf16 || out.dtype == DType::f16;
  for (std::size_t first = 0; first < out.count; first += kTile) {
    (half ? combine_half_tile : combine_tile)(op, inputs, out, first, std::min(kTile, out.count - first));
  }
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
  std::string known;
  for (const ReduceOp op : kAllReduceOps) {
    if (name(op) == text_name) return op;
    known += known.empty() ? "" : ", ";
    known += name(op);
  }
  throw InvalidArgument(text("unknown reduction operator \"", text_name, "\"; known are ", known));
}

}  // namespace tutti
