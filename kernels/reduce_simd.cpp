// The work of combine() and finish_reduction(): one loop, instantiated for every (dtype, operator) and instruction set.
//
// Per element of size s, combine() reads 2s bytes and writes s.
#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <tuple>
#include <type_traits>
#include <utility>

#include <tutti/kernels/reduce.hpp>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tutti/kernels/reduce_simd.cpp"
#include <hwy/foreach_target.h>
// Highway's own headers, and ours that are compiled per instruction set, come after foreach_target.h.
#include <hwy/highway.h>

#include <tutti/kernels/operators-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace tutti::HWY_NAMESPACE {

using CombineKernel = void (*)(const void*, const void*, void*, std::size_t);

template <class Form, class Op>
void combine_elements(const void* left, const void* right, void* out, std::size_t count) {
  const typename Form::D d;
  using T = hn::TFromD<typename Form::D>;
  const std::size_t lanes = hn::Lanes(d);
  const auto* a = static_cast<const T*>(left);
  const auto* b = static_cast<const T*>(right);
  auto* to = static_cast<T*>(out);
  if (count < lanes) {
    T a_lanes[kMaxVectorBytes / sizeof(T)] = {};
    T b_lanes[kMaxVectorBytes / sizeof(T)] = {};
    std::memcpy(a_lanes, a, count * sizeof(T));
    std::memcpy(b_lanes, b, count * sizeof(T));
    hn::StoreU(Form::map(Op(), hn::LoadU(d, a_lanes), hn::LoadU(d, b_lanes)), d, a_lanes);
    std::memcpy(to, a_lanes, count * sizeof(T));
    return;
  }
  // The last vector overlaps the one before unless the count is a multiple of the lanes. It is computed first, while
  // its inputs are untouched (`out` may be `left` or `right`), and stored last: overlapped elements get the same bits
  // twice.
  const std::size_t tail = count - lanes;
  const auto last = Form::map(Op(), hn::LoadU(d, a + tail), hn::LoadU(d, b + tail));
  for (std::size_t i = 0; i < tail; i += lanes) {
    hn::StoreU(Form::map(Op(), hn::LoadU(d, a + i), hn::LoadU(d, b + i)), d, to + i);
  }
  hn::StoreU(last, d, to + tail);
}

template <class Form, class Number>
void divide_floats(void* data, std::size_t count, int contributions) {
  const typename Form::D d;
  using T = hn::TFromD<typename Form::D>;
  const std::size_t lanes = hn::Lanes(d);
  const DivideBy<Number> divide{static_cast<Number>(contributions)};
  auto* x = static_cast<T*>(data);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) hn::StoreU(Form::map(divide, hn::LoadU(d, x + i)), d, x + i);
  if (i == count) return;
  T rest[kMaxVectorBytes / sizeof(T)] = {};
  std::memcpy(rest, x + i, (count - i) * sizeof(T));
  hn::StoreU(Form::map(divide, hn::LoadU(d, rest)), d, rest);
  std::memcpy(x + i, rest, (count - i) * sizeof(T));
}

/// There is no SIMD division of integers; elements are copied in and out because memory need not be aligned.
template <class T>
void divide_integers(void* data, std::size_t count, int contributions) {
  using Wide = std::conditional_t<std::is_signed_v<T>, std::int64_t, std::uint64_t>;
  auto* x = static_cast<std::byte*>(data);
  for (std::size_t i = 0; i < count; ++i, x += sizeof(T)) {
    T value;
    std::memcpy(&value, x, sizeof(T));
    value = static_cast<T>(Wide{value} / static_cast<Wide>(contributions));
    std::memcpy(x, &value, sizeof(T));
  }
}

