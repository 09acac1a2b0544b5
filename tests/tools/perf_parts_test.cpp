// The parts of `tutti perf` that need no MPI: sizes, names, percentiles, and the check of results, which must find what
// is wrong: against a reduction written down naively here, and with errors put in.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <vector>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

#include "tools/command_line.hpp"
#include "tools/perf/measure.hpp"

namespace tutti::tools {
namespace {

TEST(Size, IsReadAndWritten) {
  EXPECT_EQ(parse_size("--min", "8"), 8U);
  EXPECT_EQ(parse_size("--min", "4K"), 4096U);
  EXPECT_EQ(parse_size("--min", "4kB"), 4096U);
  EXPECT_EQ(parse_size("--min", "256M"), std::size_t{256} << 20);
  EXPECT_EQ(parse_size("--min", "3GiB"), std::size_t{3} << 30);
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{1000}, std::size_t{65536}, std::size_t{7} << 30})
    EXPECT_EQ(parse_size("--min", format_size(bytes)), bytes);
  EXPECT_EQ(format_size(65536), "64K");
}

TEST(Size, NonsenseIsNamed) {
  for (const char* size : {"", "K", "-1", "12Q", "1.5M", "8iB", "99999999999999999999", "8000000000G", "4K "}) {
    try {
      parse_size("--max", size);
      ADD_FAILURE() << "'" << size << "' was taken for a size";
    } catch (const InvalidArgument& error) {
      EXPECT_NE(std::string(error.what()).find(text("--max: '", size, "'")), std::string::npos) << error.what();
    }
  }
}

TEST(Summary, MedianAndPercentile) {
  EXPECT_EQ(summarize({5}).median, 5);
  EXPECT_EQ(summarize({4, 1, 3, 2}).median, 2.5);
  std::vector<double> samples;
  for (int i = 200; i >= 1; --i) samples.push_back(i);
  EXPECT_EQ(summarize(samples).median, 100.5);
  EXPECT_EQ(summarize(samples).p99, 198);
  EXPECT_EQ(summarize({1, 2, 9}).p99, 9);
}

TEST(Iterations, DependOnSizeAlone) {
  EXPECT_EQ(iterations_for(0), 1000);
  EXPECT_EQ(iterations_for(8), 1000);
  EXPECT_EQ(iterations_for(std::size_t{1} << 40), 10);
  EXPECT_GT(iterations_for(1 << 20), iterations_for(16 << 20));
}

TEST(Iterations, OfBatchesAreFewer) {
  EXPECT_EQ(batch_for(0), 64);
  EXPECT_EQ(batch_for(8), 64);
  EXPECT_EQ(batch_for(4096), 32);
  EXPECT_EQ(batch_for(128 << 10), 1);
  EXPECT_EQ(batch_for(std::size_t{1} << 40), 1);
  EXPECT_EQ(iterations_for(8, 64), 15);
  EXPECT_EQ(iterations_for(8, 1000), 10);
}

/// What rank `rank` contributes, as bytes.
std::vector<std::byte> contribution(const Pattern& pattern, DType dtype, std::size_t count, int rank, int iteration) {
  std::vector<std::byte> bytes(count * size_of(dtype));
  pattern.fill(Buffer(bytes.data(), count, dtype), rank, 0, iteration);
  return bytes;
}

constexpr std::size_t kCount = 3001;  // more than the pattern's tile, and nothing divides it

TEST(Pattern, RightResultsOfEveryTypeAndOperatorPass) {
  for (const int ranks : {1, 2, 3, 7, 64, 200}) {
    for (const DType dtype : kAllDTypes) {
      for (const ReduceOp op : kAllReduceOps) {
        if (!is_supported(op, dtype)) continue;
        const auto pattern = Pattern::for_reduction(dtype, op, ranks);
        auto result = contribution(pattern, dtype, kCount, 0, 3);
        const Buffer sum(result.data(), kCount, dtype);
        for (int rank = 1; rank < ranks; ++rank) {
          const auto next = contribution(pattern, dtype, kCount, rank, 3);
          reduce_local(op, sum, ConstBuffer(next.data(), kCount, dtype), sum);
        }
        finish_reduction(op, sum, ranks);
        EXPECT_EQ(pattern.count_wrong_result(sum, 0, 3), 0U)
            << name(op) << " " << name(dtype) << ", " << ranks << " ranks";
      }
    }
  }
}

TEST(Pattern, OrderOfReductionDoesNotMatter) {
  for (const DType dtype : {DType::bf16, DType::f16, DType::f32}) {
    for (const ReduceOp op : {ReduceOp::sum, ReduceOp::avg, ReduceOp::prod}) {
      constexpr int kRanks = 5;
      const auto pattern = Pattern::for_reduction(dtype, op, kRanks);
      auto result = contribution(pattern, dtype, kCount, kRanks - 1, 0);
      const Buffer sum(result.data(), kCount, dtype);
      for (int rank = kRanks - 2; rank >= 0; --rank) {
        const auto next = contribution(pattern, dtype, kCount, rank, 0);
        reduce_local(op, ConstBuffer(next.data(), kCount, dtype), sum, sum);
      }
      finish_reduction(op, sum, kRanks);
      EXPECT_EQ(pattern.count_wrong_result(sum, 0, 0), 0U) << name(op) << " " << name(dtype);
    }
  }
}

