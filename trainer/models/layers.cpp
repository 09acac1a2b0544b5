#include <tutti/trainer/models/layers.hpp>

#include <ATen/ops/adaptive_avg_pool2d.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/relu.h>

#include <cmath>
#include <cstddef>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>
#include <tutti/trainer/models/synchronised_norm.hpp>

namespace tutti::trainer {

std::int64_t element_count(const Extents& extents) {
  std::int64_t result = 1;
  for (const auto extent : extents) result *= extent;
  return result;
}

namespace {

struct WeightAndBias {
  ParameterInfo weight;
  ParameterInfo bias;
};

/// `weight` is {outputs, inputs, kernel...}.
WeightAndBias started(const std::string& layer, const Extents& weight, Start start) {
  const auto outputs = static_cast<double>(weight[0]);
  const double fan_in = static_cast<double>(element_count(weight)) / outputs;
  const double fan_out = static_cast<double>(element_count(weight)) / static_cast<double>(weight[1]);
  WeightAndBias both{.weight = {.name = layer + ".weight", .shape = weight},
                     .bias = {.name = layer + ".bias", .shape = {weight[0]}}};
  switch (start) {
    case Start::relu:
      both.weight.initial_bound = std::sqrt(3.0 * 2.0 / fan_in);
      break;
    case Start::output:
      both.weight.initial_bound = std::sqrt(3.0 * 1.0 / fan_in);
      break;
    case Start::fan_out:
      both.weight.initial_std = std::sqrt(2.0 / fan_out);
      break;
    case Start::linear:
      both.weight.initial_bound = both.bias.initial_bound = 1.0 / std::sqrt(fan_in);
      break;
  }
  return both;
}

}  // namespace

void ModelBuilder::stage(std::string name) { plan_.stages.push_back({.name = std::move(name)}); }

std::size_t ModelBuilder::parameter(ParameterInfo info) {
  plan_.parameters.push_back(std::move(info));
  use(plan_.parameters.size() - 1);
  return plan_.parameters.size() - 1;
}

void ModelBuilder::use(std::size_t parameter) { plan_.stages.back().parameters.push_back(parameter); }

std::size_t ModelBuilder::buffer(BufferInfo info) {
  plan_.buffers.push_back(std::move(info));
  plan_.stages.back().buffers.push_back(plan_.buffers.size() - 1);
  return plan_.buffers.size() - 1;
}

void ModelBuilder::add(Layer layer, Extents shape, std::uint64_t multiply_adds) {
  (branch_ != nullptr ? *branch_ : plan_.stages.back().layers).push_back(std::move(layer));
  plan_.stages.back().multiply_adds += multiply_adds;
  plan_.stages.back().output = shape;
  shape_ = std::move(shape);
}

void ModelBuilder::dense(const std::string& name, std::int64_t outputs, Start start) {
  const std::int64_t inputs = element_count(shape_);
  auto [weight, bias] = started(name, {outputs, inputs}, start);
  const std::size_t w = parameter(std::move(weight));
  const std::size_t b = parameter(std::move(bias));
  add([w, b](const at::Tensor& x, const Pass& pass) { return trainer::dense(x, w, b, pass); }, {outputs},
      static_cast<std::uint64_t>(inputs) * static_cast<std::uint64_t>(outputs));
}

Extents ModelBuilder::convolved(const std::string& name, std::int64_t channels, std::int64_t kernel,
                                std::int64_t stride, std::int64_t padding) const {
  if (shape_.size() != 3) throw InvalidArgument("needs inputs of shape {channels, height, width}");
  Extents result{channels};
  for (const std::size_t axis : {1, 2}) {
    const std::int64_t extent = shape_[axis] + 2 * padding - kernel;
    if (extent < 0)
      throw InvalidArgument(text("cannot take inputs that small: layer ", name, " gets ", shape_[1], " x ", shape_[2],
                                 " positions and looks at ", kernel, " x ", kernel));
    result.push_back(extent / stride + 1);
  }
  return result;
}

void ModelBuilder::convolution(const std::string& name, const Convolution& what, Start start) {
  Extents output = convolved(name, what.channels, what.kernel, what.stride, what.padding);
  const Extents weight_shape{what.channels, shape_[0], what.kernel, what.kernel};
  auto [weight, bias] = started(name, weight_shape, start);
  const std::size_t w = parameter(std::move(weight));
  const std::size_t b = what.bias ? parameter(std::move(bias)) : w;
  const auto work =
      static_cast<std::uint64_t>(element_count(weight_shape)) * static_cast<std::uint64_t>(output[1] * output[2]);
  add(
      [w, b, stride = what.stride, padding = what.padding](const at::Tensor& x, const Pass& pass) {
        return at::conv2d(x, pass.parameters[w], b == w ? at::Tensor() : pass.parameters[b], stride, padding);
      },
      std::move(output), work);
}

void ModelBuilder::batch_norm(const std::string& name, double gamma) {
  const std::int64_t channels = shape_[0];
  std::int64_t values = 1;
  for (std::size_t axis = 1; axis < shape_.size(); ++axis) values *= shape_[axis];
  if (plan_.narrowest.values == 0 || values < plan_.narrowest.values) plan_.narrowest = {name, values};
  const std::size_t scale = parameter({.name = name + ".weight", .shape = {channels}, .initial_value = gamma});
  const std::size_t shift = parameter({.name = name + ".bias", .shape = {channels}});
  const std::size_t mean = buffer({.name = name + ".running_mean", .shape = {channels}});
  const std::size_t variance = buffer({.name = name + ".running_var", .shape = {channels}, .initial_value = 1.0});
  plan_.batch_norms.push_back({.name = name,
                               .channels = static_cast<std::size_t>(channels),
                               .running_mean = mean,
                               .running_variance = variance});
  add(
      [=, layer = plan_.batch_norms.back()](const at::Tensor& x, const Pass& pass) {
        if (pass.training && pass.statistics != nullptr)
          return synchronised_batch_norm(x, pass.parameters[scale], pass.parameters[shift], layer, pass);
        if (pass.training && x.numel() == channels)
          throw InvalidArgument(
              text("batch normalisation of ", name, " got one value per channel: a batch of one sample"));
        return at::batch_norm(x, pass.parameters[scale], pass.parameters[shift], pass.buffers[mean],
                              pass.buffers[variance], pass.training, kBatchNormMomentum, kNormEpsilon,
                              /*cudnn_enabled=*/false);
      },
      shape_);
}

void ModelBuilder::dropout(double rate) {
  if (rate == 0.0) return;
  plan_.has_dropout = true;
  add(
      [rate, layer = dropouts_++](const at::Tensor& x, const Pass& pass) {
        return pass.training ? x.mul(dropout_mask(x, rate, layer, pass)).to(x.scalar_type()) : x;
      },
      shape_);
}

void ModelBuilder::relu() {
  add([](const at::Tensor& x, const Pass&) { return at::relu(x); }, shape_);
}

void ModelBuilder::max_pool(std::int64_t kernel, std::int64_t stride, std::int64_t padding) {
  Extents output = convolved(text("max pool of ", kernel), shape_.front(), kernel, stride, padding);
  add([=](const at::Tensor& x, const Pass&) { return at::max_pool2d(x, kernel, stride, padding); }, std::move(output));
}

void ModelBuilder::average_pool(std::int64_t size) {
  add(
      [size](const at::Tensor& x, const Pass&) {
        return at::adaptive_avg_pool2d(x, {size, size});
      },
      {shape_.front(), size, size});
}

void ModelBuilder::residual(const std::function<void()>& body, const std::function<void()>& shortcut) {
  const Extents before = shape_;
  std::vector<Layer>* const outer = branch_;
  std::vector<Layer> way;
  std::vector<Layer> around;
  branch_ = &way;
  body();
  if (shortcut) {
    const Extents after = std::exchange(shape_, before);
    branch_ = &around;
    shortcut();
    shape_ = after;
  }
  branch_ = outer;
  add(
      [way = std::move(way), around = std::move(around)](const at::Tensor& x, const Pass& pass) {
        at::Tensor a = x;
        for (const Layer& layer : way) a = layer(a, pass);
        at::Tensor b = x;
        for (const Layer& layer : around) b = layer(b, pass);
        return a.add(b);
      },
      shape_);
}

ModelPlan ModelBuilder::finish() { return std::move(plan_); }

}  // namespace tutti::trainer
