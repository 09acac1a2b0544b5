// Which elements are selected: against sorting all of them. And how elements are dealt out to owners of slices.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

#include <tutti/collectives/costs.hpp>
#include <tutti/collectives/selection/selection.hpp>
#include <tutti/compression/sparse/exchange_costs.hpp>
#include <tutti/compression/sparse/largest.hpp>
#include <tutti/compression/sparse/selection.hpp>
#include <tutti/compression/sparse/slices.hpp>
#include <tutti/kernels/philox.hpp>

namespace tutti::detail {
namespace {

constexpr std::uint64_t kDataSeed = 3;

std::uint32_t order_of(float value) {
  return std::isnan(value) ? kNanMagnitude : std::bit_cast<std::uint32_t>(std::abs(value));
}

/// The largest, of equal ones the first; their numbers rise.
std::vector<std::uint32_t> naive_largest(const std::vector<float>& values, std::size_t most) {
  std::vector<std::uint32_t> order(values.size());
  std::iota(order.begin(), order.end(), 0U);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return order_of(values[a]) > order_of(values[b]); });
  order.resize(most);
  std::sort(order.begin(), order.end());
  return order;
}

struct Selector {
  std::vector<std::uint32_t> indices, scratch;
  std::vector<float> values;
  std::vector<float> residual;

  std::vector<std::uint32_t> select(const std::vector<float>& data, const SelectionLimits& limits) {
    const std::size_t room = element_room(0, limits.most, data.size());
    indices.assign(room, 0);
    values.assign(room, 0);
    scratch.assign(room, 0);
    residual.assign(data.size(), 0.0F);
    const Contribution from = {.values = data.data(), .residual = residual.data(), .count = data.size()};
    const Selected selected = select_elements(from, limits, 0, 0, {indices, values, scratch});
    double squares = 0.0;
    for (std::size_t i = 0; i < data.size(); ++i)
      squares += static_cast<double>(residual[i]) * static_cast<double>(residual[i]);
    EXPECT_NEAR(selected.squares, squares, 1e-9 * squares);
    values.resize(selected.count);
    return {indices.begin(), indices.begin() + static_cast<std::ptrdiff_t>(selected.count)};
  }

  /// Whether sent and held back make up the data, bit for bit; what is not finite is not held back.
  bool conserves(const std::vector<float>& data, const std::vector<std::uint32_t>& selected) const {
    std::vector<float> both = residual;
    for (std::size_t i = 0; i < selected.size(); ++i) {
      if (both[selected[i]] != 0.0F) return false;
      both[selected[i]] = values[i];
    }
    for (std::size_t i = 0; i < data.size(); ++i)
      if (std::isfinite(data[i]) && std::bit_cast<std::uint32_t>(both[i]) != std::bit_cast<std::uint32_t>(data[i]))
        return false;
    return true;
  }
};

std::vector<std::vector<float>> cases() {
  constexpr std::size_t n = 20011;
  std::vector<std::vector<float>> all(8, std::vector<float>(n));
  for (std::size_t i = 0; i < n; ++i) {
    const double u = random_uniform(kDataSeed, 0, i) - 0.5;
    all[0][i] = static_cast<float>(u);
    all[1][i] = 1.0F;                        // all equal
    all[2][i] = static_cast<float>(i);       // rising: the memory fills again and again
    all[3][i] = -static_cast<float>(n - i);  // falling
    all[4][i] = static_cast<float>(std::ldexp(u, static_cast<int>(i % 250) - 140));  // with denormals
    all[5][i] = static_cast<float>(std::lround(4 * u));                              // many ties, many zeros
    all[6][i] = i % 1000 == 7   ? std::nanf("")
                : i % 1000 == 9 ? std::numeric_limits<float>::infinity()
                                : static_cast<float>(u);
    all[7][i] = 0.0F;
  }
  return all;
}

