// Names of element types.
#include <tutti/kernels/dtype.hpp>

#include <tutti/kernels/names.hpp>

namespace tutti {

std::string_view name(DType dtype) noexcept {
  switch (dtype) {
    case DType::f64:
      return "f64";
    case DType::f32:
      return "f32";
    case DType::bf16:
      return "bf16";
    case DType::f16:
      return "f16";
    case DType::i64:
      return "i64";
    case DType::i32:
      return "i32";
    case DType::i16:
      return "i16";
    case DType::i8:
      return "i8";
    case DType::u64:
      return "u64";
    case DType::u32:
      return "u32";
    case DType::u16:
      return "u16";
    case DType::u8:
      return "u8";
  }
  return "unknown";
}

DType dtype_from_name(std::string_view text_name) {
  return find_named(kAllDTypes, "dtype", text_name, [](DType dtype) { return name(dtype); });
}

}  // namespace tutti