/// The kernel for elements T, or null where the operator is not for them. Where signed and unsigned numbers give the
/// same bits, both run the unsigned kernel.
template <class T, ReduceOp kOp>
constexpr CombineKernel combine_kernel() {
  if constexpr (!is_supported(kOp, dtype_of<T>)) {
    return nullptr;
  } else {
    using Op =
        std::tuple_element_t<static_cast<std::size_t>(kOp), std::tuple<Sum, Sum, Product, Minimum, Maximum, BitAnd,
                                                                       BitOr, BitXor, LogicalAnd, LogicalOr>>;
    if constexpr (std::is_same_v<T, bfloat16>) {
      return &combine_elements<Bf16, Op>;
    } else if constexpr (std::is_same_v<T, float16>) {
      return &combine_elements<F16, Op>;
    } else if constexpr (std::is_floating_point_v<T> || kOp == ReduceOp::min || kOp == ReduceOp::max) {
      return &combine_elements<Direct<T>, Op>;
    } else if constexpr (sizeof(T) == 1 && kOp == ReduceOp::prod) {
      return &combine_elements<Bytes, Op>;
    } else {
      return &combine_elements<Direct<std::make_unsigned_t<T>>, Op>;
    }
  }
}

template <class T, std::size_t... kOps>
constexpr auto combine_row(std::index_sequence<kOps...> /*all*/) {
  return std::array<CombineKernel, sizeof...(kOps)>{combine_kernel<T, kAllReduceOps[kOps]>()...};
}

/// One row per dtype, one column per operator, both in the order of their enumerations.
template <class... T>
constexpr auto combine_table() {
  return std::array{combine_row<T>(std::make_index_sequence<std::size(kAllReduceOps)>())...};
}

void combine_on_target(ReduceOp op, const ConstBuffer& left, const ConstBuffer& right, const Buffer& out) {
  static constexpr auto kTable =
      combine_table<double, float, bfloat16, float16, std::int64_t, std::int32_t, std::int16_t, std::int8_t,
                    std::uint64_t, std::uint32_t, std::uint16_t, std::uint8_t>();
  const CombineKernel kernel = kTable[static_cast<std::size_t>(out.dtype)][static_cast<std::size_t>(op)];
  assert(kernel != nullptr);
  kernel(left.data, right.data, out.data, out.count);
}

void divide_on_target(const Buffer& data, int contributions) {
  switch (data.dtype) {
    case DType::f64:
      return divide_floats<Direct<double>, double>(data.data, data.count, contributions);
    case DType::f32:
      return divide_floats<Direct<float>, float>(data.data, data.count, contributions);
    case DType::bf16:
      return divide_floats<Bf16, float>(data.data, data.count, contributions);
    case DType::f16:
      return divide_floats<F16, float>(data.data, data.count, contributions);
    case DType::i64:
      return divide_integers<std::int64_t>(data.data, data.count, contributions);
    case DType::i32:
      return divide_integers<std::int32_t>(data.data, data.count, contributions);
    case DType::i16:
      return divide_integers<std::int16_t>(data.data, data.count, contributions);
    case DType::i8:
      return divide_integers<std::int8_t>(data.data, data.count, contributions);
    case DType::u64:
      return divide_integers<std::uint64_t>(data.data, data.count, contributions);
    case DType::u32:
      return divide_integers<std::uint32_t>(data.data, data.count, contributions);
    case DType::u16:
      return divide_integers<std::uint16_t>(data.data, data.count, contributions);
    case DType::u8:
      return divide_integers<std::uint8_t>(data.data, data.count, contributions);
  }
}

}  // namespace tutti::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tutti {

HWY_EXPORT(combine_on_target);
HWY_EXPORT(divide_on_target);

void combine(ReduceOp op, ConstBuffer left, ConstBuffer right, Buffer out) noexcept {
  assert(left.count == out.count && right.count == out.count && left.dtype == out.dtype && right.dtype == out.dtype);
  if (out.count == 0) return;
  HWY_DYNAMIC_DISPATCH(combine_on_target)(op, left, right, out);
}

void finish_reduction(ReduceOp op, Buffer data, int contributions) noexcept {
  assert(contributions > 0);
  if (op != ReduceOp::avg || data.count == 0) return;
  HWY_DYNAMIC_DISPATCH(divide_on_target)(data, contributions);
}

}  // namespace tutti
#endif
