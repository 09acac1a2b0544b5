// The work of reduce_local(), reduce_into() and finish_reduction(): loops, for one dtype and operator each, and the
// table of them for the dtypes that a source instantiates them for.
//
// Per element of size s, reduce_local() reads 2s bytes and writes s, reduce_into() at most 2s and s at each target.
//
// The same source is compiled once per instruction set, as floats-inl.hpp is.
#if defined(TUTTI_KERNELS_REDUCE_LOOPS_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef TUTTI_KERNELS_REDUCE_LOOPS_INL_HPP_
#undef TUTTI_KERNELS_REDUCE_LOOPS_INL_HPP_
#else
#define TUTTI_KERNELS_REDUCE_LOOPS_INL_HPP_
#endif

#include <array>
#include <cassert>
#include <cstring>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>

#include <hwy/highway.h>

#include <tutti/kernels/operators-inl.hpp>
#include <tutti/kernels/reduce.hpp>

HWY_BEFORE_NAMESPACE();
namespace tutti::HWY_NAMESPACE {

/// What reduce_local() and what reduce_into() runs.
struct ReduceKernels {
  void (*to_one)(const void* left, const void* right, void* out, std::size_t count);
  void (*to_all)(const void* left, const void* right, std::span<std::byte* const> targets, std::size_t offset,
                 std::size_t count, bool streams);
};

template <class Form, class Op>
void reduce_elements(const void* left, const void* right, void* out, std::size_t count) {
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

template <bool kStream, class D, class V>
HWY_INLINE void store(V value, D d, hn::TFromD<D>* to) {
  if constexpr (kStream) {
    hn::Stream(value, d, to);
  } else {
    hn::StoreU(value, d, to);
  }
}

/// Elements that are a multiple of the lanes, and of a cache line's if they are streamed, to all of `targets`. Two
/// targets have vectors stored in pairs, which are a line of most instruction sets.
template <class Form, class Op, bool kStream>
HWY_INLINE void store_combined(const void* left, const void* right, std::span<std::byte* const> targets,
                               std::size_t offset, std::size_t count) {
  const typename Form::D d;
  using T = hn::TFromD<typename Form::D>;
  const std::size_t lanes = hn::Lanes(d);
  const auto* a = static_cast<const T*>(left);
  const auto* b = static_cast<const T*>(right);
  std::size_t i = 0;
  if (targets.size() == 2) {
    auto* const to = reinterpret_cast<T*>(targets[0]) + offset;
    auto* const also_to = reinterpret_cast<T*>(targets[1]) + offset;
    for (; i + 2 * lanes <= count; i += 2 * lanes) {
      const auto first = Form::map(Op(), hn::LoadU(d, a + i), hn::LoadU(d, b + i));
      const auto second = Form::map(Op(), hn::LoadU(d, a + i + lanes), hn::LoadU(d, b + i + lanes));
      store<kStream>(first, d, to + i);
      store<kStream>(second, d, to + i + lanes);
      store<kStream>(first, d, also_to + i);
      store<kStream>(second, d, also_to + i + lanes);
    }
  }
  for (; i < count; i += lanes) {
    const auto value = Form::map(Op(), hn::LoadU(d, a + i), hn::LoadU(d, b + i));
    for (std::byte* const target : targets) store<kStream>(value, d, reinterpret_cast<T*>(target) + offset + i);
  }
}

/// At least a vector; see reduce_elements().
template <class Form, class Op>
void reduce_elements_to_all(const void* left, const void* right, std::span<std::byte* const> targets,
                            std::size_t offset, std::size_t count, bool streams) {
  if (streams) return store_combined<Form, Op, true>(left, right, targets, offset, count);
  const typename Form::D d;
  using T = hn::TFromD<typename Form::D>;
  const std::size_t lanes = hn::Lanes(d);
  const std::size_t tail = count - lanes;
  const auto last = Form::map(Op(), hn::LoadU(d, static_cast<const T*>(left) + tail),
                              hn::LoadU(d, static_cast<const T*>(right) + tail));
  store_combined<Form, Op, false>(left, right, targets, offset, (tail + lanes - 1) / lanes * lanes);
  for (std::byte* const target : targets) hn::StoreU(last, d, reinterpret_cast<T*>(target) + offset + tail);
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

template <class Form, class Op>
constexpr ReduceKernels kKernels = {&reduce_elements<Form, Op>, &reduce_elements_to_all<Form, Op>};

/// The kernels for elements T, or null where the operator is not for them. Where signed and unsigned numbers give the
/// same bits, both run the unsigned kernel.
template <class T, ReduceOp kOp>
constexpr ReduceKernels reduce_kernels() {
  if constexpr (!is_supported(kOp, dtype_of<T>)) {
    return {};
  } else {
    using Op =
        std::tuple_element_t<static_cast<std::size_t>(kOp), std::tuple<Sum, Sum, Product, Minimum, Maximum, BitAnd,
                                                                       BitOr, BitXor, LogicalAnd, LogicalOr>>;
    if constexpr (std::is_same_v<T, bfloat16>) {
      return kKernels<Bf16, Op>;
    } else if constexpr (std::is_same_v<T, float16>) {
      return kKernels<F16, Op>;
    } else if constexpr (std::is_floating_point_v<T> || kOp == ReduceOp::min || kOp == ReduceOp::max) {
      return kKernels<Direct<T>, Op>;
    } else if constexpr (sizeof(T) == 1 && kOp == ReduceOp::prod) {
      return kKernels<Bytes, Op>;
    } else {
      return kKernels<Direct<std::make_unsigned_t<T>>, Op>;
    }
  }
}

template <class T, std::size_t... kOps>
constexpr auto reduce_row(std::index_sequence<kOps...> /*all*/) {
  return std::array<ReduceKernels, sizeof...(kOps)>{reduce_kernels<T, kAllReduceOps[kOps]>()...};
}

/// The row of a dtype, empty where it is none of Own.
template <class T, class... Own>
constexpr auto row_if_own() {
  constexpr std::size_t kOps = std::size(kAllReduceOps);
  if constexpr ((std::is_same_v<T, Own> || ...)) {
    return reduce_row<T>(std::make_index_sequence<kOps>());
  } else {
    return std::array<ReduceKernels, kOps>{};
  }
}

/// One row per dtype, one column per operator, both in the order of their enumerations.
template <class... Own>
constexpr auto reduce_table() {
  return std::array{
      row_if_own<double, Own...>(),        row_if_own<float, Own...>(),         row_if_own<bfloat16, Own...>(),
      row_if_own<float16, Own...>(),       row_if_own<std::int64_t, Own...>(),  row_if_own<std::int32_t, Own...>(),
      row_if_own<std::int16_t, Own...>(),  row_if_own<std::int8_t, Own...>(),   row_if_own<std::uint64_t, Own...>(),
      row_if_own<std::uint32_t, Own...>(), row_if_own<std::uint16_t, Own...>(), row_if_own<std::uint8_t, Own...>()};
}

template <class T>
void divide(void* data, std::size_t count, int contributions) {
  if constexpr (std::is_same_v<T, bfloat16>) {
    divide_floats<Bf16, float>(data, count, contributions);
  } else if constexpr (std::is_same_v<T, float16>) {
    divide_floats<F16, float>(data, count, contributions);
  } else if constexpr (std::is_floating_point_v<T>) {
    divide_floats<Direct<T>, T>(data, count, contributions);
  } else {
    divide_integers<T>(data, count, contributions);
  }
}

/// What a detail::Reducer does, for the dtypes Own.
template <class... Own>
struct Loops {
  static const ReduceKernels& kernels_of(ReduceOp op, DType dtype) {
    static constexpr auto kTable = reduce_table<Own...>();
    const ReduceKernels& kernels = kTable[static_cast<std::size_t>(dtype)][static_cast<std::size_t>(op)];
    assert(kernels.to_one != nullptr);
    return kernels;
  }

  static void reduce_local(ReduceOp op, const ConstBuffer& left, const ConstBuffer& right, const Buffer& out) {
    kernels_of(op, out.dtype).to_one(left.data, right.data, out.data, out.count);
  }

  static void reduce_to_all(ReduceOp op, const ConstBuffer& left, const ConstBuffer& right,
                            std::span<std::byte* const> targets, std::size_t first, bool streams) {
    kernels_of(op, left.dtype).to_all(left.data, right.data, targets, first, left.count, streams);
  }

  static void divide(const Buffer& data, int contributions) {
    const bool own = (divide_if<Own>(data, contributions) || ...);
    assert(own);
    static_cast<void>(own);
  }

 private:
  template <class T>
  static bool divide_if(const Buffer& data, int contributions) {
    if (data.dtype != dtype_of<T>) return false;
    HWY_NAMESPACE::divide<T>(data.data, data.count, contributions);
    return true;
  }
};

}  // namespace tutti::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per instruction set
