// Draws, and integers that are rounded by them.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <tests/compression/naive_integers.hpp>
#include <tests/kernels/targets.hpp>
#include <tutti/compression/block/block_codec.hpp>
#include <tutti/compression/integers/integer_plan.hpp>
#include <tutti/kernels/codecs/draws.hpp>
#include <tutti/kernels/codecs/shared_scale.hpp>
#include <tutti/kernels/philox.hpp>

namespace tutti {
namespace {

using detail::IntegerPlan;
using test::Codes;
using test::magnitude_of;
using test::naive_draw;
using test::plan_of;

constexpr std::uint64_t kDrawSeed = 11;

TEST(Draws, AreThoseOfPhilox) {
  const Draw source = {.seed = 42, .stream = 7};
  test::for_each_target([&] {
    for (const std::size_t count : {0, 1, 3, 4, 31, 32, 33, 1000}) {
      for (const std::uint64_t first : {std::uint64_t{0}, std::uint64_t{1024}, std::uint64_t{1} << 34}) {
        Draw at = source;
        at.first = first;
        std::vector<float> draws(count + 1, -1.0F);
        draw_uniform(at, std::span(draws).first(count));
        for (std::size_t i = 0; i < count; ++i) ASSERT_EQ(draws[i], naive_draw(at, i)) << i << " of " << count;
        EXPECT_EQ(draws[count], -1.0F);
      }
    }
    std::array<float, 4> draws{};
    draw_uniform(source, draws);
    // Of the words 0x67ee6f2c and 0xe55410cc.
    const double expected[] = {0x6f2c.8p-16, 0x67ee.8p-16, 0x10cc.8p-16, 0xe554.8p-16};
    for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(static_cast<double>(draws[i]), expected[i]);
  });
}

/// The mean over draws is the value. Of n draws of a code with fraction f the mean errs by sqrt(f (1 - f) / n) (one
/// standard deviation) in units of the grid, and of 2^16 draws half a one; 5 of them are exceeded once in 1.7
/// million.
TEST(Draws, RoundWithoutBias) {
  const IntegerPlan plan = plan_of("int8", 1);
  constexpr std::size_t kDraws = std::size_t{1} << 16;
  for (const double fraction : {0.0, 0x1p-12, 0.5, 1 - 0x1p-12}) {
    for (const int whole : {-127, -3, 0, 125}) {
      std::vector<float> values(1024, static_cast<float>(whole + fraction));
      values[0] = 127.0F;  // the scale: a unit is 1
      std::int64_t sum = 0;
      for (std::uint64_t stream = 0; stream < kDraws / 1024; ++stream) {
        const Draw source = {.seed = kDrawSeed, .stream = stream};
        const std::uint32_t largest = magnitude_of(127.0F);
        Codes codes(plan, plan.codes, values.size());
        encode_shared(values, {}, plan.grid, std::span(&largest, 1), &source, codes.buffer());
        EXPECT_EQ(codes.at(0, 0), 127);
        for (std::size_t i = 1; i < values.size(); ++i) {
          ASSERT_TRUE(codes.at(i, 0) == whole || (fraction > 0 && codes.at(i, 0) == whole + 1));
          sum += codes.at(i, 0) - whole;
        }
      }
      const auto n = static_cast<double>(kDraws - kDraws / 1024);
      EXPECT_NEAR(static_cast<double>(sum) / n, fraction, 5 * std::sqrt(fraction * (1 - fraction) / n) + 0x1p-17);
    }
  }
}

/// Ranks that round the same values draw differently, so that their errors cancel out: the mean of P roundings errs by
/// 1 / (6 P) of a squared unit on average over fractions, here 0.0208, and by 0.1667 if they drew alike.
TEST(Draws, OfRanksAreIndependent) {
  constexpr std::size_t kRanks = 8;
  const IntegerPlan plan = plan_of("int16", kRanks);
  constexpr std::size_t kCount = 1024;
  std::vector<float> values(kCount);
  for (std::size_t i = 0; i < kCount; ++i) values[i] = static_cast<float>(random_uniform(kDrawSeed, 5, i) * 100);
  values[0] = static_cast<float>(plan.grid.limit);  // a unit is 1
  const std::uint32_t largest = magnitude_of(values[0]);
  double error = 0.0;
  for (std::uint64_t step = 0; step < 8; ++step) {
    std::vector<double> sum(kCount);
    for (std::size_t r = 0; r < kRanks; ++r) {
      const Draw source = {.seed = kDrawSeed, .stream = detail::draw_stream(step, 3, r)};
      Codes codes(plan, plan.codes, kCount);
      encode_shared(values, {}, plan.grid, std::span(&largest, 1), &source, codes.buffer());
      for (std::size_t i = 0; i < kCount; ++i) sum[i] += codes.at(i, 0);
    }
    for (std::size_t i = 0; i < kCount; ++i)
      error += std::pow(sum[i] / static_cast<double>(kRanks) - static_cast<double>(values[i]), 2);
  }
  EXPECT_LT(error / (8 * kCount), 0.03);
}

}  // namespace
}  // namespace tutti
