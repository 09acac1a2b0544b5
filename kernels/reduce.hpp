// Element-wise reduction of host memory.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include <tutti/kernels/buffer.hpp>

namespace tutti {

/// Reduction operators. `avg` is the sum divided by the number of contributions (for integers the quotient is truncated
/// towards zero). Bitwise operators are for integers; logical ones yield 0 or 1 and are for integers too. Integer sums and
/// products wrap. min and max of floating-point numbers yield NaN if an operand is NaN; of equal zeros they yield the left one.
/// The numeric values are part of the C API: append, never reorder.
enum class ReduceOp : std::uint8_t { sum, avg, prod, min, max, bit_and, bit_or, bit_xor, logical_and, logical_or };

inline constexpr ReduceOp kAllReduceOps[] = {ReduceOp::sum,         ReduceOp::avg,       ReduceOp::prod,    ReduceOp::min,
                                             ReduceOp::max,         ReduceOp::bit_and,   ReduceOp::bit_or,  ReduceOp::bit_xor,
                                             ReduceOp::logical_and, ReduceOp::logical_or};

/// "sum", "avg", ...
std::string_view name(ReduceOp op) noexcept;

/// The operator with that name. \throws InvalidArgument naming the text and the known operators.
ReduceOp reduce_op_from_name(std::string_view text);

/// Whether `op` makes sense for `dtype`: bitwise and logical operators need integers.
constexpr bool is_supported(ReduceOp op, DType dtype) noexcept {
  return op <= ReduceOp::max || !is_floating(dtype);
}

/// out[i] = left[i] op right[i]. All three have the same count and dtype and lie in host memory; `out` may be exactly
/// `left` or exactly `right`, other overlap is not allowed. bf16 and f16 are combined in f32 and rounded once to nearest
/// even. For `avg` this is the sum: the division is finish_reduction(). Bits: a pure function of the inputs, the same on
/// every instruction set.
void combine(ReduceOp op, ConstBuffer left, ConstBuffer right, Buffer out) noexcept;

/// What remains to be done once all `contributions` are combined: for `avg` the division, for others nothing.
void finish_reduction(ReduceOp op, Buffer data, int contributions) noexcept;

}  // namespace tutti
