// The order of samples: a bijection of every size, uniform enough, different every epoch, and the same for ever.
#include <tutti/io/sampler.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <span>
#include <vector>

#include <tutti/kernels/crc32c.hpp>

namespace tutti::io {
namespace {

constexpr std::uint64_t kSamplerSeed = 20240607;

bool is_bijection(const Sampler& sampler, std::uint64_t epoch) {
  std::vector<bool> seen(sampler.size(), false);
  for (std::uint64_t position = 0; position < sampler.size(); ++position) {
    const std::uint64_t id = sampler.sample(epoch, position);
    if (id >= sampler.size() || seen[id]) return false;
    seen[id] = true;
  }
  return true;
}

TEST(Sampler, VisitsEverySampleOnce) {
  for (std::uint64_t size = 1; size <= 300; ++size)
    for (std::uint64_t epoch = 0; epoch < 3; ++epoch)
      ASSERT_TRUE(is_bijection(Sampler(size, Order::shuffled, kSamplerSeed + size), epoch))
          << "size " << size << " epoch " << epoch;
  for (const std::uint64_t size : {4095ULL, 4096ULL, 4097ULL, 60000ULL, 131073ULL})
    ASSERT_TRUE(is_bijection(Sampler(size, Order::shuffled, kSamplerSeed), 5)) << "size " << size;
}

TEST(Sampler, HandlesHugeDataSets) {
  for (const std::uint64_t size : {(1ULL << 32) + 1, (1ULL << 40), ~0ULL}) {
    const Sampler sampler(size, Order::shuffled, kSamplerSeed);
    for (std::uint64_t position = 0; position < 100; ++position) {
      ASSERT_LT(sampler.sample(0, position), size);
      ASSERT_NE(sampler.sample(0, position), sampler.sample(0, size - 1 - position));
    }
  }
}

TEST(Sampler, ContiguousIsTheIdentity) {
  const Sampler sampler(10, Order::contiguous, kSamplerSeed);
  for (std::uint64_t position = 0; position < 10; ++position) EXPECT_EQ(sampler.sample(3, position), position);
}

// How often each id comes at each position over many epochs. For n x n counts of N random permutations the sum of
// (count - N/n)^2 / (N/n), times (n-1)/n, is chi-square with (n-1)^2 degrees of freedom; the limit is its mean plus
// five standard deviations.
TEST(Sampler, EveryIdIsEquallyLikelyAtEveryPosition) {
  for (const std::uint64_t size : {2ULL, 3ULL, 5ULL, 6ULL, 7ULL, 8ULL, 17ULL, 33ULL}) {
    // Sizes 5 to 7 are those that too few rounds show first.
    const std::uint64_t epochs = size >= 5 && size <= 7 ? 50000 : 5000;
    const Sampler sampler(size, Order::shuffled, kSamplerSeed);
    std::vector<double> counts(size * size);
    for (std::uint64_t epoch = 0; epoch < epochs; ++epoch)
      for (std::uint64_t position = 0; position < size; ++position)
        ++counts[position * size + sampler.sample(epoch, position)];
    const double n = static_cast<double>(size);
    const double expected = static_cast<double>(epochs) / n;
    double statistic = 0;
    for (const double count : counts) statistic += (count - expected) * (count - expected) / expected;
    statistic *= (n - 1) / n;
    const double freedom = (n - 1) * (n - 1);
    EXPECT_LT(statistic, freedom + 5 * std::sqrt(2 * freedom)) << "size " << size << " seed " << kSamplerSeed;
  }
}

// Neighbours in the order must not be neighbours on disk more often than chance has it: about one pair in n/2.
TEST(Sampler, NeighboursAreSpread) {
  constexpr std::uint64_t kSize = 10007;
  const Sampler sampler(kSize, Order::shuffled, kSamplerSeed);
  int close = 0;
  double distance = 0;
  for (std::uint64_t position = 1; position < kSize; ++position) {
    const auto a = static_cast<double>(sampler.sample(0, position - 1));
    const auto b = static_cast<double>(sampler.sample(0, position));
    close += std::abs(a - b) <= 1 ? 1 : 0;
    distance += std::abs(a - b);
  }
  EXPECT_LT(close, 12);  // Poisson of mean 2
  EXPECT_NEAR(distance / kSize / kSize, 1.0 / 3.0, 0.01);
}

TEST(Sampler, EpochsAndSeedsDiffer) {
  const Sampler sampler(1000, Order::shuffled, kSamplerSeed);
  const Sampler other(1000, Order::shuffled, kSamplerSeed + 1);
  int same_epoch = 0;
  int same_seed = 0;
  for (std::uint64_t position = 0; position < 1000; ++position) {
    same_epoch += sampler.sample(0, position) == sampler.sample(1, position) ? 1 : 0;
    same_seed += sampler.sample(0, position) == other.sample(0, position) ? 1 : 0;
  }
  EXPECT_LT(same_epoch, 10);  // fixed points of a random permutation: Poisson of mean 1
  EXPECT_LT(same_seed, 10);
}

// The order is part of what makes runs repeatable: it may not change with a new version of the code.
TEST(Sampler, OrderIsFixedForEver) {
  const Sampler sampler(10, Order::shuffled, 1);
  std::vector<std::uint64_t> order;
  for (std::uint64_t position = 0; position < 10; ++position) order.push_back(sampler.sample(2, position));
  EXPECT_EQ(order, (std::vector<std::uint64_t>{1, 8, 6, 4, 2, 7, 5, 0, 3, 9}));
  EXPECT_EQ(Sampler(1281167, Order::shuffled, 42).sample(7, 123456), 174520U);
}

// The whole orders of three epochs, of every number of bits and both sides of each power of two.
TEST(Sampler, OrderOfEverySizeIsFixedForEver) {
  const auto digest = [](std::uint64_t size) {
    const Sampler sampler(size, Order::shuffled, 12345);
    std::uint32_t sum = 0;
    for (std::uint64_t epoch = 0; epoch < 3; ++epoch)
      for (std::uint64_t position = 0; position < size; ++position) {
        const std::uint64_t id = sampler.sample(epoch, position);
        sum = crc32c(std::as_bytes(std::span(&id, 1)), sum);
      }
    return sum;
  };
  std::uint32_t sum = 0;
  for (std::uint64_t power = 1; power <= (1ULL << 16); power *= 2) {
    for (const std::uint64_t size : {power - 1, power, power + 1}) {
      if (size == 0) continue;
      const std::uint32_t one = digest(size);
      sum = crc32c(std::as_bytes(std::span(&one, 1)), sum);
    }
  }
  EXPECT_EQ(digest(8), 2611061744U);
  EXPECT_EQ(digest(4096), 1128584089U);
  EXPECT_EQ(digest(65536), 3332790525U);
  EXPECT_EQ(sum, 445345544U);
}

TEST(PartOf, CoversTheRangeInOrderWithSizesThatDifferByOneAtMost) {
  for (std::uint64_t size = 0; size <= 20; ++size)
    for (int parts = 1; parts <= 7; ++parts) {
      std::uint64_t next = 100;
      for (int part = 0; part < parts; ++part) {
        const Range range = part_of({100, 100 + size}, part, parts);
        EXPECT_EQ(range.first, next);
        EXPECT_GE(range.size(), size / static_cast<std::uint64_t>(parts));
        EXPECT_LE(range.size(), part_of({100, 100 + size}, 0, parts).size());
        EXPECT_LE(range.size(), size / static_cast<std::uint64_t>(parts) + 1);
        next = range.last;
      }
      EXPECT_EQ(next, 100 + size);
    }
}

}  // namespace
}  // namespace tutti::io
