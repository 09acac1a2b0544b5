// The kernels of the optimizers: every instruction set against the formula written out, bit by bit.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/gradients.hpp>
#include <tutti/kernels/philox.hpp>
#include <tutti/kernels/update/adagrad.hpp>
#include <tutti/kernels/update/adam.hpp>
#include <tutti/kernels/update/arguments.hpp>
#include <tutti/kernels/update/lamb.hpp>
#include <tutti/kernels/update/lars.hpp>
#include <tutti/kernels/update/rmsprop.hpp>

#include "reference.hpp"
#include "targets.hpp"

namespace tutti::test {
namespace {

constexpr std::uint64_t kSeed = 20261130;

/// A parameter array, its gradients, and slots. Slots are above 0 (squares are), and all have edge values among them
/// where asked.
template <class T>
struct Arrays {
  Arrays(std::size_t n, bool with_edges) : parameters(n), gradients(n), slots(3, std::vector<T>(n)) {
    const std::vector<T> edges = edge_values<T>();
    const auto fill = [&](std::vector<T>& values, std::uint64_t stream, double low) {
      for (std::size_t i = 0; i < n; ++i) {
        const std::uint64_t bits = random_u64(kSeed, stream + 100, i);
        values[i] = with_edges && bits % 8 == 0 ? edges[bits / 8 % edges.size()]
                                                : static_cast<T>(low + (1 - low) * random_uniform(kSeed, stream, i));
      }
    };
    fill(parameters, 0, -1);
    fill(gradients, 1, -1);
    for (std::size_t s = 0; s < slots.size(); ++s) fill(slots[s], 2 + s, 0.1);
  }
  Buffer slot(std::size_t s) { return Buffer(std::span(slots[s])); }
  Buffer all() { return Buffer(std::span(parameters)); }
  ConstBuffer given() const { return ConstBuffer(std::span(gradients)); }

