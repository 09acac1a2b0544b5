#include <tutti/kernels/update/arguments.hpp>

#include <cstddef>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/gradients.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti {

void require_floats(std::string_view kernel, const ConstBuffer& parameters, MemorySpace space) {
  if (parameters.dtype != DType::f32 && parameters.dtype != DType::f64) {
    throw InvalidArgument(text(kernel, ": the parameters are ", name(parameters.dtype), ", not f32 or f64"));
  }
  if (parameters.space != space) {
    throw InvalidArgument(
        text(kernel, ": the parameters are not in ", space == MemorySpace::host ? "host" : "device", " memory"));
  }
}

void require_like(std::string_view kernel, std::string_view what, const ConstBuffer& buffer,
                  const ConstBuffer& parameters) {
  if (buffer.dtype != parameters.dtype || buffer.count != parameters.count) {
    throw InvalidArgument(text(kernel, ": ", what, " are ", name(buffer.dtype), " x ", buffer.count,
                               ", the parameters ", name(parameters.dtype), " x ", parameters.count));
  }
  if (buffer.space != parameters.space) {
    throw InvalidArgument(text(kernel, ": ", what, " and parameters are not in the same memory space"));
  }
}

void require_blocks(std::string_view kernel, const ConstBuffer& parameters, std::span<const double> sums) {
  const std::size_t blocks = parameters.count / kNormBlock + (parameters.count % kNormBlock != 0 ? 1 : 0);
  if (sums.size() != blocks)
    throw InvalidArgument(text(kernel, ": room for ", sums.size(), " sums, and ", blocks, " blocks of ", kNormBlock));
}

void require_in(std::string_view kernel, std::string_view what, double value, double low, double high) {
  if (!(value >= low && value < high))
    throw InvalidArgument(text(kernel, ": ", what, " is ", value, ", not in [", low, ", ", high, ")"));
}

double bias_correction(double beta, std::uint64_t number) noexcept {
  double power = 1.0;
  for (double square = beta; number > 0; number /= 2, square *= square)
    if (number % 2 == 1) power *= square;
  return 1.0 - power;
}

}  // namespace tutti