TEST(Largest, AreThoseThatSortingFinds) {
  int number = 0;
  for (const std::vector<float>& data : cases()) {
    for (const std::size_t most : {1U, 2U, 200U, 6000U, 20010U, 20011U}) {
      SCOPED_TRACE(testing::Message() << "case " << number << ", " << most << " elements");
      const Contribution from = {.values = data.data(), .count = data.size()};
      Selector selector;
      const auto selected = selector.select(data, {.magnitude = magnitude_from_histogram(from, most), .most = most});
      EXPECT_EQ(selected, naive_largest(data, most));
      EXPECT_TRUE(selector.conserves(data, selected));
    }
    ++number;
  }
}

TEST(Largest, OfTiesAndNaN) {
  Selector selector;
  EXPECT_EQ(selector.select({.5F, -2, 2, -2, .1F}, {.magnitude = 0, .most = 2}), (std::vector<std::uint32_t>{1, 2}));
  EXPECT_EQ(selector.values, (std::vector<float>{-2, 2}));
  const std::vector<float> broken = {std::numeric_limits<float>::infinity(), 1, -std::nanf("3"), 9};
  EXPECT_EQ(selector.select(broken, {.magnitude = 0, .most = 1}), (std::vector<std::uint32_t>{2}));
}

/// A threshold that lets through far more than there is room for: cut by magnitude, and the rest stays in the residual.
TEST(Largest, WhatOverflowsStaysInTheResidual) {
  for (const std::vector<float>& data : cases()) {
    Selector selector;
    const auto selected = selector.select(data, {.magnitude = 0, .most = 150});
    EXPECT_EQ(selected, naive_largest(data, 150));
    EXPECT_TRUE(selector.conserves(data, selected));
  }
}

TEST(Largest, BySampleAreAboutAsMany) {
  constexpr std::size_t n = 400000;
  std::vector<float> data(n);
  for (std::size_t i = 0; i < n; ++i)  // about Gaussian
    for (std::uint64_t s = 0; s < 4; ++s) data[i] += static_cast<float>(random_u64(kDataSeed, s, i) % 1000) - 499.5F;
  const Contribution from = {.values = data.data(), .count = n};
  constexpr std::size_t kRuns = 3200;  // 512 of the largest 1 % among them
  std::vector<std::uint32_t> scratch(kRuns * kSampleRun);
  for (std::uint64_t stream = 0; stream < 5; ++stream) {
    const std::uint32_t magnitude = magnitude_from_sample(from, n / 100, kRuns, kDataSeed, stream, scratch);
    Selector selector;
    const auto selected = selector.select(data, {.magnitude = magnitude, .most = n});
    // sd 1 / sqrt(512): five of them.
    EXPECT_NEAR(static_cast<double>(selected.size()), n / 100.0, n / 100.0 * 5 / std::sqrt(512.0))
        << "stream " << stream;
  }
}

/// Large values come in runs as long as those of a sample, which so often misjudges them: exact selection has to
/// notice.
TEST(PartSelection, IsExactWhateverTheSampleSays) {
  constexpr std::size_t n = 200000;
  std::vector<float> data(n);
  for (std::size_t i = 0; i < n; ++i)
    data[i] = static_cast<float>(random_uniform(kDataSeed, 5, i)) * (i / kSampleRun % 100 == 17 ? 9.0F : 1.0F);
  const std::vector<TensorPart> parts = {{.offset = 0, .count = n}};
  const auto expected = naive_largest(data, n / 100);
  for (const char* codec : {"topk:density=0.01,feedback=off", "topk:density=0.01,feedback=off,select=sampled"}) {
    const CodecSettings settings = codec_settings(codec);
    PartSelection selection(parts, settings, 4, 1);
    MemoryPlan sizes;
    selection.plan(sizes);
    std::vector<std::byte> memory(sizes.bytes());
    MemoryPlan arrays(memory.data());
    selection.plan(arrays);
    std::size_t fewer = 0;
    for (std::uint64_t step = 0; step < 40; ++step) {
      std::vector<CompressionFacts> facts(1);
      const Elements sent = selection.select(data, step, facts);
      const std::vector<std::uint32_t> indices(sent.indices.begin(), sent.indices.end());
      if (settings.select == "exact") {
        ASSERT_EQ(indices, expected) << "step " << step;
      } else {
        EXPECT_TRUE(std::includes(expected.begin(), expected.end(), indices.begin(), indices.end()));
        fewer += indices.size() < expected.size() ? 1 : 0;
      }
    }
    // Or this test would not show anything.
    if (settings.select == "sampled") {
      EXPECT_GT(fewer, 0U);
    }
  }
}

