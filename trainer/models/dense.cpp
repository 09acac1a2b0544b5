// Dense layers. Those of f32 are asked of oneDNN by name: libtorch would ask the BLAS library, which on a plain Debian
// is the reference one and several times slower (figures in README.md).
//
// The gradient of a weight is as large as the weight, and the last product of a backward pass is that of the first
// layer, often the largest. It is computed in blocks of rows, dW[a:b] = dY[:, a:b]' X, each of which is final: it is
// exchanged while the next ones are computed. Blocks depend on the shape alone, so that neither ranks nor buckets
// change a bit; and one that fits the processor's cache is written to the gradient memory without another way to
// memory.
#include <ATen/Context.h>
#include <ATen/autocast_mode.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mkldnn_linear.h>
#include <ATen/ops/mkldnn_linear_backward_input.h>
#include <ATen/ops/mkldnn_linear_backward_weights.h>
#include <ATen/ops/mm.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <tuple>

#include <tutti/trainer/models/layers.hpp>

namespace tutti::trainer {

namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

bool uses_onednn(const Tensor& input) {
  return input.scalar_type() == at::kFloat && !at::autocast::is_cpu_enabled() &&
         at::globalContext().userEnabledMkldnn();
}

Tensor product(const Tensor& rows, const Tensor& weight, const Tensor& bias) {
  if (!uses_onednn(rows)) return at::linear(rows, weight, bias);
  return at::mkldnn_linear(rows.to_mkldnn(), weight, bias).to_dense();
}

/// Rows of a block: about 2 MiB of f32, a multiple of what kernels of matrix products take at once.
std::int64_t block_rows(const Tensor& weight) {
  constexpr std::int64_t kElements = std::int64_t{1} << 19;
  constexpr std::int64_t kUnit = 48;
  return std::max(kUnit, kElements / std::max<std::int64_t>(weight.size(1), 1) / kUnit * kUnit);
}

/// product() whose gradients of weight and bias go to a sink.
class Dense : public torch::autograd::Function<Dense> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& rows, const Tensor& weight, const Tensor& bias,
                        std::int64_t weight_number, std::int64_t bias_number, GradientSink* sink) {
    context->save_for_backward({rows, weight});
    context->saved_data["weight"] = weight_number;
    context->saved_data["bias"] = bias_number;
    context->saved_data["sink"] = reinterpret_cast<std::int64_t>(sink);
    return product(rows, weight, bias);
  }

  static variable_list backward(AutogradContext* context, const variable_list& outputs) {
    const variable_list saved = context->get_saved_variables();
    const Tensor& rows = saved[0];
    const Tensor& weight = saved[1];
    const Tensor output = outputs[0].contiguous();
    auto& sink = *reinterpret_cast<GradientSink*>(context->saved_data["sink"].toInt());
    put_weight(sink, static_cast<std::size_t>(context->saved_data["weight"].toInt()), rows, weight, output);
    sink.put(static_cast<std::size_t>(context->saved_data["bias"].toInt()), 0, output.sum(0));
    Tensor input;
    if (context->needs_input_grad(0)) input = input_gradient(rows, weight, output);
    return {input, Tensor(), Tensor(), Tensor(), Tensor(), Tensor()};
  }

 private:
  static void put_weight(GradientSink& sink, std::size_t number, const Tensor& rows, const Tensor& weight,
                         const Tensor& output) {
    const bool onednn = uses_onednn(rows);
    const Tensor left = onednn ? rows.to_mkldnn() : rows;
    const std::int64_t most = block_rows(weight);
    for (std::int64_t first = 0; first < weight.size(0); first += most) {
      const std::int64_t count = std::min(most, weight.size(0) - first);
      const Tensor part = output.narrow(1, first, count).contiguous();
      sink.put(number, first,
               onednn ? std::get<0>(at::mkldnn_linear_backward_weights(part.to_mkldnn(), left,
                                                                       weight.narrow(0, first, count), false))
                      : part.t().mm(left));
    }
  }

  static Tensor input_gradient(const Tensor& rows, const Tensor& weight, const Tensor& output) {
    if (!uses_onednn(rows)) return output.mm(weight);
    return at::mkldnn_linear_backward_input(rows.sizes(), output.to_mkldnn(), weight).to_dense();
  }
};

}  // namespace

Tensor dense(const Tensor& input, std::size_t weight, std::size_t bias, const Pass& pass) {
  const Tensor rows = input.flatten(1);
  const Tensor& w = pass.parameters[weight];
  const Tensor& b = pass.parameters[bias];
  // Under autocast the types are libtorch's to choose.
  if (pass.gradients == nullptr || at::autocast::is_cpu_enabled()) return product(rows, w, b);
  return Dense::apply(rows, w, b, static_cast<std::int64_t>(weight), static_cast<std::int64_t>(bias), pass.gradients);
}

}  // namespace tutti::trainer
