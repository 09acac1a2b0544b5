// The element types of the library, and the C++ types that stand for them.
#pragma once

#include <tutti/kernels/cpp20.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#pragma GCC visibility push(default)
namespace tutti {

/// Element types. The numeric values are part of the C API and of file formats: append, never reorder.
enum class DType : std::uint8_t { f64, f32, bf16, f16, i64, i32, i16, i8, u64, u32, u16, u8 };

inline constexpr DType kAllDTypes[] = {DType::f64, DType::f32, DType::bf16, DType::f16, DType::i64, DType::i32,
                                       DType::i16, DType::i8,  DType::u64,  DType::u32, DType::u16, DType::u8};

/// Size of one element in bytes.
constexpr std::size_t size_of(DType dtype) noexcept {
  switch (dtype) {
    case DType::f64:
    case DType::i64:
    case DType::u64:
      return 8;
    case DType::f32:
    case DType::i32:
    case DType::u32:
      return 4;
    case DType::bf16:
    case DType::f16:
    case DType::i16:
    case DType::u16:
      return 2;
    case DType::i8:
    case DType::u8:
      return 1;
  }
  return 0;
}

constexpr bool is_floating(DType dtype) noexcept { return dtype <= DType::f16; }

/// Whether it is a floating-point type of two bytes.
constexpr bool is_half(DType dtype) noexcept { return dtype == DType::bf16 || dtype == DType::f16; }

/// "f32", "bf16", "u8", ...
std::string_view name(DType dtype) noexcept;

/// The type with that name. \throws InvalidArgument naming the text and the known types.
DType dtype_from_name(std::string_view text);

/// bfloat16 as stored: the upper half of an IEEE 754 binary32. Arithmetic is done in f32 (kernels/cast.hpp).
struct bfloat16 {
  std::uint16_t bits;
  friend constexpr bool operator==(bfloat16, bfloat16) = default;
};

/// IEEE 754 binary16 as stored. Arithmetic is done in f32 (kernels/cast.hpp).
struct float16 {
  std::uint16_t bits;
  friend constexpr bool operator==(float16, float16) = default;
};

template <class T>
struct DTypeOf;
template <>
struct DTypeOf<double> {
  static constexpr DType value = DType::f64;
};
template <>
struct DTypeOf<float> {
  static constexpr DType value = DType::f32;
};
template <>
struct DTypeOf<bfloat16> {
  static constexpr DType value = DType::bf16;
};
template <>
struct DTypeOf<float16> {
  static constexpr DType value = DType::f16;
};
template <>
struct DTypeOf<std::int64_t> {
  static constexpr DType value = DType::i64;
};
template <>
struct DTypeOf<std::int32_t> {
  static constexpr DType value = DType::i32;
};
template <>
struct DTypeOf<std::int16_t> {
  static constexpr DType value = DType::i16;
};
template <>
struct DTypeOf<std::int8_t> {
  static constexpr DType value = DType::i8;
};
template <>
struct DTypeOf<std::uint64_t> {
  static constexpr DType value = DType::u64;
};
template <>
struct DTypeOf<std::uint32_t> {
  static constexpr DType value = DType::u32;
};
template <>
struct DTypeOf<std::uint16_t> {
  static constexpr DType value = DType::u16;
};
template <>
struct DTypeOf<std::uint8_t> {
  static constexpr DType value = DType::u8;
};

/// A C++ type that has a DType.
template <class T>
concept Element = requires {
  DTypeOf<T>::value;
};

template <Element T>
inline constexpr DType dtype_of = DTypeOf<T>::value;

}  // namespace tutti
#pragma GCC visibility pop
