// Inputs of the SGD tests, on the host and on the device.
#pragma once

#include <cstddef>
#include <vector>

#include <tutti/kernels/philox.hpp>
#include <tutti/kernels/sgd.hpp>

#include "reference.hpp"

namespace tutti::test {

inline constexpr std::uint64_t kSgdSeed = 20261123;

/// Every variant: with and without weight decay, momentum, look-ahead.
inline constexpr SgdStep kSgdSteps[] = {
    {.learning_rate = 0.1},
    {.learning_rate = 0.1, .weight_decay = 5e-4},
    {.learning_rate = 0.03, .momentum = 0.9},
    {.learning_rate = 0.03, .momentum = 0.9, .weight_decay = 5e-4},
    {.learning_rate = 0.03, .momentum = 0.9, .nesterov = true},
    {.learning_rate = 0.03, .momentum = 0.9, .weight_decay = 5e-4, .nesterov = true},
};

/// Numbers of ordinary size, in which a fused multiply-add would show, and among them edge values of every kind.
template <class T>
struct SgdCase {
  explicit SgdCase(std::size_t n) : parameters(n), gradients(n), velocity(n) {
    const std::vector<T> edges = edge_values<T>();
    const auto fill = [&](std::vector<T>& values, std::uint64_t stream) {
      for (std::size_t i = 0; i < n; ++i) {
        const std::uint64_t bits = random_u64(kSgdSeed, stream + 100, i);
        values[i] = bits % 8 == 0 ? edges[bits / 8 % edges.size()]
                                  : static_cast<T>(2 * random_uniform(kSgdSeed, stream, i) - 1);
      }
    };
    fill(parameters, 0);
    fill(gradients, 1);
    fill(velocity, 2);
  }
  std::vector<T> parameters, gradients, velocity;
};

}  // namespace tutti::test
