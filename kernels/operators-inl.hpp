// The reduction operators on SIMD vectors, and how each dtype brings its elements to them and back.
//
// The same source is compiled once per instruction set, as floats-inl.hpp is.
#if defined(TUTTI_KERNELS_OPERATORS_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef TUTTI_KERNELS_OPERATORS_INL_HPP_
#undef TUTTI_KERNELS_OPERATORS_INL_HPP_
#else
#define TUTTI_KERNELS_OPERATORS_INL_HPP_
#endif

#include <cstdint>

#include <hwy/highway.h>

#include <tutti/kernels/floats-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace tutti::HWY_NAMESPACE {

// Operators on vectors of lanes. Floating-point results are made one_nan().
struct Sum {
  template <class V>
  HWY_INLINE V operator()(V a, V b) const {
    if constexpr (hwy::IsFloat<hn::TFromV<V>>()) {
      return one_nan(hn::Add(a, b));
    } else {
      return hn::Add(a, b);
    }
  }
};
struct Product {
  template <class V>
  HWY_INLINE V operator()(V a, V b) const {
    if constexpr (hwy::IsFloat<hn::TFromV<V>>()) {
      return one_nan(hn::Mul(a, b));
    } else {
      return hn::Mul(a, b);
    }
  }
};
struct Minimum {
  template <class V>
  HWY_INLINE V operator()(V a, V b) const {
    if constexpr (hwy::IsFloat<hn::TFromV<V>>()) {
      return one_nan(hn::IfThenElse(hn::Or(hn::Le(a, b), hn::IsNaN(a)), a, b));
    } else {
      return hn::Min(a, b);
    }
  }
};
struct Maximum {
  template <class V>
  HWY_INLINE V operator()(V a, V b) const {
    if constexpr (hwy::IsFloat<hn::TFromV<V>>()) {
      return one_nan(hn::IfThenElse(hn::Or(hn::Ge(a, b), hn::IsNaN(a)), a, b));
    } else {
      return hn::Max(a, b);
    }
  }
};
struct BitAnd {
  template <class V>
  HWY_INLINE V operator()(V a, V b) const {
    return hn::And(a, b);
  }
};
struct BitOr {
  template <class V>
  HWY_INLINE V operator()(V a, V b) const {
    return hn::Or(a, b);
  }
};
struct BitXor {
  template <class V>
  HWY_INLINE V operator()(V a, V b) const {
    return hn::Xor(a, b);
  }
};
struct LogicalAnd {
  template <class V>
  HWY_INLINE V operator()(V a, V b) const {
    const hn::DFromV<V> d;
    const auto zero = hn::Zero(d);
    return hn::IfThenZeroElse(hn::Or(hn::Eq(a, zero), hn::Eq(b, zero)), hn::Set(d, hn::TFromV<V>{1}));
  }
};
struct LogicalOr {
  template <class V>
  HWY_INLINE V operator()(V a, V b) const {
    const hn::DFromV<V> d;
    return hn::IfThenZeroElse(hn::Eq(hn::Or(a, b), hn::Zero(d)), hn::Set(d, hn::TFromV<V>{1}));
  }
};

/// Division by the same number in all lanes.
template <class T>
struct DivideBy {
  T divisor;
  template <class V>
  HWY_INLINE V operator()(V a) const {
    return one_nan(hn::Div(a, hn::Set(hn::DFromV<V>(), divisor)));
  }
};

// Forms: `Form::map(op, v...)` applies `op` to the elements of vectors as they are loaded from memory, and gives them
// as they are stored; `Form::D` is the type of those vectors.

/// Elements that are computed with as they are.
template <class T>
struct Direct {
  using D = Tag<T>;
  template <class Op, class... V>
  static HWY_INLINE auto map(const Op& op, V... v) {
    return op(v...);
  }
};

#if HWY_TARGET == HWY_SCALAR

/// bf16, computed in f32; one element at a time.
struct Bf16 {
  using D = Tag<std::uint16_t>;
  template <class Op, class... V>
  static HWY_INLINE auto map(const Op& op, V... v) {
    const Tag<std::uint32_t> d32;
    const Tag<float> df;
    const auto result = op(hn::BitCast(df, hn::ShiftLeft<16>(hn::PromoteTo(d32, v)))...);
    return hn::TruncateTo(D(), hn::ShiftRight<16>(round_upper_half(result)));
  }
};

/// Products of bytes modulo 256.
struct Bytes {
  using D = Tag<std::uint8_t>;
  template <class Op, class... V>
  static HWY_INLINE auto map(const Op& op, V... v) {
    return hn::TruncateTo(D(), op(hn::PromoteTo(Tag<std::uint16_t>(), v)...));
  }
};

#else

/// bf16, computed in f32: the odd elements are the upper halves of 32-bit lanes, where the bits of f32 want them; the
/// even ones are shifted there.
struct Bf16 {
  using D = Tag<std::uint16_t>;
  template <class Op, class... V>
  static HWY_INLINE auto map(const Op& op, V... v) {
    const hn::Repartition<std::uint32_t, D> d32;
    const hn::Repartition<float, D> df;
    const auto upper = hn::Set(d32, 0xffff0000U);
    const auto even = op(hn::BitCast(df, hn::ShiftLeft<16>(hn::BitCast(d32, v)))...);
    const auto odd = op(hn::BitCast(df, hn::And(hn::BitCast(d32, v), upper))...);
    return hn::BitCast(D(), hn::Or(hn::ShiftRight<16>(round_upper_half(even)), hn::And(round_upper_half(odd), upper)));
  }
};

/// Products of bytes modulo 256, which no instruction set has: 16-bit products of the even and of the odd bytes.
struct Bytes {
  using D = Tag<std::uint8_t>;
  template <class Op, class... V>
  static HWY_INLINE auto map(const Op& op, V... v) {
    const hn::Repartition<std::uint16_t, D> d16;
    const auto even = hn::And(op(hn::BitCast(d16, v)...), hn::Set(d16, std::uint16_t{0xff}));
    const auto odd = hn::ShiftLeft<8>(op(hn::ShiftRight<8>(hn::BitCast(d16, v))...));
    return hn::BitCast(D(), hn::Or(even, odd));
  }
};

#endif

/// f16, computed in f32.
struct F16 {
  using D = hn::Rebind<std::uint16_t, Tag<float>>;
  template <class Op, class... V>
  static HWY_INLINE auto map(const Op& op, V... v) {
    const Tag<float> df;
    return round_to_f16(df, op(f32_from_f16(df, v)...));
  }
};

}  // namespace tutti::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
