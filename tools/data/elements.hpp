// Elements of any type as numbers.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include <tutti/kernels/dtype.hpp>

namespace tutti::tools::data {

/// `bytes` holds whole elements of `dtype`; their values replace what is in `values`.
void widen_elements(DType dtype, std::span<const std::byte> bytes, std::vector<double>& values);

}  // namespace tutti::tools::data
