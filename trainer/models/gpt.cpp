// A transformer that foresees the next byte (GPT-2 with bytes as tokens: Radford et al., 2019):
//   {n, T} bytes -> embeddings of byte and position {n, T, width}
//                -> `layers` times: x + attention(norm(x)), x + mlp(norm(x))
//                -> norm, times the embedding of bytes transposed -> {n, T, 256}
// The mlp is width -> 4 width -> width with gelu (tanh). Weights begin N(0, 0.02), those before an addition
// N(0, 0.02 / sqrt(2 layers)). A position sees itself and those before it.
#include <ATen/ops/embedding.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/new_full.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/triu.h>

#include <cmath>
#include <cstddef>
#include <limits>
#include <string>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>
#include <tutti/trainer/models/layers.hpp>
#include <tutti/trainer/models/model.hpp>

namespace tutti::trainer {

namespace {

using at::Tensor;

constexpr std::int64_t kBytes = 256;
constexpr double kStd = 0.02;

/// Adds the layers of one model.
class Gpt {
 public:
  Gpt(const ModelShape& shape, const ModelOptions& options)
      : model_(shape.input),
        positions_(shape.input.front()),
        width_(options.width),
        options_(options),
        before_addition_(kStd / std::sqrt(2.0 * static_cast<double>(options.layers))) {}

  ModelPlan plan() {
    const std::size_t bytes = embedding();
    for (std::int64_t i = 1; i <= options_.layers; ++i) {
      const std::string name = text("block", i);
      model_.stage(name);
      model_.residual([&] {
        norm(name + ".norm1");
        attention(name + ".attention");
        model_.dropout(options_.dropout);
      });
      model_.residual([&] {
        norm(name + ".norm2");
        dense(name + ".mlp1", 4 * width_, kStd);
        model_.add([](const Tensor& x, const Pass&) { return at::gelu(x, "tanh"); }, model_.shape());
        dense(name + ".mlp2", width_, before_addition_);
        model_.dropout(options_.dropout);
      });
    }
    model_.stage("output");
    norm("norm");
    model_.use(bytes);
    model_.add([bytes](const Tensor& x, const Pass& pass) { return at::linear(x, pass.parameters[bytes]); },
               {positions_, kBytes}, work(width_ * kBytes));
    return model_.finish();
  }

 private:
  std::uint64_t work(std::int64_t of_a_position) const {
    return static_cast<std::uint64_t>(positions_) * static_cast<std::uint64_t>(of_a_position);
  }

  std::size_t embedding() {
    model_.stage("embedding");
    const std::size_t bytes = model_.parameter({.name = "bytes", .shape = {kBytes, width_}, .initial_std = kStd});
    const std::size_t places =
        model_.parameter({.name = "positions", .shape = {positions_, width_}, .initial_std = kStd});
    model_.add([=](const Tensor& x,
                   const Pass& pass) { return at::embedding(pass.parameters[bytes], x).add(pass.parameters[places]); },
               {positions_, width_});
    model_.dropout(options_.dropout);
    return bytes;
  }

  void norm(const std::string& name) {
    const std::size_t scale = model_.parameter({.name = name + ".weight", .shape = {width_}, .initial_value = 1.0});
    const std::size_t shift = model_.parameter({.name = name + ".bias", .shape = {width_}});
    model_.add(
        [scale, shift, width = width_](const Tensor& x, const Pass& pass) {
          return at::layer_norm(x, {width}, pass.parameters[scale], pass.parameters[shift], kNormEpsilon);
        },
        model_.shape());
  }

  void dense(const std::string& name, std::int64_t outputs, double std) {
    const std::int64_t inputs = model_.shape().back();
    const std::size_t w = model_.parameter({.name = name + ".weight", .shape = {outputs, inputs}, .initial_std = std});
    const std::size_t b = model_.parameter({.name = name + ".bias", .shape = {outputs}});
    model_.add(
        [w, b, outputs](const Tensor& x, const Pass& pass) {
          return trainer::dense(x.reshape({-1, x.size(-1)}), w, b, pass).view({-1, x.size(1), outputs});
        },
        {positions_, outputs}, work(inputs * outputs));
  }

  void attention(const std::string& name) {
    dense(name + ".qkv", 3 * width_, kStd);
    const std::int64_t heads = options_.heads;
    model_.add(
        [heads, width = width_, positions = positions_](const Tensor& x, const Pass&) {
          // {n, T, 3, heads, width / heads} -> {3, n, heads, T, width / heads}
          const Tensor parts = x.view({-1, positions, 3, heads, width / heads}).permute({2, 0, 3, 1, 4});
          const double scale = 1.0 / std::sqrt(static_cast<double>(width / heads));
          const Tensor future = x.new_full({positions, positions}, -std::numeric_limits<double>::infinity()).triu(1);
          const Tensor scores = at::matmul(parts[0], parts[1].transpose(2, 3)).mul(scale).add(future);
          return at::matmul(at::softmax(scores, -1), parts[2]).transpose(1, 2).reshape({-1, positions, width});
        },
        {positions_, width_}, work(2 * positions_ * width_));
    dense(name + ".out", width_, before_addition_);
  }

  ModelBuilder model_;
  const std::int64_t positions_;
  const std::int64_t width_;
  const ModelOptions& options_;
  const double before_addition_;
};

}  // namespace

ModelPlan plan_gpt(const ModelShape& shape, const ModelOptions& options) {
  if (shape.input.size() != 1) throw InvalidArgument("needs samples of one extent: bytes");
  if (options.width % options.heads != 0)
    throw InvalidArgument(text("cannot divide model.width = ", options.width, " among model.heads = ", options.heads));
  return Gpt(shape, options).plan();
}

}  // namespace tutti::trainer
