// The two-level shuffle: a bijection whatever batches, lanes, blocks, windows and shards there are; every position is
// shuffled; it mixes as io/README.md says, and ranks read few blocks in common. And the draw with replacement.
#include <tutti/io/sampler.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <set>
#include <span>
#include <vector>

#include <tutti/io/detail/permutation.hpp>
#include <tutti/io/detail/two_level.hpp>
#include <tutti/kernels/crc32c.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/philox.hpp>

#include "tests/io/mixing.hpp"

namespace tutti::io::test {
namespace {

constexpr std::uint64_t kTwoLevelSeed = 77;

std::vector<std::uint64_t> epoch_of(const Sampler& sampler, std::uint64_t epoch) {
  std::vector<std::uint64_t> order(sampler.size());
  sampler.samples(epoch, 0, order);
  return order;
}

bool is_permutation_of_ids(std::vector<std::uint64_t> order) {
  std::sort(order.begin(), order.end());
  for (std::uint64_t id = 0; id < order.size(); ++id)
    if (order[id] != id) return false;
  return true;
}

// Of one shard, of equal ones, and of unequal ones with one that is smaller than a block.
std::vector<std::vector<std::uint64_t>> layouts(std::uint64_t size) {
  std::vector<std::vector<std::uint64_t>> result{{}};
  if (size >= 3) result.push_back({1, size - 3, 2});
  if (size >= 4) result.push_back({size - size / 2, size / 2});
  return result;
}

TEST(TwoLevel, VisitsEverySampleOnceWhateverTheOptions) {
  for (std::uint64_t size = 1; size <= 13; ++size)
    for (std::uint64_t batch = 1; batch <= size + 1; ++batch)
      for (std::uint64_t lanes = 1; lanes <= 5; ++lanes)
        for (std::uint64_t block = 1; block <= size + 1; block += block < 4 ? 1 : 4)
          for (std::uint64_t window = 1; window <= size + 1; window += window < 4 ? 1 : 5)
            for (const auto& shards : layouts(size)) {
              const Sampler sampler(size, kTwoLevelSeed + size, {batch, lanes, block, window, shards});
              for (std::uint64_t epoch = 0; epoch < 2; ++epoch)
                ASSERT_TRUE(is_permutation_of_ids(epoch_of(sampler, epoch)))
                    << "size " << size << " batch " << batch << " lanes " << lanes << " block " << block << " window "
                    << window << " shards " << shards.size();
            }
}

TEST(TwoLevel, VisitsEverySampleOfALargeDataSetOnce) {
  const std::vector<std::uint64_t> shards{9999, 1, 20000, 7, 30000, 40};
  const std::uint64_t size = std::accumulate(shards.begin(), shards.end(), std::uint64_t{0});
  for (const std::uint64_t batch : {1U, 100U, 256U, 100000U})
    for (const std::uint64_t lanes : {1U, 7U, 64U, 300U})
      ASSERT_TRUE(is_permutation_of_ids(epoch_of(Sampler(size, 1, {batch, lanes, 32, 500, shards}), 3)));
}

// One by one, in pieces or all at once; with the size and positions that a table could not hold.
TEST(Sampler, ManyPositionsAtOnceAreThoseOneByOne) {
  for (const std::uint64_t size : {1ULL, 2ULL, 1000ULL, 70000ULL, ~0ULL}) {
    const std::vector<Sampler> samplers{{size, Order::contiguous, 5},
                                        {size, Order::shuffled, 5},
                                        {size, Order::bootstrap, 5},
                                        {size, 5, {.batch = 96, .lanes = 8, .block = 20, .window = 100}}};
    for (const Sampler& sampler : samplers)
      for (const std::uint64_t count : {1U, 7U, 8U, 17U, 256U, 700U}) {
        const std::uint64_t first = size > count ? (size - count) / 2 : 0;
        std::vector<std::uint64_t> ids(std::min<std::uint64_t>(count, size - first));
        sampler.samples(4, first, ids);
        for (std::uint64_t i = 0; i < ids.size(); ++i) ASSERT_EQ(ids[i], sampler.sample(4, first + i)) << size;
      }
  }
}

// With a single block the list is 0 .. size-1, and windows alone move samples: no further than a window, and every
// position in most epochs. A shuffle that leaves out the end of a lane fails here.
TEST(TwoLevel, EveryPositionLiesInAWindowAndSeamsMove) {
  constexpr std::uint64_t kSize = 600;
  constexpr std::uint64_t kWindow = 20;
  constexpr std::uint64_t kLanes = 3;
  constexpr int kEpochs = 300;
  // A batch is a sample of each lane: lane c's slice is 200 c to 200 c + 199.
  const Sampler sampler(kSize, kTwoLevelSeed, {.batch = kLanes, .lanes = kLanes, .block = kSize, .window = kWindow});
  std::vector<int> stayed(kSize);
  std::vector<int> crossed(kSize);  // a sample came from before place p, or at it, behind it
  for (std::uint64_t epoch = 0; epoch < kEpochs; ++epoch) {
    const std::vector<std::uint64_t> order = epoch_of(sampler, epoch);
    for (std::uint64_t p = 0; p < kSize; ++p) {
      const std::uint64_t place = p % kLanes * (kSize / kLanes) + p / kLanes;
      const std::uint64_t id = order[p];
      ASSERT_LT(std::max(place, id) - std::min(place, id), kWindow * 2);
      ASSERT_EQ(place / 200, id / 200);
      stayed[place] += place == id ? 1 : 0;
      for (std::uint64_t between = std::min(place, id); between < std::max(place, id); ++between) ++crossed[between];
    }
  }
  for (std::uint64_t place = 0; place < kSize; ++place) {
    // A window has 10 or more places: at most a tenth of the epochs, plus six standard deviations.
    EXPECT_LT(stayed[place], kEpochs / 10 + 32) << place;
    if (place % 200 != 199) {
      EXPECT_GT(crossed[place], kEpochs) << place;
    }
  }
}

TEST(TwoLevel, MixesAsDocumented) {
  constexpr std::uint64_t kSize = 12000;
  constexpr std::uint64_t kBlock = 100;
  constexpr std::uint64_t kClasses = 10;
  constexpr int kSeeds = 10;
  for (const std::uint64_t batch : {100U, 256U})
    for (const std::uint64_t lanes : {1U, 4U, 16U})
      for (const std::uint64_t blocks : {8U, 24U, 48U}) {  // in all windows together: k
        if (blocks < lanes) continue;
        Mixing sum;
        for (int seed = 0; seed < kSeeds; ++seed) {
          const Sampler sampler(kSize, static_cast<std::uint64_t>(seed),
                                {.batch = batch, .lanes = lanes, .block = kBlock, .window = blocks * kBlock / lanes});
          sum += mixing_of(epoch_of(sampler, 1), kClasses, kBlock, batch);
        }
        const Mixing mean = sum.over(kSeeds);
        const auto k = static_cast<double>(blocks);
        const std::string which =
            "batch " + std::to_string(batch) + ", lanes " + std::to_string(lanes) + ", k " + std::to_string(blocks);
        // Windows between a half and one and a half of the usual size, and blocks cut by their seams: 1.3.
        EXPECT_LT(mean.same_block, 1.3 / k) << which;
        EXPECT_LT(mean.chi2_of_batch, 1 + 1.3 * static_cast<double>(batch - 1) / k) << which;
        EXPECT_LT(std::abs(mean.correlation), 0.1) << which;  // of some 100 blocks in 10 orders: 0.03
        EXPECT_GT(mean.runs, 1 - 1.5 * static_cast<double>(lanes) / k) << which;  // neighbours are of one lane
      }
}

// A rank's part of a batch is that of its lanes: blocks are read by one rank, but for those that a seam cuts.
TEST(TwoLevel, RanksReadOtherBlocks) {
  constexpr std::uint64_t kSize = 64000;
  constexpr std::uint64_t kBlock = 50;
  constexpr std::uint64_t kBatch = 256;
  const Sampler sampler(kSize, kTwoLevelSeed, {.batch = kBatch, .lanes = 16, .block = kBlock, .window = 500});
  const std::vector<std::uint64_t> order = epoch_of(sampler, 2);
  for (const int ranks : {1, 2, 4, 8, 16}) {
    std::size_t read = 0;
    for (int rank = 0; rank < ranks; ++rank) {
      std::set<std::uint64_t> blocks;
      for (std::uint64_t begin = 0; begin < kSize; begin += kBatch) {
        const Range mine = part_of({begin, std::min(begin + kBatch, kSize)}, rank, ranks);
        for (std::uint64_t p = mine.first; p < mine.last; ++p) blocks.insert(order[p] / kBlock);
      }
      read += blocks.size();
    }
    EXPECT_LE(read, kSize / kBlock + 16) << ranks;
  }
}

// How often each number comes at each place over many keys, as for the shuffle: see sampler_test.cpp.
TEST(Permutation, EveryNumberIsEquallyLikelyAtEveryPlace) {
  for (const std::uint64_t size : {2U, 3U, 5U, 6U, 7U, 8U, 9U, 16U, 17U, 33U, 65U, 130U, 257U}) {
    const std::uint64_t keys = size < 18 ? 50000 : 5000;
    std::vector<double> counts(size * size);
    std::vector<std::uint64_t> numbers(size);
    for (std::uint64_t key = 0; key < keys; ++key) {
      const Permutation permutation(size, random_u64(kTwoLevelSeed, 1, key));
      std::iota(numbers.begin(), numbers.end(), 0);
      permutation(numbers);
      for (std::uint64_t place = 0; place < size; ++place) ++counts[place * size + numbers[place]];
    }
    const double n = static_cast<double>(size);
    const double expected = static_cast<double>(keys) / n;
    double statistic = 0;
    for (const double count : counts) statistic += (count - expected) * (count - expected) / expected;
    statistic *= (n - 1) / n;
    const double freedom = (n - 1) * (n - 1);
    EXPECT_LT(statistic, freedom + 5 * std::sqrt(2 * freedom)) << "size " << size;
  }
}

TEST(TwoLevel, EpochsAndSeedsDiffer) {
  const TwoLevelOptions options{.batch = 32, .lanes = 4, .block = 10, .window = 50};
  const std::vector<std::uint64_t> order = epoch_of(Sampler(2000, 1, options), 0);
  for (const auto& other : {epoch_of(Sampler(2000, 1, options), 1), epoch_of(Sampler(2000, 2, options), 0)}) {
    int same = 0;
    for (std::size_t p = 0; p < order.size(); ++p) same += order[p] == other[p] ? 1 : 0;
    EXPECT_LT(same, 12);  // Poisson of mean 1
  }
}

TEST(TwoLevel, OrdersAreFixedForEver) {
  const auto digest = [](const Sampler& sampler) {
    std::uint32_t sum = 0;
    for (std::uint64_t epoch = 0; epoch < 3; ++epoch) {
      const std::vector<std::uint64_t> order = epoch_of(sampler, epoch);
      sum = crc32c(std::as_bytes(std::span(order)), sum);
    }
    return sum;
  };
  EXPECT_EQ(digest(Sampler(1000, 9, {.batch = 48, .lanes = 5, .block = 17, .window = 60})), 3805778276U);
  EXPECT_EQ(digest(Sampler(70000, 9, {256, 64, 41, 340, {20000, 30001, 19999}})), 1656652102U);
  EXPECT_EQ(digest(Sampler(60000, Order::bootstrap, 9)), 1372159266U);
}

TEST(TwoLevel, OptionsOutOfRange) {
  const auto refused = [](const TwoLevelOptions& options) { EXPECT_THROW(Sampler(10, 1, options), InvalidArgument); };
  refused({.batch = 0});
  refused({.lanes = 0});
  refused({.block = 0});
  refused({.window = 0});
  refused({.shards = {4, 5}});
}

// The share of samples that are drawn at all is 1 - (1 - 1/N)^N.
TEST(Bootstrap, DrawsWithReplacement) {
  constexpr std::uint64_t kSize = 60000;
  const Sampler sampler(kSize, Order::bootstrap, 3);
  std::vector<std::uint64_t> order = epoch_of(sampler, 0);
  const std::vector<std::uint64_t> other = epoch_of(sampler, 1);
  EXPECT_NE(order, other);
  EXPECT_LT(std::abs(correlation_with_position(order)), 0.02);
  std::sort(order.begin(), order.end());
  EXPECT_LT(order.back(), kSize);
  const auto distinct = static_cast<double>(std::unique(order.begin(), order.end()) - order.begin());
  EXPECT_NEAR(distinct / kSize, 0.632123624512, 0.006);  // 6 standard deviations
}

TEST(Bootstrap, ScalesTo64Bits) {
  EXPECT_EQ(scaled(1ULL << 63, 10), 5U);
  EXPECT_EQ(scaled(~0ULL, 10), 9U);
  EXPECT_EQ(scaled(~0ULL, ~0ULL), ~0ULL - 1);
  EXPECT_EQ(scaled(0x123456789ABCDEF0ULL, 0xFEDCBA9876543210ULL), 0x121FA00AD77D7422ULL);
}

}  // namespace
}  // namespace tutti::io::test
