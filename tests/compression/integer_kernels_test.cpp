// Integers on a shared scale: every instruction set against the definition written out in scalars, exact examples,
// ranks in emulation, values at which scales end, and draws.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <tests/compression/naive_integers.hpp>
#include <tests/kernels/targets.hpp>
#include <tutti/compression/block/block_codec.hpp>
#include <tutti/compression/codecs.hpp>
#include <tutti/compression/integers/integer_plan.hpp>
#include <tutti/kernels/codecs/draws.hpp>
#include <tutti/kernels/codecs/shared_scale.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/philox.hpp>

namespace tutti {
namespace {

using detail::IntegerPlan;
using detail::plan_integers;
using test::magnitude_of;
using test::naive_code;
using test::naive_draw;
using test::unit_of;

constexpr std::uint64_t kSeed = 11;
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/// The integer of element i among codes or their sums; those of two in an element lie `offset` above zero.
int integer_at(ConstBuffer codes, std::size_t i, std::size_t count, std::size_t block, int offset) {
  const auto at = [&]<class T>(T, std::size_t k) { return static_cast<int>(static_cast<const T*>(codes.data)[k]); };
  if (codes.dtype == DType::i32) return at(std::int32_t{}, i);
  if (codes.dtype == DType::i16) return at(std::int16_t{}, i);
  if (codes.dtype == DType::i8) return at(std::int8_t{}, i);
  const std::size_t first = i / block * block;
  const std::size_t half = (std::min(block, count - first) + 1) / 2;
  const std::size_t inside = i - first;
  const std::size_t k = first / 2 + inside % half;
  if (codes.dtype == DType::u16) return (at(std::uint16_t{}, k) >> (inside < half ? 0 : 8) & 255) - offset;
  return (at(std::uint8_t{}, k) >> (inside < half ? 0 : 4) & 15) - offset;
}

/// Memory of codes with guard bytes behind.
class Codes {
 public:
  Codes(const IntegerPlan& plan, DType dtype, std::size_t count)
      : block_(plan.grid.block), values_(count), count_(code_count(count, block_, dtype)), dtype_(dtype) {
    bytes_.assign(count_ * size_of(dtype) + kGuard, std::byte{0});
    std::fill(bytes_.end() - kGuard, bytes_.end(), std::byte{0xA5});
  }
  Buffer buffer() { return {bytes_.data(), count_, dtype_}; }
  int at(std::size_t i, int offset) { return integer_at(buffer(), i, values_, block_, offset); }
  bool is_guarded() const {
    return std::all_of(bytes_.end() - kGuard, bytes_.end(), [](std::byte b) { return b == std::byte{0xA5}; });
  }

 private:
  static constexpr std::ptrdiff_t kGuard = 64;
  std::size_t block_, values_, count_;
  DType dtype_;
  std::vector<std::byte> bytes_;
};

IntegerPlan plan_of(const std::string& codec, std::size_t ranks) { return plan_integers(codec_settings(codec), ranks); }

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

// ---- Exact examples

/// 4 ranks leave 8 bits 31 integers to either side; 15.5 becomes 16, and the errors stay below 4 / 62.
TEST(SharedScale, OfFourRanksInEightBits) {
  const Emulated found =
      emulate(plan_of("int8", 4), {{.9F, -.31F, .02F}, {.5F, .11F, -.015F}, {-.2F, .4F, .01F}, {1, -1, 0}});
  EXPECT_EQ(found.codes, (std::vector<std::vector<int>>{{28, -10, 1}, {16, 3, 0}, {-6, 12, 0}, {31, -31, 0}}));
  EXPECT_EQ(found.sums, (std::vector<int>{69, -26, 1}));
  expect_near(found.decoded, {69.0 / 31, -26.0 / 31, 1.0 / 31});
}

TEST(SharedScale, OfEightRanksInSixteenBits) {
  std::vector<std::vector<float>> rows(8, std::vector<float>(3));
  rows[3] = {0.3F, -0.75F, 1e-4F};
  const Emulated found = emulate(plan_of("int16", 8), rows);
  EXPECT_EQ(found.codes[3], (std::vector<int>{1638, -4095, 1}));
  expect_near(found.decoded, {0.3, -0.75, 0.75 / 4095});
}

/// The scalar definition with draws that are given, which the kernels are compared with below.
TEST(SharedScale, RoundsUpWhereTheDrawIsBelowTheFraction) {
  const float rows[4][3] = {{.9F, -.31F, .02F}, {.5F, .11F, -.015F}, {-.2F, .4F, .01F}, {1, -1, 0}};
  const float draws[4][3] = {{.5F, .25F, .9F}, {.1F, .75F, .1F}, {.3F, .6F, .7F}, {.999F, .5F, .5F}};
  const int codes[4][3] = {{28, -9, 0}, {16, 3, 0}, {-6, 12, 0}, {31, -31, 0}};
  for (int r = 0; r < 4; ++r)
    for (int i = 0; i < 3; ++i)
      EXPECT_EQ(naive_code(rows[r][i], 1.0F, {.limit = 31}, draws[r][i]), codes[r][i]) << r << i;
}

TEST(SharedScale, LeavesSumsTheRoomTheyNeed) {
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
TEST(SharedScale, WidensSumsOfManyRanks) {
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

TEST(SharedScale, RefusesMoreRanksThanThereIsRoomFor) {
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
TEST(SharedScale, SumsOfTheLargestValuesAreExact) {
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

// ---- Draws

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
        const Draw source = {.seed = kSeed, .stream = stream};
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
  for (std::size_t i = 0; i < kCount; ++i) values[i] = static_cast<float>(random_uniform(kSeed, 5, i) * 100);
  values[0] = static_cast<float>(plan.grid.limit);  // a unit is 1
  const std::uint32_t largest = magnitude_of(values[0]);
  double error = 0.0;
  for (std::uint64_t step = 0; step < 8; ++step) {
    std::vector<double> sum(kCount);
    for (std::size_t r = 0; r < kRanks; ++r) {
      const Draw source = {.seed = kSeed, .stream = detail::draw_stream(step, 3, r)};
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
