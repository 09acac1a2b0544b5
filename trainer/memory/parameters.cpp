#include <tutti/trainer/memory/parameters.hpp>

#include <tutti/kernels/philox.hpp>

namespace tutti::trainer {

namespace {

// Streams of initial values lie apart from the sampler's, which are small numbers (epochs).
constexpr std::uint64_t kInitialValues = std::uint64_t{0x696e6974} << 32;

template <class T>
void fill_uniform(T* values, std::size_t count, double bound, std::uint64_t seed, std::uint64_t stream) {
  for (std::size_t i = 0; i < count; ++i)
    values[i] = static_cast<T>(bound * (2.0 * random_uniform(seed, stream, i) - 1.0));
}

}  // namespace

std::size_t ParameterInfo::count() const noexcept {
  std::size_t elements = 1;
  for (const auto extent : shape) elements *= static_cast<std::size_t>(extent);
  return elements;
}

void initialise(const ParameterInfo& parameter, std::size_t index, std::uint64_t seed, Buffer values) {
  const std::uint64_t stream = kInitialValues + index;
  if (values.dtype == DType::f64)
    fill_uniform(static_cast<double*>(values.data), values.count, parameter.initial_bound, seed, stream);
  else
    fill_uniform(static_cast<float*>(values.data), values.count, parameter.initial_bound, seed, stream);
}

}  // namespace tutti::trainer
