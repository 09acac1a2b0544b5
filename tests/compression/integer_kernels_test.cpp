// Integers on a shared scale: every instruction set against the definition written out in scalars, and values at which
// scales end.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tests/compression/naive_integers.hpp>
#include <tests/kernels/targets.hpp>
#include <tutti/compression/integers/integer_plan.hpp>
#include <tutti/kernels/codecs/shared_scale.hpp>
#include <tutti/kernels/philox.hpp>

namespace tutti {
namespace {

using detail::IntegerPlan;
using test::Codes;
using test::magnitude_of;
using test::naive_code;
using test::naive_draw;
using test::plan_of;
using test::unit_of;

constexpr std::uint64_t kSeed = 11;
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// ---- Every instruction set

struct Case {
  std::string codec;
  std::size_t ranks;
};

std::vector<float> random_values(std::size_t count, std::uint64_t stream) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto exponent = static_cast<int>(random_u64(kSeed, stream + 1, i) % 9) - 12;
    values[i] = std::ldexp(static_cast<float>(random_uniform(kSeed, stream, i) - 0.5), exponent);
  }
  return values;
}

void compare_with_definition(const Case& at, std::size_t count, bool feedback, bool stochastic) {
  const IntegerPlan plan = plan_of(at.codec, at.ranks);
  const std::size_t block = plan.grid.block;
  const int limit = plan.grid.limit;
  const std::vector<float> values = random_values(count, 3 * count);
  const std::vector<float> before = feedback ? random_values(count, 7 * count + 1) : std::vector<float>();
  std::vector<float> p = values;
  for (std::size_t i = 0; i < before.size(); ++i) p[i] += before[i];
  std::vector<std::uint32_t> largest((count + block - 1) / block);
  for (std::size_t i = 0; i < count; ++i) largest[i / block] = std::max(largest[i / block], magnitude_of(p[i]));
  const Draw source = {.seed = kSeed, .stream = 99, .first = 2048};
  std::vector<int> codes(count);
  std::vector<float> after = before;
  std::vector<float> decoded(count);
  CodeSums squares;
  for (std::size_t i = 0; i < count; ++i) {
    const auto m = std::bit_cast<float>(largest[i / block]);
    codes[i] = naive_code(p[i], m, plan.grid, stochastic ? naive_draw(source, i) : -1.0F);
    const float own = static_cast<float>(codes[i]) * unit_of(m, plan.grid);
    if (feedback) after[i] = p[i] - own;
    decoded[i] = static_cast<float>(codes[i]) * unit_of(m, plan.grid);
    squares.squares += std::pow(static_cast<double>(p[i]), 2);
    squares.errors += std::pow(static_cast<double>(p[i] - own), 2);
  }
  CodeSums first;
  bool is_first = true;
  test::for_each_target([&] {
    std::vector<std::uint32_t> found(largest.size());
    largest_magnitudes(values, before, block, found);
    EXPECT_EQ(found, largest);
    Codes encoded(plan, plan.codes, count);
    std::vector<float> residual = before;
    std::vector<std::uint32_t> held(feedback ? largest.size() : 0);
    const CodeSums sums =
        encode_shared(values, residual, plan.grid, largest, stochastic ? &source : nullptr, encoded.buffer(), held);
    for (std::size_t b = 0; b < held.size(); ++b) {
      std::uint32_t expected = 0;
      for (std::size_t i = b * block; i < std::min(count, (b + 1) * block); ++i)
        expected = std::max(expected, magnitude_of(after[i]));
      EXPECT_EQ(held[b], expected);
    }
    for (std::size_t i = 0; i < count; ++i) ASSERT_EQ(encoded.at(i, limit), codes[i]) << i;
    EXPECT_EQ(residual, after);
    EXPECT_TRUE(encoded.is_guarded());
    if (is_first) first = sums;
    is_first = false;
    EXPECT_EQ(sums.squares, first.squares);  // to the bit
    EXPECT_EQ(sums.errors, first.errors);
    EXPECT_NEAR(sums.squares, squares.squares, 1e-5 * squares.squares);
    EXPECT_NEAR(sums.errors, squares.errors, 1e-5 * squares.errors);
    std::vector<float> values_again(count);
    decode_shared(encoded.buffer(), plan.grid, 1, largest, 1, values_again);
    EXPECT_EQ(values_again, decoded);
    Codes wide(plan, detail::IntegerPlan(plan_of(at.codec.substr(0, at.codec.find(':')) + ":sums=wide", 1)).sums,
               count);
    add_codes(encoded.buffer(), wide.buffer());
    add_codes(encoded.buffer(), wide.buffer());
    EXPECT_TRUE(wide.is_guarded());
    decode_shared(wide.buffer(), plan.grid, 2, largest, 2, values_again);
    for (std::size_t i = 0; i < count; ++i) ASSERT_EQ(wide.at(i, 2 * limit), 2 * codes[i]) << i;
    EXPECT_EQ(values_again, decoded);
  });
}