  std::vector<T> parameters, gradients;
  std::vector<std::vector<T>> slots;
};

template <class T>
double naive_sum_of_squares(const std::vector<T>& values) {
  double sum = 0.0;
  for (std::size_t block = 0; block < values.size(); block += 1024) {
    double columns[16] = {};
    for (std::size_t i = block; i < std::min(block + 1024, values.size()); ++i)
      columns[(i - block) % 16] += static_cast<double>(values[i]) * static_cast<double>(values[i]);
    for (std::size_t width = 8; width > 0; width /= 2)
      for (std::size_t j = 0; j < width; ++j) columns[j] += columns[j + width];
    sum += columns[0];
  }
  return sum;
}

template <class T>
void naive_adam(Arrays<T>& a, const AdamStep& s, bool amsgrad) {
  const T rate = static_cast<T>(s.learning_rate / bias_correction(s.beta1, s.number));
  const T correction = static_cast<T>(1.0 / std::sqrt(bias_correction(s.beta2, s.number)));
  const T decay = static_cast<T>(s.decoupled ? 1.0 - s.learning_rate * s.weight_decay : s.weight_decay);
  for (std::size_t i = 0; i < a.parameters.size(); ++i) {
    T g = a.gradients[i];
    T p = a.parameters[i];
    if (s.weight_decay != 0 && !s.decoupled) g = g + decay * p;
    if (s.weight_decay != 0 && s.decoupled) p = p * decay;
    T& m = a.slots[0][i];
    T& v = a.slots[1][i];
    T& largest = a.slots[2][i];
    m = one_nan(static_cast<T>(s.beta1) * m + static_cast<T>(1 - s.beta1) * g);
    v = one_nan(static_cast<T>(s.beta2) * v + static_cast<T>(1 - s.beta2) * g * g);
    if (amsgrad) largest = largest > v ? largest : v;
    const T root = std::sqrt(amsgrad ? largest : v) * correction + static_cast<T>(s.epsilon);
    a.parameters[i] = one_nan(p - rate * (m / root));
  }
}

template <class T>
void naive_adagrad(Arrays<T>& a, const AdagradStep& s) {
  const T rate = static_cast<T>(s.learning_rate / (1 + static_cast<double>(s.number - 1) * s.rate_decay));
  for (std::size_t i = 0; i < a.parameters.size(); ++i) {
    T g = a.gradients[i];
    T& p = a.parameters[i];
    if (s.weight_decay != 0) g = g + static_cast<T>(s.weight_decay) * p;
    T& sum = a.slots[0][i];
    sum = one_nan((sum + static_cast<T>(s.number == 1 ? s.initial_accumulator : 0)) + g * g);
    p = one_nan(p - rate * (g / (std::sqrt(sum) + static_cast<T>(s.epsilon))));
  }
}

template <class T>
void naive_rmsprop(Arrays<T>& a, const RmspropStep& s, bool centered) {
  const T alpha = static_cast<T>(s.alpha);
  const T rest = static_cast<T>(1 - s.alpha);
  for (std::size_t i = 0; i < a.parameters.size(); ++i) {
    T g = a.gradients[i];
    T& p = a.parameters[i];
    if (s.weight_decay != 0) g = g + static_cast<T>(s.weight_decay) * p;
    T& square = a.slots[0][i];
    T& mean = a.slots[1][i];
    T& velocity = a.slots[2][i];
    square = one_nan(alpha * square + rest * g * g);
    T under = square;
    if (centered) {
      mean = one_nan(alpha * mean + rest * g);
      under = square - mean * mean;
      if (under < 0) under = 0;
    }
    T direction = g / (std::sqrt(under) + static_cast<T>(s.epsilon));
    if (s.momentum != 0) direction = velocity = one_nan(static_cast<T>(s.momentum) * velocity + direction);
    p = one_nan(p - static_cast<T>(s.learning_rate) * direction);
  }
}

constexpr double kTrust = 0.001;

/// Both norms, then the update.
template <class T>
void whole_lars(Arrays<T>& a, LarsStep step, bool adapts) {
  if (adapts)
    step.trust_ratio = lars_trust_ratio(std::sqrt(sum_of_squares(a.all())), std::sqrt(sum_of_squares(a.given())),
                                        kTrust, step.weight_decay);
  lars_update(a.all(), a.given(), a.slot(0), step);
}

/// Both halves, the first in two parts.
template <class T>
void whole_lamb(Arrays<T>& a, LambStep step, bool adapts) {
  const std::size_t count = a.all().count;
  const std::size_t blocks = (count + kNormBlock - 1) / kNormBlock;
  const std::size_t half = std::min(blocks / 2 * kNormBlock, count);
  std::vector<double> squares(2 * blocks);
  const auto part = [&](std::size_t first, std::size_t n) {
    const std::size_t begin = first / kNormBlock;
    const std::size_t its = (n + kNormBlock - 1) / kNormBlock;
    lamb_moments(a.all().slice(first, n), a.given().slice(first, n), a.slot(0).slice(first, n),
                 a.slot(1).slice(first, n), step, std::span(squares).subspan(begin, its),
                 std::span(squares).subspan(blocks + begin, its));
  };
  part(0, half);
  part(half, count - half);
  double weights = 0.0;
  double directions = 0.0;
  for (std::size_t b = 0; b < blocks; ++b) {
    weights += squares[b];
    directions += squares[blocks + b];
  }
  if (adapts && weights > 0 && directions > 0) step.trust_ratio = std::sqrt(weights) / std::sqrt(directions);
  lamb_update(a.all(), a.slot(0), a.slot(1), step);
}

template <class T>
void naive_lars(Arrays<T>& a, const LarsStep& s, bool adapts) {
  const double weight = std::sqrt(naive_sum_of_squares(a.parameters));
  const double gradient = std::sqrt(naive_sum_of_squares(a.gradients));
  double ratio = 1.0;
  if (adapts && weight > 0 && gradient > 0) ratio = kTrust * weight / (gradient + s.weight_decay * weight);
  for (std::size_t i = 0; i < a.parameters.size(); ++i) {
    T& p = a.parameters[i];
    T& v = a.slots[0][i];
    const T direction = a.gradients[i] + static_cast<T>(s.weight_decay) * p;
    v = one_nan(static_cast<T>(s.momentum) * v + static_cast<T>(s.learning_rate * ratio) * direction);
    p = one_nan(p - v);
  }
}

template <class T>
void naive_lamb(Arrays<T>& a, const LambStep& s, bool wants_to) {
  const T correction1 = static_cast<T>(1.0 / bias_correction(s.beta1, s.number));
  const T correction2 = static_cast<T>(1.0 / std::sqrt(bias_correction(s.beta2, s.number)));
  std::vector<T> u(a.parameters.size());
  for (std::size_t i = 0; i < u.size(); ++i) {
    const T g = a.gradients[i];
    T& m = a.slots[0][i];
    T& v = a.slots[1][i];
    m = one_nan(static_cast<T>(s.beta1) * m + static_cast<T>(1 - s.beta1) * g);
    v = one_nan(static_cast<T>(s.beta2) * v + static_cast<T>(1 - s.beta2) * g * g);
    u[i] = m * correction1 / (std::sqrt(v) * correction2 + static_cast<T>(s.epsilon)) +
           static_cast<T>(s.weight_decay) * a.parameters[i];
  }
  const double weights = naive_sum_of_squares(a.parameters);
  const double directions = naive_sum_of_squares(u);
  const bool adapts = wants_to && weights > 0 && directions > 0;
  const double ratio = adapts ? std::sqrt(weights) / std::sqrt(directions) : 1.0;
  for (std::size_t i = 0; i < u.size(); ++i)
    a.parameters[i] = one_nan(a.parameters[i] - static_cast<T>(s.learning_rate * ratio) * u[i]);
}

/// An update by a kernel and by its formula.
template <class T>
struct Update {
  std::string name;
  std::function<void(Arrays<T>&)> kernel;
  std::function<void(Arrays<T>&)> naive;
};

template <class T>
std::vector<Update<T>> all_updates() {
  std::vector<Update<T>> updates;
  for (const std::uint64_t number : {1U, 2U, 1000U})
    for (const double decay : {0.0, 0.01})
      for (const bool decoupled : {false, true})
        for (const bool amsgrad : {false, true}) {
          const AdamStep s{.learning_rate = 0.03, .weight_decay = decay, .decoupled = decoupled, .number = number};
          updates.push_back({"adam",
                             [=](Arrays<T>& a) {
                               adam_update(a.all(), a.given(), a.slot(0), a.slot(1), amsgrad ? a.slot(2) : Buffer(), s);
                             },
                             [=](Arrays<T>& a) { naive_adam(a, s, amsgrad); }});
        }
  for (const std::uint64_t number : {1U, 7U})
    for (const double decay : {0.0, 0.01}) {
      const AdagradStep s{.learning_rate = 0.03,
                          .rate_decay = 0.1,
                          .initial_accumulator = 0.5,
                          .weight_decay = decay,
                          .number = number};
      updates.push_back({"adagrad", [=](Arrays<T>& a) { adagrad_update(a.all(), a.given(), a.slot(0), s); },
                         [=](Arrays<T>& a) { naive_adagrad(a, s); }});
    }
  for (const double momentum : {0.0, 0.9})
    for (const double decay : {0.0, 0.01})
      for (const bool centered : {false, true}) {
        const RmspropStep s{.learning_rate = 0.03, .alpha = 0.9, .momentum = momentum, .weight_decay = decay};
        updates.push_back({"rmsprop",
                           [=](Arrays<T>& a) {
                             rmsprop_update(a.all(), a.given(), a.slot(0), centered ? a.slot(1) : Buffer(), a.slot(2),
                                            s);
                           },
                           [=](Arrays<T>& a) { naive_rmsprop(a, s, centered); }});
      }
  for (const double decay : {0.0, 0.01})
    for (const bool adapts : {false, true}) {
      const LarsStep lars{.learning_rate = 0.3, .weight_decay = decay};
      updates.push_back({"lars", [=](Arrays<T>& a) { whole_lars(a, lars, adapts); },
                         [=](Arrays<T>& a) { naive_lars(a, lars, adapts); }});
      const LambStep lamb{.learning_rate = 0.3, .weight_decay = decay, .number = 3};
      updates.push_back({"lamb", [=](Arrays<T>& a) { whole_lamb(a, lamb, adapts); },
                         [=](Arrays<T>& a) { naive_lamb(a, lamb, adapts); }});
    }
  updates.push_back({"scale", [](Arrays<T>& a) { scale(a.all(), 0.3); },
                     [](Arrays<T>& a) {
                       for (T& p : a.parameters) p = one_nan(p * static_cast<T>(0.3));
                     }});
  updates.push_back({"clamp", [](Arrays<T>& a) { clamp(a.all(), 0.4); },
                     [](Arrays<T>& a) {
                       const T limit = static_cast<T>(0.4);
                       for (T& p : a.parameters) p = one_nan(p > limit ? limit : p < -limit ? -limit : p);
                     }});
  updates.push_back({"average", [](Arrays<T>& a) { update_average(a.slot(0), a.all(), 0.9); },
                     [](Arrays<T>& a) {
                       for (std::size_t i = 0; i < a.parameters.size(); ++i)
                         a.slots[0][i] =
                             one_nan(static_cast<T>(0.9) * a.slots[0][i] + static_cast<T>(1 - 0.9) * a.parameters[i]);
                     }});
  return updates;
}

template <class T>
class UpdateTest : public testing::Test {};
using Floats = testing::Types<float, double>;
TYPED_TEST_SUITE(UpdateTest, Floats);

template <class T>
void expect_equal(const std::vector<T>& result, const std::vector<T>& expected, const std::string& what) {
  const std::size_t i = first_difference(result.data(), expected.data(), expected.size());
  ASSERT_EQ(i, expected.size()) << what << " " << i << " of " << expected.size() << " is " << result[i] << ", expected "
                                << expected[i] << ", seed " << kSeed;
}

TYPED_TEST(UpdateTest, EveryInstructionSetIsTheFormula) {
  for (const auto& update : all_updates<TypeParam>()) {
    for (const bool with_edges : {false, true}) {
      for (const std::size_t n : {0, 1, 3, 8, 15, 17, 33, 2100}) {
        const Arrays<TypeParam> start(n, with_edges);
        Arrays<TypeParam> expected = start;
        update.naive(expected);
        for_each_target([&] {
          Arrays<TypeParam> result = start;
          update.kernel(result);
          expect_equal(result.parameters, expected.parameters, update.name + ": parameter");
          for (std::size_t s = 0; s < start.slots.size(); ++s)
            expect_equal(result.slots[s], expected.slots[s], update.name + ": slot");
          expect_equal(result.gradients, start.gradients, update.name + ": gradient");
        });
        if (this->HasFailure()) return;
      }
    }
  }
}

// The order is that of the elements' numbers, whatever the width of a vector; memory may begin anywhere.
TYPED_TEST(UpdateTest, SumsOfSquaresHaveOneOrder) {
  for (const std::size_t n : {0, 1, 5, 15, 16, 17, 1023, 1024, 1025, 5000}) {
    const Arrays<TypeParam> arrays(n + 1, false);
    const std::vector<TypeParam> values(arrays.parameters.begin() + 1, arrays.parameters.end());
    const double expected = naive_sum_of_squares(values);
    for_each_target(
        [&] { EXPECT_EQ(sum_of_squares(ConstBuffer(std::span(arrays.parameters)).slice(1, n)), expected) << n; });
  }
  std::vector<TypeParam> values(100, TypeParam{1});
  EXPECT_EQ(sum_of_squares(ConstBuffer(std::span(values))), 100.0);
  values[77] = std::numeric_limits<TypeParam>::quiet_NaN();
  EXPECT_TRUE(std::isnan(sum_of_squares(ConstBuffer(std::span(values)))));
}

TEST(SumOfSquares, OfFloatsNeitherOverflowsNorVanishes) {
  const std::vector<float> large(3, 3e38F);
  EXPECT_NEAR(std::sqrt(sum_of_squares(ConstBuffer(std::span(large)))) / 3e38, std::sqrt(3.0), 1e-6);
  const std::vector<float> small(4, 1e-40F);
  EXPECT_NEAR(std::sqrt(sum_of_squares(ConstBuffer(std::span(small)))) / 2e-40, 1.0, 1e-4);
}

TEST(BiasCorrection, IsOneMinusThePower) {
  EXPECT_EQ(bias_correction(0.5, 1), 0.5);
  EXPECT_EQ(bias_correction(0.5, 3), 0.875);
  EXPECT_EQ(bias_correction(0.0, 1), 1.0);
  for (const std::uint64_t n : {1U, 2U, 10U, 999U, 123456U})
    EXPECT_NEAR(bias_correction(0.999, n), 1 - std::pow(0.999, static_cast<double>(n)), 1e-13) << n;
}

TEST(Updates, RefuseWrongArguments) {
  std::vector<float> p(4), g(4), m(4), v(4), short_one(3);
  std::vector<double> d(4);
  const auto buffer = [](auto& values) { return Buffer(std::span(values)); };
  const auto adam = [&](auto& parameters, auto& gradients, auto& mean, const AdamStep& step) {
    adam_update(buffer(parameters), buffer(gradients), buffer(mean), buffer(v), {}, step);
  };
  EXPECT_NO_THROW(adam(p, g, m, {.learning_rate = 1}));
  EXPECT_THROW(adam(p, d, m, {}), InvalidArgument);
  EXPECT_THROW(adam(p, short_one, m, {}), InvalidArgument);
  EXPECT_THROW(adam(p, g, short_one, {}), InvalidArgument);
  EXPECT_THROW(adam(p, g, m, {.beta1 = 1.0}), InvalidArgument);
  EXPECT_THROW(adam(p, g, m, {.beta2 = -0.1}), InvalidArgument);
  EXPECT_THROW(adam(p, g, m, {.epsilon = 0.0}), InvalidArgument);
  EXPECT_THROW(adam(p, g, m, {.weight_decay = -1}), InvalidArgument);
  EXPECT_THROW(adam(p, g, m, {.number = 0}), InvalidArgument);
  EXPECT_THROW(adagrad_update(buffer(p), buffer(g), buffer(d), {}), InvalidArgument);
  EXPECT_THROW(adagrad_update(buffer(p), buffer(g), buffer(m), {.rate_decay = -1}), InvalidArgument);
  EXPECT_THROW(rmsprop_update(buffer(p), buffer(g), buffer(m), {}, {}, {.momentum = 0.5}), InvalidArgument);
  EXPECT_THROW(rmsprop_update(buffer(p), buffer(g), buffer(m), {}, {}, {.alpha = 1}), InvalidArgument);
  EXPECT_THROW(lars_update(buffer(p), buffer(g), buffer(short_one), {}), InvalidArgument);
  EXPECT_THROW(lars_update(buffer(p), buffer(g), buffer(m), {.momentum = 1}), InvalidArgument);
  EXPECT_THROW(lamb_update(buffer(p), buffer(m), buffer(d), {}), InvalidArgument);
  std::vector<double> one(1), two(2);
  EXPECT_THROW(lamb_moments(buffer(p), buffer(g), buffer(m), buffer(v), {}, one, two), InvalidArgument);
  EXPECT_THROW(lamb_moments(buffer(p), buffer(g), buffer(m), buffer(v), {.number = 0}, one, one), InvalidArgument);
  EXPECT_THROW(block_sums_of_squares(buffer(p), two), InvalidArgument);
  EXPECT_THROW(update_average(buffer(p), buffer(d), 0.5), InvalidArgument);
  EXPECT_THROW(update_average(buffer(p), buffer(g), 1.0), InvalidArgument);
  std::vector<std::int32_t> integers(4);
  EXPECT_THROW(sum_of_squares(buffer(integers)), InvalidArgument);
  EXPECT_THROW(scale(buffer(integers), 1), InvalidArgument);
  EXPECT_THROW(clamp(buffer(integers), 1), InvalidArgument);
}

}  // namespace
}  // namespace tutti::test