TEST(Density, IsAFractionThatIsSent) {
  EXPECT_EQ(elements_of(0.01, 0), 0U);
  EXPECT_EQ(elements_of(0.01, 1), 1U);
  EXPECT_EQ(elements_of(0.01, 100), 1U);
  EXPECT_EQ(elements_of(0.01, 101), 2U);
  EXPECT_EQ(elements_of(0.07, 100), 7U);  // 0.07 * 100 is 7.000000000000001
  EXPECT_EQ(elements_of(1.0, 12345), 12345U);
  EXPECT_EQ(elements_of(1e-6, 999), 1U);
}

TEST(Density, FallsOverTheWarmup) {
  CodecSettings settings = codec_settings("dgc:density=0.001,warmup=5");
  const double expected[] = {.31622777, .1, .031622777, .01, .0031622777, .001, .001};
  for (std::size_t step = 0; step < std::size(expected); ++step)
    EXPECT_NEAR(density_in(settings, step), expected[step], 1e-8) << step;
  settings.codec = "topk";
  EXPECT_EQ(density_in(settings, 0), 0.001);
}

TEST(DealtSlices, HaveEachElementOnce) {
  for (const std::size_t ranks : {1U, 2U, 3U, 7U}) {
    for (const std::size_t count : {0U, 1U, 1023U, 1024U, 1025U, 7168U, 50001U, 600000U}) {
      const DealtSlices slices(count, ranks);
      std::vector<std::size_t> sizes(ranks);
      for (std::size_t i = 0; i < count; ++i) {
        const std::size_t owner = slices.owner(i);
        ASSERT_EQ(slices.within(i), sizes[owner]++) << "element " << i << " of " << count << ", ranks " << ranks;
        ASSERT_EQ(slices.element(owner, slices.within(i)), i);
      }
      for (std::size_t r = 0; r < ranks; ++r) {
        EXPECT_EQ(slices.size(r), sizes[r]) << count << ", rank " << r << " of " << ranks;
        EXPECT_LE(sizes[r], slices.size(0));
      }
    }
  }
}

ListTotals lists_of(std::size_t universe, double density, std::size_t ranks) {
  const std::size_t elements = elements_of(density, universe);
  const std::size_t bytes = most_list_bytes(elements, universe, DType::f32);
  return {.bytes = ranks * bytes, .longest = bytes, .elements = ranks * elements, .universe = universe};
}

TEST(Exchange, IsBySlicesWhereListsOverlapOrAreMany) {
  EXPECT_NEAR(expected_union(lists_of(1000000, 0.01, 8), 8), 77255, 30);  // 1 - 0.99^8 of them
  EXPECT_NEAR(expected_union(lists_of(1000000, 0.01, 256), 256), 923700, 100);
  for (const TransportCosts& costs : {kTcpCosts, kRdmaCosts}) {
    tutti::Selector four(4, costs);
    tutti::Selector many(64, costs);
    // Bytes received, of 4 an element: 4 ranks 0.04 against 0.02 and 0.04; 64 ranks with 1 % 0.95 against 0.015 and
    // 0.7.
    EXPECT_FALSE(slices_are_faster(four, lists_of(20000000, 0.01, 4))) << costs.name;
    EXPECT_FALSE(slices_are_faster(four, lists_of(1000, 0.01, 4))) << costs.name;
    EXPECT_TRUE(slices_are_faster(four, lists_of(20000000, 0.5, 4))) << costs.name;
    EXPECT_TRUE(slices_are_faster(many, lists_of(20000000, 0.01, 64))) << costs.name;
    EXPECT_FALSE(slices_are_faster(many, lists_of(20000, 0.001, 64))) << costs.name;
  }
}

}  // namespace
}  // namespace tutti::detail
