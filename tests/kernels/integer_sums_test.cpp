// Sums of f32 by integers: every instruction set against the definition written out in f64, and the values at which
// integers overflow or scales end.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/integer_sums.hpp>
#include <tutti/kernels/philox.hpp>

#include "targets.hpp"

namespace tutti::test {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

std::uint8_t naive_scale(float value) {
  return static_cast<std::uint8_t>(std::bit_cast<std::uint32_t>(value) >> 23 & 255U);
}

/// Exponent of the integers, from the header.
int naive_exponent(std::uint8_t scale, int bits) { return std::min(bits + 126 - int{scale}, 126); }

std::int32_t naive_integer(float value, std::uint8_t scale, int bits) {
  return static_cast<std::int32_t>(std::nearbyint(std::ldexp(static_cast<double>(value), naive_exponent(scale, bits))));
}

/// One block or less: its scale, and sums of the integers of values.
struct Sum {
  std::vector<std::int32_t> sums;
  std::uint8_t scale;
  std::uint8_t largest = 0;
  int bits;

  Sum(std::size_t n, std::uint8_t scale_of_block, std::uint64_t addends)
      : sums(n), scale(scale_of_block), bits(integer_bits(addends)) {}
  void add(const std::vector<float>& values) {
    add_as_integers(ConstBuffer(std::span(values)), sums, std::span(&scale, 1), std::span(&largest, 1), bits);
  }
  std::vector<float> values() const {
    std::vector<float> result(sums.size());
    integers_to_values(sums, Buffer(std::span(result)), std::span(&scale, 1), bits);
    return result;
  }
};

TEST(IntegerSums, EveryInstructionSetDoesWhatIsWrittenDown) {
  constexpr int kBits = 28;
  for (const std::size_t n : {0U, 1U, 3U, 16U, 37U, 1023U, 1024U, 1025U, 3000U}) {
    const std::size_t blocks = (n + kNormBlock - 1) / kNormBlock;
    std::vector<float> values(n);
    std::vector<std::uint8_t> scales(blocks), largest(blocks), needed(blocks);
    for (std::size_t i = 0; i < n; ++i) {
      const auto size = static_cast<int>(random_u64(1, 2, i) % 40) - 60;
      values[i] = std::ldexp(static_cast<float>(random_uniform(1, 1, i) - 0.5), size);
      needed[i / kNormBlock] = std::max(needed[i / kNormBlock], naive_scale(values[i]));
    }
    // The scale of the second block is one too small.
    for (std::size_t b = 0; b < blocks; ++b)
      scales[b] = static_cast<std::uint8_t>(b == 1 ? needed[b] - 1 : needed[b] + b);
    std::vector<std::int32_t> expected(n);
    for (std::size_t i = 0; i < n; ++i) {
      expected[i] = static_cast<std::int32_t>(i) - 500;
      if (i / kNormBlock != 1) expected[i] += naive_integer(values[i], scales[i / kNormBlock], kBits);
    }
    for_each_target([&] {
      std::vector<float> left = values;
      std::vector<std::int32_t> sums(n);
      for (std::size_t i = 0; i < n; ++i) sums[i] = static_cast<std::int32_t>(i) - 500;
      std::fill(largest.begin(), largest.end(), std::uint8_t{3});
      add_as_integers(Buffer(std::span(left)), sums, scales, largest, kBits);
      EXPECT_EQ(sums, expected) << n << " values";
      EXPECT_EQ(largest, needed) << n << " values";
      integers_to_values(sums, Buffer(std::span(left)), scales, kBits);
      for (std::size_t i = 0; i < n; ++i)
        EXPECT_EQ(left[i], static_cast<float>(std::ldexp(static_cast<double>(static_cast<float>(sums[i])),
                                                         -naive_exponent(scales[i / kNormBlock], kBits))))
            << "value " << i << " of " << n;
      EXPECT_FALSE(testing::Test::HasFailure());
    });
  }
}

TEST(IntegerSums, TiesGoToEvenIntegers) {
  for_each_target([] {
    Sum sum(4, 127, 1);  // values below 2, in units of 2^-30
    sum.add({std::ldexp(0.5F, -30), std::ldexp(1.5F, -30), std::ldexp(-2.5F, -30), std::ldexp(-0.5F, -30)});
    EXPECT_EQ(sum.sums, (std::vector<std::int32_t>{0, 2, -2, 0}));
  });
}

TEST(IntegerSums, TheLargestValuesOfAllAddendsDoNotOverflow) {
  for_each_target([] {
    for (const std::uint64_t addends : {1U, 2U, 3U, 8U, 100U, 128U, 129U, 256U, 257U, 1000U, 4096U}) {
      const float below_two = std::nextafter(2.0F, 0.0F);
      Sum sum(2, naive_scale(below_two), addends);
      std::int64_t exact = 0;
      for (std::uint64_t i = 0; i < addends; ++i) {
        sum.add({below_two, -below_two});
        exact += naive_integer(below_two, sum.scale, sum.bits);
      }
      EXPECT_LT(exact, std::int64_t{1} << 31) << addends;
      EXPECT_GE(exact, std::int64_t{1} << (addends == 1 ? 30 : 28)) << addends << " addends: bits are wasted";
      EXPECT_EQ(sum.sums[0], exact) << addends;
      EXPECT_EQ(sum.sums[1], -exact) << addends;
    }
  });
}

TEST(IntegerSums, APowerOfTwoNeedsTheNextScale) {
  for_each_target([] {
    Sum sum(1, naive_scale(std::nextafter(1.0F, 0.0F)), 2);
    sum.add({std::nextafter(1.0F, 0.0F)});
    EXPECT_EQ(sum.largest, sum.scale) << "fits";
    sum.add({1.0F});
    EXPECT_EQ(sum.largest, sum.scale + 1) << "does not";
    sum.add({-1.0F});
    EXPECT_EQ(sum.largest, sum.scale + 1) << "nor does its negative";
  });
}

TEST(IntegerSums, ExactValuesStayExactAtEveryScale) {
  for_each_target([] {
    for (const float value : {1.0F, -3.0F, 1023.0F / 1024}) {
      for (int scale = naive_scale(value); scale <= naive_scale(value) + 10; ++scale) {
        Sum sum(1, static_cast<std::uint8_t>(scale), 8);
        for (int i = 0; i < 8; ++i) sum.add({value});
        EXPECT_EQ(sum.values()[0], 8 * value) << scale;
      }
    }
  });
}

TEST(IntegerSums, WhatIsNotFiniteFitsNoScale) {
  for_each_target([] {
    for (const float wrong : {kNan, -kNan, kInfinity, -kInfinity}) {
      for (const std::uint8_t scale : {std::uint8_t{100}, kNotFiniteScale}) {
        std::vector<float> values(40, 1e-20F);
        for (const std::size_t place : {0U, 15U, 39U}) {
          Sum sum(values.size(), scale, 2);
          std::vector<float> with = values;
          with[place] = wrong;
          sum.add(with);
          EXPECT_EQ(sum.largest, kNotFiniteScale);
          EXPECT_EQ(sum.sums, std::vector<std::int32_t>(values.size())) << "nothing is added";
        }
      }
    }
  });
}

TEST(IntegerSums, ZerosAndTheSmallestAndLargestValuesHaveScales) {
  for_each_target([] {
    Sum zeros(3, 0, 8);
    zeros.add({0.0F, -0.0F, 0.0F});
    EXPECT_EQ(zeros.largest, 0);
    for (const float value : zeros.values()) EXPECT_EQ(std::bit_cast<std::uint32_t>(value), 0U) << "+0";

    constexpr float kSmallest = std::numeric_limits<float>::min();
    Sum small(4, 0, 8);
    small.add(
        {std::nextafter(kSmallest, 0.0F), std::numeric_limits<float>::denorm_min(), kSmallest / 4, -kSmallest * 3 / 4});
    EXPECT_EQ(small.largest, 0) << "denormal values count as zeros";
    EXPECT_EQ(small.values(), (std::vector<float>{kSmallest, 0.0F, 0.0F, -kSmallest}));

    constexpr float kLargest = std::numeric_limits<float>::max();
    Sum large(2, kNotFiniteScale - 1, 8);
    large.add({kLargest, -kLargest / 2});
    EXPECT_EQ(large.largest, kNotFiniteScale - 1);
    EXPECT_EQ(large.values(), (std::vector<float>{kLargest, -kLargest / 2}));
    large.add({kLargest, -kLargest / 2});
    EXPECT_EQ(large.values(), (std::vector<float>{kInfinity, -kLargest})) << "beyond f32, not beyond the integers";
  });
}

TEST(IntegerSums, OrderDoesNotMatter) {
  constexpr std::size_t kValues = 100, kAddends = 16;
  std::vector<std::vector<float>> addends(kAddends, std::vector<float>(kValues));
  for (std::size_t a = 0; a < kAddends; ++a)
    for (std::size_t i = 0; i < kValues; ++i)
      addends[a][i] = static_cast<float>((random_uniform(3, a, i) - 0.5) * std::pow(10.0, i % 7));
  const auto sum_of = [&](std::size_t step) {
    Sum sum(kValues, naive_scale(1e6F), kAddends);
    for (std::size_t a = 0; a < kAddends; ++a) sum.add(addends[a * step % kAddends]);
    return sum.values();
  };
  const std::vector<float> first = sum_of(1);
  for (const std::size_t step : {3U, 7U, 15U}) EXPECT_EQ(sum_of(step), first);
}

TEST(IntegerSums, RefusesWhatItCannotDo) {
  std::vector<float> values(2000);
  std::vector<double> wide(2000);
  std::vector<std::int32_t> sums(2000);
  std::vector<std::uint8_t> two(2), one(1);
  EXPECT_THROW(add_as_integers(Buffer(std::span(wide)), sums, two, two, 28), InvalidArgument);
  EXPECT_THROW(add_as_integers(Buffer(std::span(values)), std::span(sums).first(1999), two, two, 28), InvalidArgument);
  EXPECT_THROW(add_as_integers(Buffer(std::span(values)), sums, one, two, 28), InvalidArgument);
  EXPECT_THROW(add_as_integers(Buffer(std::span(values)), sums, two, one, 28), InvalidArgument);
  EXPECT_THROW(integers_to_values(sums, Buffer(std::span(values)), two, 32), InvalidArgument);
  EXPECT_THROW(integers_to_values(sums, Buffer(std::span(values)), two, 17), InvalidArgument);
}

}  // namespace
}  // namespace tutti::test
