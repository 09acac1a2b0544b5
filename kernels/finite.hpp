// Whether numbers are numbers.
#pragma once

#include <tutti/kernels/buffer.hpp>

namespace tutti {

/// Index of the first element that is infinite or not a number; values.count if there is none. Of f64, f32, f16 and
/// bf16, in host memory, read once; elements of other types are always finite.
std::size_t first_not_finite(ConstBuffer values) noexcept;

inline bool all_finite(ConstBuffer values) noexcept { return first_not_finite(values) == values.count; }

}  // namespace tutti
