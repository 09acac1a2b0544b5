// Selection by magnitude: every instruction set against the definition written out element by element.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <tutti/kernels/codecs/select.hpp>
#include <tutti/kernels/philox.hpp>

#include "targets.hpp"

namespace tutti::test {
namespace {

constexpr std::uint64_t kSelectSeed = 11;
enum class Kind { plain, residual, momentum, nesterov };

std::uint32_t naive_magnitude(float x) {
  return std::isnan(x) ? kNanMagnitude : std::bit_cast<std::uint32_t>(std::abs(x));
}

struct Numbers {
  std::vector<float> values, residual, momentum;

  explicit Numbers(std::size_t n) : values(n), residual(n), momentum(n) {
    const float huge = std::numeric_limits<float>::infinity();
    const float special[] = {0.0F, -0.0F, 1e-42F, -1e-42F, huge, -huge, std::nanf(""), -std::nanf("7"), 3e38F};
    for (std::size_t i = 0; i < n; ++i) {
      const auto draw = [&](std::uint64_t stream) {
        return static_cast<float>(random_uniform(kSelectSeed, stream, i) - 0.5);
      };
      values[i] = i % 7 == 3 ? special[random_u64(kSelectSeed, 3, i) % std::size(special)] : draw(0);
      residual[i] = i % 5 == 0 ? 0.0F : draw(1);
      momentum[i] = draw(2);
    }
  }

  Contribution contribution(Kind kind) {
    Contribution from = {.values = values.data(), .count = values.size()};
    if (kind != Kind::plain) from.residual = residual.data();
    if (kind == Kind::momentum || kind == Kind::nesterov) from.momentum = momentum.data();
    from.decay = 0.9F;
    from.scale = 0.75F;
    from.nesterov = kind == Kind::nesterov;
    return from;
  }

  /// From the header.
  float naive_sum(Kind kind, std::size_t i, float& update) const {
    if (kind == Kind::plain) return values[i];
    if (kind == Kind::residual) return residual[i] + values[i];
    const float scaled = 0.75F * values[i];
    update = kind == Kind::nesterov ? 0.9F * (momentum[i] + scaled) : 0.9F * momentum[i] + scaled;
    return kind == Kind::nesterov ? (residual[i] + update) + scaled : residual[i] + update;
  }
};

bool have_same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](float x, float y) {
    return std::bit_cast<std::uint32_t>(x) == std::bit_cast<std::uint32_t>(y);
  });
}

void select_and_compare(Kind kind, std::size_t n, std::uint32_t magnitude) {
  constexpr std::uint32_t kFirst = 1000;
  Numbers numbers(n);
  Numbers expected(n);
  std::vector<std::uint32_t> expected_indices;
  std::vector<float> expected_values;
  std::vector<std::uint32_t> expected_magnitudes;
  double squares = 0.0;
  for (std::size_t i = 0; i < n; ++i) {
    float update = 0.0F;
    const float sum = expected.naive_sum(kind, i, update);
    const std::uint32_t of_sum = naive_magnitude(sum);
    expected_magnitudes.push_back(of_sum);
    if (of_sum >= magnitude) {
      expected_indices.push_back(kFirst + static_cast<std::uint32_t>(i));
      expected_values.push_back(std::isnan(sum) ? std::numeric_limits<float>::quiet_NaN() : sum);
    }
    if (kind != Kind::plain && std::isfinite(sum)) {
      expected.residual[i] = of_sum >= magnitude ? 0.0F : sum;
      if (kind != Kind::residual) expected.momentum[i] = update;
    }
    const double kept = kind == Kind::plain ? 0.0 : static_cast<double>(expected.residual[i]);
    squares += kept * kept;
  }
  std::vector<std::uint32_t> magnitudes(n);
  magnitudes_of(numbers.contribution(kind), magnitudes);
  EXPECT_EQ(magnitudes, expected_magnitudes);
  EXPECT_EQ(count_by_magnitude(numbers.contribution(kind), magnitude), expected_indices.size());
  MagnitudeHistogram histogram = {};
  add_to_histogram(numbers.contribution(kind), histogram);
  for (const std::uint32_t m : magnitudes) --histogram[m >> kHistogramShift];
  EXPECT_EQ(histogram, MagnitudeHistogram{});

  std::vector<std::uint32_t> indices(n + kSelectionSlack);
  std::vector<float> values(n + kSelectionSlack);
  const Selected selected =
      select_by_magnitude(numbers.contribution(kind), magnitude, kFirst, {indices.data(), values.data()});
  indices.resize(selected.count);
  values.resize(selected.count);
  EXPECT_EQ(indices, expected_indices);
  EXPECT_TRUE(have_same_bits(values, expected_values));
  EXPECT_TRUE(have_same_bits(numbers.residual, expected.residual));
  EXPECT_TRUE(have_same_bits(numbers.momentum, expected.momentum));
  EXPECT_NEAR(selected.squares, squares, 1e-12 * squares);
}

TEST(SelectByMagnitude, EveryInstructionSetDoesWhatIsWrittenDown) {
  for_each_target([] {
    for (const Kind kind : {Kind::plain, Kind::residual, Kind::momentum, Kind::nesterov}) {
      for (const std::size_t n : {0U, 1U, 3U, 15U, 16U, 17U, 100U, 1023U, 1024U, 1025U, 3000U}) {
        for (const std::uint32_t magnitude : {0U, 1U, std::bit_cast<std::uint32_t>(0.4F), kInfiniteMagnitude - 1,
                                              kInfiniteMagnitude, kNanMagnitude, kNanMagnitude + 1}) {
          SCOPED_TRACE("kind " + std::to_string(static_cast<int>(kind)) + ", n " + std::to_string(n) + ", magnitude " +
                       std::to_string(magnitude));
          select_and_compare(kind, n, magnitude);
          if (testing::Test::HasFailure()) return;
        }
      }
    }
  });
}

}  // namespace
}  // namespace tutti::test
