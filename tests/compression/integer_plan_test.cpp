// Integers on a shared scale: exact examples, and ranks in emulation, as many as there is room for and more.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include <tests/compression/naive_integers.hpp>
#include <tutti/compression/integers/integer_plan.hpp>
#include <tutti/kernels/codecs/shared_scale.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti {
namespace {

using detail::IntegerPlan;
using test::Codes;
using test::naive_code;
using test::plan_of;

std::vector<std::uint32_t> largest_of(const std::vector<std::vector<float>>& rows, std::size_t block) {
  std::vector<std::uint32_t> largest((rows[0].size() + block - 1) / block);
  for (const std::vector<float>& row : rows) {
    std::vector<std::uint32_t> own(largest.size());
    largest_magnitudes(row, {}, block, own);
    for (std::size_t b = 0; b < own.size(); ++b) largest[b] = std::max(largest[b], own[b]);
  }
  return largest;
}

struct Emulated {
  std::vector<std::vector<int>> codes;  ///< a row for each rank
  std::vector<int> sums;
  std::vector<float> decoded;
};

/// What ranks with these contributions give.
Emulated emulate(const IntegerPlan& plan, const std::vector<std::vector<float>>& rows, int divisor = 1) {
  const std::size_t count = rows[0].size();
  const auto ranks = static_cast<int>(rows.size());
  const std::vector<std::uint32_t> largest = largest_of(rows, plan.grid.block);
  Codes sums(plan, plan.sums, count);
  Emulated result;
  for (const std::vector<float>& row : rows) {
    Codes codes(plan, plan.codes, count);
    encode_shared(row, {}, plan.grid, largest, nullptr, codes.buffer());
    auto& own = result.codes.emplace_back();
    for (std::size_t i = 0; i < count; ++i) own.push_back(codes.at(i, plan.grid.limit));
    if (plan.widens()) {
      add_codes(codes.buffer(), sums.buffer());
    } else {  // any allreduce: here in the order of ranks, byte by byte where there are two in a byte
      const auto add = [&]<class T>(T) {
        auto* to = static_cast<T*>(sums.buffer().data);
        const auto* from = static_cast<const T*>(codes.buffer().data);
        for (std::size_t i = 0; i < sums.buffer().count; ++i) to[i] = static_cast<T>(to[i] + from[i]);
      };
      if (plan.codes == DType::i16) add(std::int16_t{});
      if (plan.codes == DType::i8) add(std::int8_t{});
      if (plan.codes == DType::u8) add(std::uint8_t{});
    }
  }
  for (std::size_t i = 0; i < count; ++i) result.sums.push_back(sums.at(i, plan.grid.limit * ranks));
  result.decoded.resize(count);
  decode_shared(sums.buffer(), plan.grid, ranks, largest, divisor, result.decoded);
  return result;
}

void expect_near(const std::vector<float>& values, const std::vector<double>& expected) {
  ASSERT_EQ(values.size(), expected.size());
  for (std::size_t i = 0; i < values.size(); ++i) EXPECT_NEAR(static_cast<double>(values[i]), expected[i], 5e-8) << i;
}

/// 4 ranks leave 8 bits 31 integers to either side; 15.5 becomes 16, and the errors stay below 4 / 62.
TEST(IntegerPlans, OfFourRanksInEightBits) {
  const Emulated found =
      emulate(plan_of("int8", 4), {{.9F, -.31F, .02F}, {.5F, .11F, -.015F}, {-.2F, .4F, .01F}, {1, -1, 0}});
  EXPECT_EQ(found.codes, (std::vector<std::vector<int>>{{28, -10, 1}, {16, 3, 0}, {-6, 12, 0}, {31, -31, 0}}));
  EXPECT_EQ(found.sums, (std::vector<int>{69, -26, 1}));
  expect_near(found.decoded, {69.0 / 31, -26.0 / 31, 1.0 / 31});
}

TEST(IntegerPlans, OfEightRanksInSixteenBits) {
  std::vector<std::vector<float>> rows(8, std::vector<float>(3));
  rows[3] = {0.3F, -0.75F, 1e-4F};
  const Emulated found = emulate(plan_of("int16", 8), rows);
  EXPECT_EQ(found.codes[3], (std::vector<int>{1638, -4095, 1}));
  expect_near(found.decoded, {0.3, -0.75, 0.75 / 4095});
}

/// The scalar definition with draws that are given, which the kernels are compared with below.
TEST(IntegerPlans, RoundsUpWhereTheDrawIsBelowTheFraction) {
  const float rows[4][3] = {{.9F, -.31F, .02F}, {.5F, .11F, -.015F}, {-.2F, .4F, .01F}, {1, -1, 0}};
  const float draws[4][3] = {{.5F, .25F, .9F}, {.1F, .75F, .1F}, {.3F, .6F, .7F}, {.999F, .5F, .5F}};
  const int codes[4][3] = {{28, -9, 0}, {16, 3, 0}, {-6, 12, 0}, {31, -31, 0}};
  for (int r = 0; r < 4; ++r)
    for (int i = 0; i < 3; ++i)
      EXPECT_EQ(naive_code(rows[r][i], 1.0F, {.limit = 31}, draws[r][i]), codes[r][i]) << r << i;
}

TEST(IntegerPlans, LeavesSumsTheRoomTheyNeed) {
  const auto limit = [](const std::string& codec, std::size_t ranks) { return plan_of(codec, ranks).grid.limit; };
  const std::size_t ranks[] = {1, 2, 4, 7, 8, 16, 32, 64, 127};
  const int of16[] = {32767, 16383, 8191, 4681, 4095, 2047, 1023, 511, 258};
  const int of8[] = {127, 63, 31, 18, 15, 7, 3, 1, 1};
  for (std::size_t i = 0; i < std::size(ranks); ++i) {
    EXPECT_EQ(limit("int16:sums=narrow", ranks[i]), of16[i]);
    EXPECT_EQ(limit("int8:sums=narrow", ranks[i]), of8[i]);
  }
  EXPECT_EQ(limit("int4:sums=narrow", 2), 3);
  EXPECT_EQ(limit("int4:sums=narrow", 3), 2);
  EXPECT_EQ(limit("int4:sums=narrow", 7), 1);
}

/// Sums are widened where fewer than 4 bits, or 2 of 4, would be left of a code.
TEST(IntegerPlans, WidensSumsOfManyRanks) {
  EXPECT_FALSE(plan_of("int8", 8).widens());
  EXPECT_TRUE(plan_of("int8", 9).widens());
  EXPECT_EQ(plan_of("int8", 9).grid.limit, 127);
  EXPECT_EQ(plan_of("int8", 2184).grid.limit, 15);
  EXPECT_FALSE(plan_of("int4", 2).widens());
  EXPECT_TRUE(plan_of("int4", 3).widens());
  EXPECT_EQ(plan_of("int4", 18).grid.limit, 7);
  EXPECT_EQ(plan_of("int4", 42).grid.limit, 3);
  EXPECT_FALSE(plan_of("int16", 2184).widens());
  EXPECT_TRUE(plan_of("int16", 2185).widens());
  EXPECT_EQ(plan_of("int16", 65538).grid.limit, 32767);
}

std::string refusal_of(const std::string& codec, std::size_t ranks) {
  try {
    plan_of(codec, ranks);
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return "nothing thrown";
}

TEST(IntegerPlans, RefusesMoreRanksThanThereIsRoomFor) {
  EXPECT_EQ(refusal_of("int8:sums=narrow", 128),
            "codec 'int8:sums=narrow': 128 ranks leave integers up to 0 without an overflow of their sum, and 1 are "
            "needed; sums=wide would do");
  EXPECT_EQ(refusal_of("int4:sums=narrow", 8),
            "codec 'int4:sums=narrow': 8 ranks leave integers up to 0 without an overflow of their sum, and 1 are "
            "needed; sums=wide would do");
  EXPECT_EQ(
      refusal_of("int8", 2185),
      "codec 'int8': 2185 ranks leave integers up to 14 without an overflow of their sum, and 15 are needed; int16 "
      "would do");
  EXPECT_EQ(refusal_of("int4", 43),
            "codec 'int4': 43 ranks leave integers up to 2 without an overflow of their sum, and 3 are needed; int8 "
            "would do");
  EXPECT_NE(refusal_of("int4:sums=wide", 128), "nothing thrown");
}

/// As many ranks as there is room for, all with the largest value: nothing wraps around.
TEST(IntegerPlans, SumsOfTheLargestValuesAreExact) {
  const std::pair<const char*, std::size_t> cases[] = {{"int8:sums=narrow", 127}, {"int8:sums=wide", 258},
                                                       {"int4:sums=narrow", 7},   {"int4:sums=wide", 18},
                                                       {"int4:sums=wide", 127},   {"int16", 600}};
  for (const auto& [codec, ranks] : cases) {
    for (const float sign : {1.0F, -1.0F}) {
      const Emulated found = emulate(plan_of(codec, ranks), std::vector(ranks, std::vector<float>(5, sign)));
      EXPECT_EQ(found.sums, std::vector<int>(
                                5, static_cast<int>(sign) * static_cast<int>(ranks) * plan_of(codec, ranks).grid.limit))
          << codec;
      for (const float value : found.decoded)
        EXPECT_NEAR(static_cast<double>(value), static_cast<double>(sign) * static_cast<double>(ranks),
                    static_cast<double>(ranks) * 0x1p-22)
            << codec;
    }
  }
}

}  // namespace
}  // namespace tutti