TEST(SharedScale, EveryInstructionSetDoesWhatIsWrittenDown) {
  const Case cases[] = {{"int16", 1},          {"int16:block=64", 3}, {"int8", 2},
                        {"int8:block=256", 5}, {"int4", 1},           {"int4:block=32", 2}};
  for (const Case& at : cases)
    for (const std::size_t count : {0, 1, 2, 15, 16, 17, 33, 255, 1000, 1023, 1024, 1025, 2047, 3100})
      for (const bool feedback : {false, true})
        for (const bool stochastic : {false, true}) {
          SCOPED_TRACE(testing::Message() << at.codec << " of " << count << " values, feedback " << feedback
                                          << ", stochastic " << stochastic << ", seed " << kSeed);
          compare_with_definition(at, count, feedback, stochastic);
          if (testing::Test::HasFailure()) return;
        }
}

// ---- Where scales end

/// What one rank decodes of itself, and what it holds back then.
std::pair<std::vector<float>, std::vector<float>> through(const std::string& codec, const std::vector<float>& values,
                                                          std::vector<float> residual) {
  const IntegerPlan plan = plan_of(codec, 1);
  std::vector<std::uint32_t> largest((values.size() + plan.grid.block - 1) / plan.grid.block);
  largest_magnitudes(values, residual, plan.grid.block, largest);
  Codes codes(plan, plan.codes, values.size());
  encode_shared(values, residual, plan.grid, largest, nullptr, codes.buffer());
  std::vector<float> decoded(values.size());
  decode_shared(codes.buffer(), plan.grid, 1, largest, 1, decoded);
  return {decoded, residual};
}

TEST(SharedScale, ZerosAndTinyValuesAreHeldBack) {
  for (const char* codec : {"int16", "int8", "int4"}) {
    const std::vector<float> zeros(5);
    EXPECT_EQ(through(codec, zeros, zeros), std::pair(zeros, zeros));
    const std::vector<float> tiny = {1e-40F, -1e-44F, 0x1p-101F, 0, -0x1p-126F};
    EXPECT_EQ(through(codec, tiny, zeros), std::pair(zeros, tiny));
    const std::vector<float> least = {kLeastScale, -kLeastScale};
    for (const float value : through(codec, least, {0, 0}).first)
      EXPECT_NEAR(std::abs(static_cast<double>(value)) * 0x1p100, 1.0, 0x1p-22) << codec;
  }
}

TEST(SharedScale, TheLargestNumbersDoNotOverflow) {
  const float most = std::numeric_limits<float>::max();
  for (const char* codec :
       {"int16", "int8", "int4", "int16:scale=power_of_two", "int8:scale=power_of_two", "int4:scale=power_of_two"}) {
    const auto [decoded, residual] = through(codec, {most, -most, most / 3}, {0, 0, 0});
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_TRUE(std::isfinite(decoded[i])) << codec << i;
      EXPECT_TRUE(std::isfinite(residual[i])) << codec << i;
    }
    if (std::string_view(codec).find(':') == std::string_view::npos) {
      EXPECT_NEAR(static_cast<double>(decoded[0] / most), 1.0, 0x1p-23);
    }
  }
}

TEST(SharedScale, ABlockThatIsNotFiniteIsNanAndKeepsItsResidual) {
  for (const std::string codec : {"int16", "int8", "int4"}) {
    for (const float bad : {kNan, -kNan, kInfinity, -kInfinity}) {
      std::vector<float> values(80, 1.0F);
      values[37] = bad;
      const std::vector<float> before(80, 0.25F);
      const auto [decoded, residual] = through(codec + ":block=32", values, before);
      for (std::size_t i = 0; i < values.size(); ++i) {
        EXPECT_EQ(std::isnan(decoded[i]), i / 32 == 1) << codec << i;
        EXPECT_EQ(residual[i], i / 32 == 1 ? 0.25F : 1.25F - decoded[i]) << codec << i;
      }
    }
    // Two numbers whose sum is none.
    const float most = std::numeric_limits<float>::max();
    const auto [decoded, residual] = through(codec, {most, 1}, {most, 2});
    EXPECT_TRUE(std::isnan(decoded[0]) && std::isnan(decoded[1]));
    EXPECT_EQ(residual, (std::vector<float>{most, 2}));
  }
}

}  // namespace
}  // namespace tutti
