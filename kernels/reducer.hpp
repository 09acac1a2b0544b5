// What is behind reduce_local(), reduce_into() and finish_reduction(). The loops are compiled for each dtype, operator
// and instruction set, which takes long: a source for each class of dtypes, each with a reducer. The three sources are
// alike but for their names, because Highway compiles a source once more for each instruction set by its name.
#pragma once

#include <cstddef>
#include <span>

#include <tutti/kernels/buffer.hpp>
#include <tutti/kernels/reduce.hpp>

namespace tutti::detail {

/// Bytes.
inline constexpr std::size_t kWidestVector = 64;

struct Reducer {
  /// As tutti::reduce_local(), of at least one element.
  void (*reduce)(ReduceOp op, const ConstBuffer& left, const ConstBuffer& right, const Buffer& out);

  /// left[i] op right[i] at element first + i of all of `targets`, which may be exactly `left` or `right` there: at
  /// least kWidestVector bytes. With `streams`, whole cache lines of all targets, past the caches.
  void (*reduce_to_all)(ReduceOp op, const ConstBuffer& left, const ConstBuffer& right,
                        std::span<std::byte* const> targets, std::size_t first, bool streams);

  /// The division of finish_reduction(), of at least one element.
  void (*divide)(const Buffer& data, int contributions);
};

extern const Reducer kFloatReducer;    ///< f64, f32
extern const Reducer kHalfReducer;     ///< bf16, f16
extern const Reducer kIntegerReducer;  ///< the others

}  // namespace tutti::detail
