// Memory of the trainer as tensors of libtorch.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include <tutti/kernels/buffer.hpp>

namespace tutti::trainer {

/// \throws InvalidArgument if the other side has no such type.
at::ScalarType torch_type(DType dtype);
DType dtype_of(at::ScalarType type);

/// A tensor over memory that somebody else owns.
at::Tensor view(const void* memory, const std::vector<std::int64_t>& shape, DType dtype);

/// Values as a tensor that has them. libtorch's only unsigned type is u8: the others are read as signed ones and
/// widened, u64 to f64.
at::Tensor numbers(ConstBuffer values, const std::vector<std::int64_t>& shape);

}  // namespace tutti::trainer