/// The result of a sum over three ranks, with ways to spoil it.
class SpoiledSum : public testing::Test {
 protected:
  static constexpr int kRanks = 3;
  static constexpr int kIteration = 4;

  std::vector<float> sum_of(const std::vector<int>& contributors) const {
    std::vector<float> sum(kCount, 0.0F);
    for (const int rank : contributors) {
      std::vector<float> next(kCount);
      pattern_.fill(Buffer(std::span(next)), rank, 0, kIteration);
      for (std::size_t i = 0; i < kCount; ++i) sum[i] += next[i];
    }
    return sum;
  }
  std::size_t wrong(std::vector<float>& result, int iteration = kIteration) const {
    return pattern_.count_wrong_result(Buffer(std::span(result)), 0, iteration);
  }

  Pattern pattern_ = Pattern::for_reduction(DType::f32, ReduceOp::sum, kRanks);
};

TEST_F(SpoiledSum, TheRightOnePasses) {
  auto result = sum_of({0, 1, 2});
  EXPECT_EQ(wrong(result), 0U);
}

TEST_F(SpoiledSum, EveryWrongElementIsCounted) {
  auto result = sum_of({0, 1, 2});
  result.front() += 1;
  result[1500] = -result[1500];
  result.back() *= 1.0000001F;  // one unit in the last place
  EXPECT_EQ(wrong(result), 3U);
}

TEST_F(SpoiledSum, AMissingOrDoubledContributionIsWrongEverywhere) {
  auto missing = sum_of({0, 2});
  EXPECT_EQ(wrong(missing), kCount);
  auto doubled = sum_of({0, 1, 1, 2});
  EXPECT_EQ(wrong(doubled), kCount);
}

TEST_F(SpoiledSum, AResultOfTheIterationBeforeIsWrong) {
  auto result = sum_of({0, 1, 2});
  EXPECT_GT(wrong(result, kIteration + 1), kCount / 2);
}

TEST_F(SpoiledSum, AMisplacedBlockIsWrong) {
  auto result = sum_of({0, 1, 2});
  std::memmove(result.data() + 1024, result.data(), 1024 * sizeof(float));
  EXPECT_GT(wrong(result), 512U);
}

TEST(Movement, AnotherRanksDataIsWrongEverywhere) {
  for (const DType dtype : kAllDTypes) {
    const auto pattern = Pattern::for_movement(dtype, 7);
    auto data = contribution(pattern, dtype, kCount, 4, 2);
    const ConstBuffer got(data.data(), kCount, dtype);
    EXPECT_EQ(pattern.count_wrong(got, 4, 0, 2), 0U) << name(dtype);
    EXPECT_EQ(pattern.count_wrong(got, 5, 0, 2), kCount) << name(dtype);
    EXPECT_GT(pattern.count_wrong(got, 4, 1, 2), kCount / 2) << name(dtype);
    EXPECT_EQ(pattern.count_wrong(got.slice(100, 50), 4, 100, 2), 0U) << name(dtype);
  }
}

TEST(Collectives, UnknownOnesAreNamed) { EXPECT_THROW(collective_from_name("allredce"), InvalidArgument); }

TEST(Overlap, IsTheShareOfTheShorterThatIsSaved) {
  EXPECT_DOUBLE_EQ(overlap_of(10, 10, 20), 0.0);  // one after the other
  EXPECT_DOUBLE_EQ(overlap_of(10, 10, 10), 1.0);  // at the same time
  EXPECT_DOUBLE_EQ(overlap_of(10, 20, 25), 0.5);  // half of the shorter
  EXPECT_DOUBLE_EQ(overlap_of(20, 10, 25), 0.5);
  EXPECT_DOUBLE_EQ(overlap_of(10, 10, 31), 0.0);   // they disturb each other: no less than nothing
  EXPECT_DOUBLE_EQ(overlap_of(10, 10, 9.5), 1.0);  // measured at another moment: no more than all
  EXPECT_DOUBLE_EQ(overlap_of(0, 10, 10), 0.0);
}

TEST(Computation, IsCutAsAskedAndLongerIfAskedFor) {
  Computation computation;
  const auto tests_of = [&](double microseconds, double interval) {
    computation.set_length(microseconds, interval);
    int tests = 0;
    computation.run([&] { ++tests; });
    EXPECT_EQ(static_cast<std::size_t>(tests) + 1, computation.pieces());
    return tests;
  };
  EXPECT_EQ(tests_of(100, 10), 9);  // between ten pieces
  EXPECT_EQ(tests_of(3, 10), 0);
  EXPECT_EQ(tests_of(26, 10), 2);
  const auto fastest = [&](double microseconds) {
    computation.set_length(microseconds, microseconds);
    double least = 1e9;
    for (int i = 0; i < 20; ++i) {
      const auto start = std::chrono::steady_clock::now();
      computation.run([] {});
      least =
          std::min(least, std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count());
    }
    return least;
  };
  const double longer = fastest(2000);
  EXPECT_GT(longer, 5 * fastest(200));
  EXPECT_GT(longer, 500);  // it is not optimized away
}

}  // namespace
}  // namespace tutti::tools
