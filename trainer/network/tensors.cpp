#include <tutti/trainer/network/tensors.hpp>

#include <ATen/ops/from_blob.h>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::trainer {

using at::Tensor;

at::ScalarType torch_type(DType dtype) {
  switch (dtype) {
    case DType::f64:
      return at::kDouble;
    case DType::f32:
      return at::kFloat;
    case DType::bf16:
      return at::kBFloat16;
    case DType::f16:
      return at::kHalf;
    case DType::i64:
      return at::kLong;
    case DType::i32:
      return at::kInt;
    case DType::i16:
      return at::kShort;
    case DType::i8:
      return at::kChar;
    case DType::u8:
      return at::kByte;
    default:
      throw InvalidArgument(text("libtorch has no tensors of ", name(dtype)));
  }
}

DType dtype_of(at::ScalarType type) {
  switch (type) {
    case at::kDouble:
      return DType::f64;
    case at::kFloat:
      return DType::f32;
    case at::kBFloat16:
      return DType::bf16;
    case at::kHalf:
      return DType::f16;
    case at::kLong:
      return DType::i64;
    case at::kInt:
      return DType::i32;
    case at::kShort:
      return DType::i16;
    case at::kChar:
      return DType::i8;
    case at::kByte:
    case at::kBool:
      return DType::u8;
    default:
      throw InvalidArgument(text("there is no type for libtorch's ", c10::toString(type)));
  }
}

Tensor view(const void* memory, const std::vector<std::int64_t>& shape, DType dtype) {
  return at::from_blob(const_cast<void*>(memory), shape, at::TensorOptions(torch_type(dtype)));
}

Tensor numbers(ConstBuffer values, const std::vector<std::int64_t>& shape) {
  constexpr std::int64_t kLow32 = 0xffffffff;
  switch (values.dtype) {
    case DType::u16:
      return view(values.data, shape, DType::i16).to(at::kInt).bitwise_and(0xffff);
    case DType::u32:
      return view(values.data, shape, DType::i32).to(at::kLong).bitwise_and(kLow32);
    case DType::u64: {
      const Tensor halves = view(values.data, shape, DType::i64);
      const Tensor high = halves.bitwise_right_shift(32).bitwise_and(kLow32).to(at::kDouble);
      return high.mul_(4294967296.0).add_(halves.bitwise_and(kLow32).to(at::kDouble));
    }
    default:
      return view(values.data, shape, values.dtype);
  }
}

}  // namespace tutti::trainer
