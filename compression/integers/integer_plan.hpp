// How shared-scale integers are added up by a number of ranks: in what width, and how large they may be.
#pragma once

#include <cstddef>
#include <cstdint>

#include <tutti/compression/codecs.hpp>
#include <tutti/kernels/codecs/shared_scale.hpp>
#include <tutti/kernels/dtype.hpp>

namespace tutti::detail {

/// Narrow sums are as wide as codes: P of them, each at most L in magnitude, fit. Then any allreduce adds them up. With
/// too many ranks for that codes have their full range, and are widened where they are added.
struct IntegerPlan {
  DType codes{};  ///< i16, i8, or u8 with two in a byte
  DType sums{};   ///< the same, or twice as wide
  IntegerGrid grid;

  bool widens() const noexcept { return sums != codes; }
};

/// \throws InvalidArgument: too many ranks, naming them, the codec and what would do
IntegerPlan plan_integers(const CodecSettings& settings, std::size_t ranks);

}  // namespace tutti::detail
