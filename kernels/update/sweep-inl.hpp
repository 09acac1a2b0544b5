// One pass over several arrays of the same length: the loop that the element-wise optimizer kernels share.
//
// Compiled once per instruction set, as floats-inl.hpp.
#if defined(TUTTI_KERNELS_UPDATE_SWEEP_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef TUTTI_KERNELS_UPDATE_SWEEP_INL_HPP_
#undef TUTTI_KERNELS_UPDATE_SWEEP_INL_HPP_
#else
#define TUTTI_KERNELS_UPDATE_SWEEP_INL_HPP_
#endif

#include <array>
#include <cstddef>
#include <cstring>

#include <hwy/highway.h>

#include <tutti/kernels/floats-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace tutti::HWY_NAMESPACE {

template <class T>
using VectorOf = hn::Vec<Tag<T>>;

/// One vector of each array, from element `i` on.
template <class Step, class T, std::size_t kWritten, std::size_t kRead>
HWY_INLINE void sweep_vector(const Step& step, const std::array<T*, kWritten>& written,
                             const std::array<const T*, kRead>& read, std::size_t i) {
  const Tag<T> d;
  VectorOf<T> state[kWritten];
  VectorOf<T> input[kRead];
  for (std::size_t a = 0; a < kWritten; ++a) state[a] = hn::LoadU(d, written[a] + i);
  for (std::size_t a = 0; a < kRead; ++a) input[a] = hn::LoadU(d, read[a] + i);
  step(state, input);
  for (std::size_t a = 0; a < kWritten; ++a) hn::StoreU(state[a], d, written[a] + i);
}

/// Calls step(state, input) for every vector, where state holds those of the arrays `written` and is stored afterwards,
/// and input those of the arrays `read`. What remains is done in a vector on the stack, filled up with zeros.
template <class Step, class T, std::size_t kWritten, std::size_t kRead>
void sweep(const Step& step, const std::array<T*, kWritten>& written, const std::array<const T*, kRead>& read,
           std::size_t count) {
  const std::size_t lanes = hn::Lanes(Tag<T>());
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) sweep_vector(step, written, read, i);
  if (i == count) return;
  constexpr std::size_t kMaxLanes = kMaxVectorBytes / sizeof(T);
  const std::size_t rest = (count - i) * sizeof(T);
  T state[kWritten][kMaxLanes] = {};
  T input[kRead][kMaxLanes] = {};
  std::array<T*, kWritten> states;
  std::array<const T*, kRead> inputs;
  for (std::size_t a = 0; a < kWritten; ++a) {
    std::memcpy(state[a], written[a] + i, rest);
    states[a] = state[a];
  }
  for (std::size_t a = 0; a < kRead; ++a) {
    std::memcpy(input[a], read[a] + i, rest);
    inputs[a] = input[a];
  }
  sweep_vector(step, states, inputs, 0);
  for (std::size_t a = 0; a < kWritten; ++a) std::memcpy(written[a] + i, state[a], rest);
}

/// A double as a vector of T, rounded once.
template <class T>
HWY_INLINE VectorOf<T> all(double value) {
  return hn::Set(Tag<T>(), static_cast<T>(value));
}

template <class T>
HWY_INLINE T* elements(const Buffer& buffer) {
  return static_cast<T*>(buffer.data);
}
template <class T>
HWY_INLINE const T* elements(const ConstBuffer& buffer) {
  return static_cast<const T*>(buffer.data);
}

}  // namespace tutti::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
