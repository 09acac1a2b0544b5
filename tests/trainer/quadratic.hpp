// An optimizer on a quadratic function of two variables, without a model.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include <tutti/trainer/optimizers/optimizer.hpp>

namespace tutti::trainer::test {

using Point = std::array<double, 2>;

/// f(w) = w'Aw/2 - b'w, and where an optimizer is on it. The two variables are one parameter tensor.
struct Quadratic {
  std::array<Point, 2> a{Point{1, 0.5}, Point{0.5, 10}};
  Point b{1, -2};
  Point w{1, -0.5};
  std::vector<Point> slots = {};
  std::size_t steps = 0;

  Point gradient() const { return {a[0][0] * w[0] + a[0][1] * w[1] - b[0], a[1][0] * w[0] + a[1][1] * w[1] - b[1]}; }

  void step(const Optimizer& optimizer, double rate, double decay, bool adapts = true) {
    slots.resize(optimizer.slots().size());
    const Point g = gradient();
    std::vector<Buffer> buffers;
    for (Point& slot : slots) buffers.emplace_back(std::span<double>(slot));
    const UpdateMemory memory{Buffer(std::span<double>(w)), ConstBuffer(std::span<const double>(g)), buffers};
    UpdateStep step{.learning_rate = rate, .weight_decay = decay, .adapts = adapts, .number = ++steps};
    optimizer.prepare(memory, step, {std::span(&step.parameter_square, 1), std::span(&step.direction_square, 1)});
    optimizer.update(memory, step);
  }
};

}  // namespace tutti::trainer::test
