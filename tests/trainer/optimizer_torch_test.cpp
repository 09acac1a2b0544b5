// Optimizers against those of libtorch, on random tensors.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/variable.h>
#include <torch/optim/adagrad.h>
#include <torch/optim/adam.h>
#include <torch/optim/adamw.h>
#include <torch/optim/rmsprop.h>
#include <torch/optim/sgd.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <tutti/kernels/philox.hpp>
#include <tutti/trainer/optimizers/optimizer.hpp>

namespace tutti::trainer::test {

namespace {

constexpr double kRate = 0.02;

using TorchOptimizer = std::unique_ptr<torch::optim::Optimizer>;
using Tensors = std::vector<at::Tensor>;

struct Pair {
  std::string name;
  OptimizerOptions ours;
  std::function<TorchOptimizer(const Tensors&)> torch;
};

std::vector<Pair> pairs() {
  std::vector<Pair> all;
  for (const double decay : {0.0, 0.03}) {
    for (const bool nesterov : {false, true})
      all.push_back({"sgd", {.nesterov = nesterov, .weight_decay = decay}, [=](const Tensors& p) -> TorchOptimizer {
                       return std::make_unique<torch::optim::SGD>(
                           p, torch::optim::SGDOptions(kRate).momentum(0.9).nesterov(nesterov).weight_decay(decay));
                     }});
    for (const bool amsgrad : {false, true}) {
      const OptimizerOptions ours{
          .weight_decay = decay, .beta1 = 0.8, .beta2 = 0.95, .epsilon = 1e-6, .amsgrad = amsgrad};
      all.push_back(
          {"adam", ours, [=](const Tensors& p) -> TorchOptimizer {
             return std::make_unique<torch::optim::Adam>(
                 p, torch::optim::AdamOptions(kRate).betas({0.8, 0.95}).eps(1e-6).amsgrad(amsgrad).weight_decay(decay));
           }});
      all.back().ours.kind = "adam";
      all.push_back(
          {"adamw", ours, [=](const Tensors& p) -> TorchOptimizer {
             return std::make_unique<torch::optim::AdamW>(
                 p,
                 torch::optim::AdamWOptions(kRate).betas({0.8, 0.95}).eps(1e-6).amsgrad(amsgrad).weight_decay(decay));
           }});
      all.back().ours.kind = "adamw";
    }
    for (const double momentum : {0.0, 0.7})
      for (const bool centered : {false, true})
        all.push_back(
            {"rmsprop",
             {.kind = "rmsprop", .momentum = momentum, .weight_decay = decay, .alpha = 0.9, .centered = centered},
             [=](const Tensors& p) -> TorchOptimizer {
               return std::make_unique<torch::optim::RMSprop>(
                   p, torch::optim::RMSpropOptions(kRate).alpha(0.9).momentum(momentum).centered(centered).weight_decay(
                          decay));
             }});
    all.push_back(
        {"adagrad",
         {.kind = "adagrad", .weight_decay = decay, .epsilon = 1e-10, .rate_decay = 0.1, .initial_accumulator = 0.2},
         [=](const Tensors& p) -> TorchOptimizer {
           return std::make_unique<torch::optim::Adagrad>(
               p,
               torch::optim::AdagradOptions(kRate).lr_decay(0.1).initial_accumulator_value(0.2).weight_decay(decay).eps(
                   1e-10));
         }});
  }
  return all;
}

/// The largest difference after each of `steps` steps by the same random gradients, relative to 1.
template <class T>
double largest_difference(const Pair& pair, at::ScalarType type, int steps) {
  constexpr std::int64_t kCount = 1003;
  const auto random = [&](std::uint64_t stream) {
    std::vector<T> values(kCount);
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = static_cast<T>(2 * random_uniform(20261130, stream, i) - 1);
    return values;
  };
  std::vector<T> parameters = random(0);
  at::Tensor its = at::from_blob(parameters.data(), {kCount}, type).clone().set_requires_grad(true);
  const auto optimizer = make_optimizer(pair.ours);
  const TorchOptimizer torch_optimizer = pair.torch({its});
  std::vector<std::vector<T>> slots(optimizer->slots().size(), std::vector<T>(kCount));
  std::vector<Buffer> buffers;
  for (auto& slot : slots) buffers.emplace_back(std::span(slot));
  double largest = 0.0;
  for (int step = 1; step <= steps; ++step) {
    std::vector<T> gradients = random(static_cast<std::uint64_t>(step));
    its.mutable_grad() = at::from_blob(gradients.data(), {kCount}, type).clone();
    torch_optimizer->step();
    optimizer->update(
        {Buffer(std::span(parameters)), ConstBuffer(std::span(gradients)), buffers},
        {.learning_rate = kRate, .weight_decay = pair.ours.weight_decay, .number = static_cast<std::uint64_t>(step)});
    const at::Tensor ours = at::from_blob(parameters.data(), {kCount}, type);
    largest = std::max(largest, (ours - its.detach()).abs().max().item<double>());
  }
  return largest;
}

TEST(OptimizersOfTorch, MakeTheSameSteps) {
  for (const Pair& pair : pairs()) {
    const double wide = largest_difference<double>(pair, at::kDouble, 30);
    EXPECT_LT(wide, 1e-11) << pair.name;
    EXPECT_FALSE(std::isnan(wide)) << pair.name;
    EXPECT_LT(largest_difference<float>(pair, at::kFloat, 12), 2e-5) << pair.name;
  }
}

}  // namespace

}  // namespace tutti::trainer::test
