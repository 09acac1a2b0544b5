// Dense layers of f32 are asked of oneDNN by name. libtorch would ask the BLAS library, which on a plain Debian is the
// reference one and several times slower (figures in README.md).
#include <tutti/trainer/models/layers.hpp>

#include <ATen/Context.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mkldnn_linear.h>

#include <cmath>
#include <utility>

namespace tutti::trainer {

std::int64_t element_count(const std::vector<std::int64_t>& extents) {
  std::int64_t result = 1;
  for (const auto extent : extents) result *= extent;
  return result;
}

void add_layer(std::vector<ParameterInfo>& parameters, const std::string& layer, std::vector<std::int64_t> weight,
               double gain) {
  const std::int64_t outputs = weight.front();
  const double fan_in = static_cast<double>(element_count(weight)) / static_cast<double>(outputs);
  parameters.push_back({layer + ".weight", std::move(weight), std::sqrt(3.0 * gain / fan_in)});
  parameters.push_back({layer + ".bias", {outputs}, 0.0});
}

at::Tensor dense(const at::Tensor& input, const at::Tensor& weight, const at::Tensor& bias) {
  const at::Tensor rows = input.flatten(1);
  if (input.scalar_type() != at::kFloat || !at::globalContext().userEnabledMkldnn())
    return at::linear(rows, weight, bias);
  return at::mkldnn_linear(rows.to_mkldnn(), weight, bias).to_dense();
}

}  // namespace tutti::trainer
