// The SGD step: the scalar instantiation of its arithmetic and every instruction set against the formula written out.
#include <gtest/gtest.h>

#include <cstring>

#include <tutti/kernels/arithmetic/sgd.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/sgd.hpp>

#include "reference.hpp"
#include "sgd_cases.hpp"
#include "targets.hpp"

namespace tutti::test {
namespace {

template <class T>
void naive_step(std::vector<T>& p, const std::vector<T>& g, std::vector<T>& v, const SgdStep& step) {
  for (std::size_t i = 0; i < p.size(); ++i) {
    T gradient = g[i];
    if (step.weight_decay != 0) gradient = gradient + static_cast<T>(step.weight_decay) * p[i];
    T direction = gradient;
    if (step.momentum != 0) {
      v[i] = one_nan(static_cast<T>(step.momentum) * v[i] + gradient);
      direction = step.nesterov ? gradient + static_cast<T>(step.momentum) * v[i] : v[i];
    }
    p[i] = one_nan(p[i] - static_cast<T>(step.learning_rate) * direction);
  }
}

template <class T>
void scalar_step(std::vector<T>& p, const std::vector<T>& g, std::vector<T>& v, const SgdStep& step) {
  arithmetic::with_sgd_variant(step, [&](auto variant) {
    using Variant = decltype(variant);
    for (std::size_t i = 0; i < p.size(); ++i) {
      arithmetic::sgd_element<arithmetic::ScalarOps<T>, Variant::kWeightDecay, Variant::kMomentum, Variant::kNesterov>(
          arithmetic::sgd_numbers<T>(step), p[i], g[i], v[i]);
    }
  });
}

template <class T>
void expect_same(const std::vector<T>& result, const std::vector<T>& expected, const char* what) {
  const std::size_t i = first_difference(result.data(), expected.data(), expected.size());
  ASSERT_EQ(i, expected.size()) << what << " " << i << " of " << expected.size() << " is " << result[i] << ", expected "
                                << expected[i] << ", seed " << kSgdSeed;
}

template <class T>
class SgdTest : public testing::Test {};
using Floats = testing::Types<float, double>;
TYPED_TEST_SUITE(SgdTest, Floats);

TYPED_TEST(SgdTest, ScalarArithmeticIsTheFormula) {
  for (const SgdStep& step : kSgdSteps) {
    SgdCase<TypeParam> expected(2000), result(2000);
    for (int repeat = 0; repeat < 3; ++repeat) {
      naive_step(expected.parameters, expected.gradients, expected.velocity, step);
      scalar_step(result.parameters, result.gradients, result.velocity, step);
    }
    expect_same(result.parameters, expected.parameters, "parameter");
    expect_same(result.velocity, expected.velocity, "velocity");
  }
}

TYPED_TEST(SgdTest, EveryInstructionSetIsTheFormula) {
  for (const SgdStep& step : kSgdSteps) {
    for (const std::size_t n : {0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 2000}) {
      SgdCase<TypeParam> expected(n);
      const SgdCase<TypeParam> start(n);
      naive_step(expected.parameters, expected.gradients, expected.velocity, step);
      for_each_target([&] {
        SgdCase<TypeParam> result = start;
        sgd_update(Buffer(std::span(result.parameters)), ConstBuffer(std::span(result.gradients)),
                   Buffer(std::span(result.velocity)), step);
        expect_same(result.parameters, expected.parameters, "parameter");
        expect_same(result.velocity, expected.velocity, "velocity");
      });
    }
  }
}

TYPED_TEST(SgdTest, UnalignedMemory) {
  const SgdStep step{.learning_rate = 0.1, .momentum = 0.9, .weight_decay = 1e-4, .nesterov = true};
  constexpr std::size_t kCount = 37;
  constexpr std::size_t kBytes = kCount * sizeof(TypeParam);
  SgdCase<TypeParam> expected(kCount);
  const SgdCase<TypeParam> start(kCount);
  naive_step(expected.parameters, expected.gradients, expected.velocity, step);
  for_each_target([&] {
    std::vector<std::byte> p(kBytes + 1), g(kBytes + 2), v(kBytes + 3);
    std::memcpy(p.data() + 1, start.parameters.data(), kBytes);
    std::memcpy(g.data() + 2, start.gradients.data(), kBytes);
    std::memcpy(v.data() + 3, start.velocity.data(), kBytes);
    const DType dtype = dtype_of<TypeParam>;
    sgd_update(Buffer(p.data() + 1, kCount, dtype), ConstBuffer(g.data() + 2, kCount, dtype),
               Buffer(v.data() + 3, kCount, dtype), step);
    SgdCase<TypeParam> result(kCount);
    std::memcpy(result.parameters.data(), p.data() + 1, kBytes);
    std::memcpy(result.velocity.data(), v.data() + 3, kBytes);
    expect_same(result.parameters, expected.parameters, "parameter");
    expect_same(result.velocity, expected.velocity, "velocity");
  });
}

TEST(Sgd, WorkedExample) {
  // p = 1, g = 0.5, v = 2; decay 0.5, momentum 0.5, rate 0.25, all exact in binary:
  // g' = 1, v = 2, Nesterov's direction = 1 + 0.5 * 2 = 2, p = 1 - 0.25 * 2 = 0.5.
  std::vector<float> p = {1.0F}, v = {2.0F};
  const std::vector<float> g = {0.5F};
  sgd_update(Buffer(std::span(p)), ConstBuffer(std::span(g)), Buffer(std::span(v)),
             {.learning_rate = 0.25, .momentum = 0.5, .weight_decay = 0.5, .nesterov = true});
  EXPECT_EQ(v[0], 2.0F);
  EXPECT_EQ(p[0], 0.5F);
}

TEST(Sgd, WithoutMomentumVelocityMayBeEmpty) {
  std::vector<double> p = {1.0, 2.0};
  const std::vector<double> g = {4.0, 8.0};
  sgd_update(Buffer(std::span(p)), ConstBuffer(std::span(g)), Buffer(), {.learning_rate = 0.25});
  EXPECT_EQ(p, (std::vector<double>{0.0, 0.0}));
}

TEST(Sgd, RefusesWrongArguments) {
  std::vector<float> p(4), g(4), v(4), short_one(3);
  std::vector<double> d(4);
  std::vector<std::int32_t> n(4);
  const auto update = [&](auto& parameters, auto& gradients, auto& velocity, const SgdStep& step) {
    sgd_update(Buffer(std::span(parameters)), ConstBuffer(std::span(gradients)), Buffer(std::span(velocity)), step);
  };
  EXPECT_THROW(update(n, n, n, {.learning_rate = 1}), InvalidArgument);
  EXPECT_THROW(update(p, d, v, {.learning_rate = 1}), InvalidArgument);
  EXPECT_THROW(update(p, short_one, v, {.learning_rate = 1}), InvalidArgument);
  EXPECT_THROW(update(p, g, short_one, {.learning_rate = 1, .momentum = 0.5}), InvalidArgument);
  EXPECT_THROW(update(p, g, v, {.learning_rate = 1, .momentum = 1.0}), InvalidArgument);
  EXPECT_THROW(update(p, g, v, {.learning_rate = 1, .momentum = -0.1}), InvalidArgument);
  EXPECT_THROW(update(p, g, v, {.learning_rate = 1, .nesterov = true}), InvalidArgument);
  EXPECT_THROW(sgd_update(Buffer(p.data(), 4, DType::f32, MemorySpace::device), ConstBuffer(std::span(g)), Buffer(),
                          {.learning_rate = 1}),
               InvalidArgument);
  EXPECT_THROW(arithmetic::check_sgd_arguments(Buffer(std::span(p)), ConstBuffer(std::span(g)), Buffer(),
                                               {.learning_rate = 1}, MemorySpace::device),
               InvalidArgument);
}

}  // namespace
}  // namespace tutti::test
