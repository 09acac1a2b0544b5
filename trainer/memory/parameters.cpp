#include <tutti/trainer/memory/parameters.hpp>

#include <cmath>
#include <cstring>
#include <numbers>

#include <tutti/kernels/philox.hpp>

namespace tutti::trainer {

namespace {

// Streams of initial values lie apart from the sampler's, which are small numbers (epochs).
constexpr std::uint64_t kInitialValues = std::uint64_t{0x696e6974} << 32;

/// Box and Muller's method on two uniform numbers of the element's own.
double random_normal(std::uint64_t seed, std::uint64_t stream, std::uint64_t index) {
  const double radius = std::sqrt(-2.0 * std::log(1.0 - random_uniform(seed, stream, 2 * index)));
  return radius * std::cos(2.0 * std::numbers::pi * random_uniform(seed, stream, 2 * index + 1));
}

template <class T>
void fill(T* values, std::size_t count, const ParameterInfo& parameter, std::uint64_t seed, std::uint64_t stream) {
  for (std::size_t i = 0; i < count; ++i) {
    double value = parameter.initial_bound * (2.0 * random_uniform(seed, stream, i) - 1.0);
    if (parameter.initial_std != 0.0) value += parameter.initial_std * random_normal(seed, stream, i);
    if (parameter.initial_value != 0.0) value += parameter.initial_value;  // adding 0 would lose the sign of a -0
    values[i] = static_cast<T>(value);
  }
}

}  // namespace

std::size_t ParameterInfo::count() const noexcept {
  std::size_t elements = 1;
  for (const auto extent : shape) elements *= static_cast<std::size_t>(extent);
  return elements;
}

void initialise(const ParameterInfo& parameter, std::size_t index, std::uint64_t seed, Buffer values) {
  if (parameter.initial_values) {
    std::memcpy(values.data, parameter.initial_values.get(), values.size_bytes());
    return;
  }
  const std::uint64_t stream = kInitialValues + index;
  if (values.dtype == DType::f64)
    fill(static_cast<double*>(values.data), values.count, parameter, seed, stream);
  else
    fill(static_cast<float*>(values.data), values.count, parameter, seed, stream);
}

}  // namespace tutti::trainer
