// Element-wise reduction of host memory.
#pragma once

#include <tutti/kernels/cpp20.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include <tutti/kernels/buffer.hpp>

#pragma GCC visibility push(default)
namespace tutti {

/// Reduction operators. `avg` is the sum divided by the number of contributions (for integers the quotient is truncated
/// towards zero). Bitwise operators are for integers; logical ones yield 0 or 1 and are for integers too. Integer sums
/// and products wrap. min and max of floating-point numbers yield NaN if an operand is NaN; of equal zeros they yield
/// the left one. The numeric values are part of the C API: append, never reorder.
enum class ReduceOp : std::uint8_t { sum, avg, prod, min, max, bit_and, bit_or, bit_xor, logical_and, logical_or };

inline constexpr ReduceOp kAllReduceOps[] = {
    ReduceOp::sum,     ReduceOp::avg,    ReduceOp::prod,    ReduceOp::min,         ReduceOp::max,
    ReduceOp::bit_and, ReduceOp::bit_or, ReduceOp::bit_xor, ReduceOp::logical_and, ReduceOp::logical_or};

/// "sum", "avg", ...
std::string_view name(ReduceOp op) noexcept;

/// The operator with that name. \throws InvalidArgument naming the text and the known operators.
ReduceOp reduce_op_from_name(std::string_view text);

/// Whether `op` makes sense for `dtype`: bitwise and logical operators need integers.
constexpr bool is_supported(ReduceOp op, DType dtype) noexcept { return op <= ReduceOp::max || !is_floating(dtype); }

/// out[i] = left[i] op right[i]. All three have the same count and dtype, `op` is_supported() for it, and they lie in
/// host memory of any alignment; `out` may be exactly `left` or exactly `right`, other overlap is not allowed. bf16 and
/// f16 are reduced in f32 and rounded once to nearest even. A result that is NaN is always the one with positive sign
/// and no payload. For `avg` this is the sum: the division is finish_reduction(). Bits: a pure function of the inputs,
/// the same on every instruction set.
void reduce_local(ReduceOp op, ConstBuffer left, ConstBuffer right, Buffer out) noexcept;

/// out[i] = inputs[0][i] op inputs[1][i] op ..., from left to right, at least one input, in one pass over memory. As
/// reduce_local(); `out` may be exactly one of the inputs. bf16 and f16 are reduced in f32 all the way and rounded
/// once.
void reduce_all(ReduceOp op, std::span<const ConstBuffer> inputs, Buffer out) noexcept;

/// reduce_all() and finish_reduction(), of so many contributions, in one pass: the result is at all of `targets` (at
/// least one), each of which has room for it and may be exactly one of the inputs. With `streams` it goes past the
/// caches, and others see it after end_streams() (copy.hpp).
void reduce_into(ReduceOp op, std::span<const ConstBuffer> inputs, std::span<std::byte* const> targets,
                 int contributions, bool streams) noexcept;

/// What remains to be done once all `contributions` (at least 1) are reduced: for `avg` the division, for others
/// nothing. Floating-point numbers are divided in their type, bf16 and f16 in f32 and then rounded; bits as for
/// reduce_local().
void finish_reduction(ReduceOp op, Buffer data, int contributions) noexcept;

}  // namespace tutti
#pragma GCC visibility pop
