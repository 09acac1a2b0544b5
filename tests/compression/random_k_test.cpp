// Random elements, the same on all ranks: which ones, sums and residuals to the bit, values that are not finite.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include <tests/support/ranks/grid.hpp>
#include <tutti/allreduce/allreduce.hpp>
#include <tutti/compression/compressed_allreduce.hpp>
#include <tutti/compression/sparse/random_ranges.hpp>
#include <tutti/kernels/philox.hpp>

namespace tutti {
namespace {

using detail::RandomRanges;

constexpr std::uint64_t kSeed = 3;

/// Small integers, so that all sums are exact.
float contribution(int rank, std::uint64_t step, std::size_t i) {
  return static_cast<float>(random_u64(kSeed, 100 * step + static_cast<std::uint64_t>(rank), i) % 200) - 100.0F;
}

std::vector<float> contributions(int rank, std::uint64_t step, std::size_t count) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = contribution(rank, step, i);
  return values;
}

/// The upper 64 bits of 0xe55410cc67ee6f2c times 1000.
TEST(RandomRanges, BeginWherePhiloxSays) { EXPECT_EQ(detail::random_below(42, 7, 0, 1000), 895U); }

TEST(RandomRanges, HaveTheDensityAndLeaveNothingOut) {
  for (const double density : {1e-4, 0.001, 0.01, 0.3, 1.0}) {
    constexpr std::size_t kCount = 10 * kPartAlignment + 37;
    constexpr std::uint64_t kSteps = 400;
    std::vector<int> sent(kCount);
    double all = 0.0;
    for (std::uint64_t step = 0; step < kSteps; ++step) {
      const RandomRanges ranges(kSeed, step, density);
      std::size_t of_step = 0;
      for (std::size_t first = 0; first < kCount; first += kPartAlignment) {
        const std::size_t size = std::min(kPartAlignment, kCount - first);
        const RandomRanges::Range range = ranges.of_group(first, size);
        ASSERT_LE(range.count, size);
        for (std::size_t n = 0; n < range.count; ++n) ++sent[first + (range.begin + n) % size];
        of_step += range.count;
      }
      EXPECT_EQ(of_step, ranges.sent(0, kCount));
      EXPECT_LE(std::abs(static_cast<double>(of_step) - density * kCount), 1.0);
      all += static_cast<double>(of_step);
    }
    // The number of a step is one of two, with the density as mean: a standard deviation of at most 1/2.
    EXPECT_NEAR(all / kSteps, density * kCount, 5 * 0.5 / std::sqrt(kSteps)) << density;
    // How often an element is sent in so many steps is binomial.
    const double expected = density * kSteps;
    for (const int times : sent) EXPECT_NEAR(times, expected, 6.5 * std::sqrt(expected * (1 - density)) + 4) << density;
  }
}

double held_back(const std::vector<CompressionState>& states, std::size_t i) {
  return static_cast<double>(states.at(0).values[i]);
}

/// To the bit: all results and what all ranks hold back add up to all contributions, and a rank holds back what was not
/// sent of its own.
TEST(RandomK, LosesNothingOfIntegers) {
  const Communicator comm(MPI_COMM_WORLD, test::patient());
  for (const std::size_t count : {std::size_t{1}, std::size_t{7}, std::size_t{3000}}) {
    for (const char* settings : {"randomk:density=0.1", "randomk:density=1", "randomk:density=0.001,seed=8"}) {
      CompressedAllreduce reduction(comm, {{.offset = 0, .count = count, .tensor = 5}}, codec_settings(settings),
                                    ReduceOp::sum);
      std::vector<double> lacking(count);
      for (std::uint64_t step = 0; step < 20; ++step) {
        std::vector<float> data = contributions(comm.rank(), step, count);
        for (int r = 0; r < comm.size(); ++r)
          for (std::size_t i = 0; i < count; ++i) lacking[i] += static_cast<double>(contribution(r, step, i));
        reduction.start(data, step).wait();
        for (std::size_t i = 0; i < count; ++i) lacking[i] -= static_cast<double>(data[i]);
        const std::vector<CompressionState> states = reduction.state();
        double error = 0.0;
        for (std::size_t i = 0; i < count; ++i) error += std::pow(held_back(states, i), 2);
        EXPECT_EQ(reduction.facts()[0].error, error);
        EXPECT_GE(reduction.facts()[0].values, error);
      }
      std::vector<double> held(count);
      for (std::size_t i = 0; i < count; ++i) held[i] = held_back(reduction.state(), i);
      allreduce(comm, held, ReduceOp::sum);
      EXPECT_EQ(held, lacking) << settings << " of " << count;
    }
  }
}

/// Without feedback the mean of many steps is that of the ranks. A value x is sent as x / d with probability d: its
/// mean over n steps has a standard deviation of |x| sqrt((1/d - 1) / n), and 5.5 of them are exceeded once in 26
/// million.
TEST(RandomK, WithoutFeedbackIsUnbiased) {
  const Communicator comm(MPI_COMM_WORLD, test::patient());
  constexpr std::size_t kCount = 1500;
  constexpr std::uint64_t kSteps = 500;
  CompressedAllreduce reduction(comm, {{.offset = 0, .count = kCount}},
                                codec_settings("randomk:density=0.25,feedback=off"), ReduceOp::avg);
  std::vector<double> sum(kCount);
  std::vector<float> mean = contributions(comm.rank(), 0, kCount);
  const std::vector<float> own = mean;
  allreduce(comm, mean, ReduceOp::avg);
  for (std::uint64_t step = 0; step < kSteps; ++step) {
    std::vector<float> data = own;
    reduction.start(data, step).wait();
    for (std::size_t i = 0; i < kCount; ++i) {
      ASSERT_TRUE(data[i] == 0.0F || std::abs(data[i] - 4 * mean[i]) < 1e-3F);
      sum[i] += static_cast<double>(data[i]);
    }
  }
  for (std::size_t i = 0; i < kCount; ++i) {
    const double bound = 5.5 * std::sqrt(3.0 / static_cast<double>(kSteps)) * std::abs(static_cast<double>(mean[i]));
    EXPECT_NEAR(sum[i] / static_cast<double>(kSteps), static_cast<double>(mean[i]), bound + 1e-6) << i;
  }
  EXPECT_TRUE(reduction.state().empty());
}

TEST(RandomK, DoesNotDependOnTheCutIntoParts) {
  const Communicator comm(MPI_COMM_WORLD, test::patient());
  constexpr std::size_t kCount = 5000;
  const CodecSettings settings = codec_settings("randomk:density=0.05");
  CompressedAllreduce one(comm, {{.offset = 0, .count = kCount, .tensor = 7}}, settings, ReduceOp::avg);
  CompressedAllreduce other(
      comm,
      {{.offset = 2048, .count = kCount - 2048, .tensor = 7, .first = 2048}, {.offset = 0, .count = 2048, .tensor = 7}},
      settings, ReduceOp::avg);
  for (std::uint64_t step = 0; step < 5; ++step) {
    std::vector<float> of_one = contributions(comm.rank(), step, kCount);
    std::vector<float> of_other = of_one;
    one.start(of_one, step).wait();
    other.start(of_other, step).wait();
    EXPECT_EQ(of_one, of_other);
  }
}

/// A value that is none is seen, even where it is not sent.
TEST(RandomK, APartThatIsNotFiniteIsNanOnEveryRank) {
  const Communicator comm(MPI_COMM_WORLD, test::patient());
  for (const char* settings : {"randomk:density=0.001", "randomk:density=0.001,feedback=off"}) {
    CompressedAllreduce reduction(comm, {{.offset = 0, .count = 3000}, {.offset = 3000, .count = 500, .tensor = 1}},
                                  codec_settings(settings), ReduceOp::sum);
    const auto residual = [&] {
      const std::vector<CompressionState> states = reduction.state();
      if (states.empty()) return std::vector<float>();
      return std::vector<float>(states[0].values.begin(), states[0].values.end());
    };
    std::vector<float> data = contributions(comm.rank(), 0, 3500);
    reduction.start(data, 0).wait();
    const std::vector<float> before = residual();
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
      data = contributions(comm.rank(), 1, 3500);
      if (comm.rank() == comm.size() - 1) data[1717] = bad;
      reduction.start(data, 1).wait();
      for (std::size_t i = 0; i < data.size(); ++i) EXPECT_EQ(std::isnan(data[i]), i < 3000) << i;
      EXPECT_EQ(residual(), before);
    }
    data = contributions(comm.rank(), 2, 3500);
    reduction.start(data, 2).wait();
    EXPECT_TRUE(std::all_of(data.begin(), data.end(), [](float x) { return std::isfinite(x); }));
  }
}

}  // namespace
}  // namespace tutti
