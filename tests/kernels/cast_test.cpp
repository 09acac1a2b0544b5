// Conversions between f32, bf16 and f16: every 16-bit pattern, every boundary between two of them, and random floats.
#include <gtest/gtest.h>

#include <cstring>

#include <tutti/kernels/cast.hpp>
#include <tutti/kernels/error.hpp>

#include "reference.hpp"
#include "targets.hpp"

namespace tutti::test {
namespace {

constexpr std::uint64_t kCastSeed = 20261122;
constexpr std::size_t kRandomFloats = 2'000'000;

template <class Half>
Half reference_half(float x) {
  if constexpr (std::is_same_v<Half, bfloat16>) {
    return reference_bf16(x);
  } else {
    return reference_f16(x);
  }
}

template <class Half>
Half scalar_half(float x) {
  if constexpr (std::is_same_v<Half, bfloat16>) {
    return to_bf16(x);
  } else {
    return to_f16(x);
  }
}

template <class Half>
std::vector<Half> every_half() {
  std::vector<Half> all(65536);
  for (std::size_t i = 0; i < all.size(); ++i) all[i].bits = static_cast<std::uint16_t>(i);
  return all;
}

/// Floats around every number of Half and around every midpoint of two, then random bits.
template <class Half>
std::vector<float> hard_floats() {
  std::vector<float> floats;
  const auto add_around = [&](float x) {
    for (const float y : {x, std::nextafter(x, 0.0F), std::nextafter(x, INFINITY)}) {
      floats.push_back(y);
      floats.push_back(-y);
    }
  };
  for (std::uint32_t bits = 0; bits < 0x7fffU; ++bits) {
    const float x = reference_f32(Half{static_cast<std::uint16_t>(bits)});
    if (!std::isfinite(x)) break;
    const float above = reference_f32(Half{static_cast<std::uint16_t>(bits + 1)});
    add_around(x);
    // Above the largest number the next one is the power of two that the exponent cannot express.
    if (std::isfinite(above)) add_around(static_cast<float>((double{x} + double{above}) / 2));
  }
  for (const float x : {65519.0F, 65520.0F, 65535.0F, 65536.0F, 0x1.fefffep127F, 0x1.ffp127F, 0x1.ff0002p127F})
    add_around(x);
  for (const float x : edge_values<float>()) floats.push_back(x);
  for (std::size_t i = 0; i < kRandomFloats; ++i) {
    floats.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(random_u64(kCastSeed, 0, i))));
  }
  return floats;
}

template <class T>
class CastTest : public testing::Test {};
using Halves = testing::Types<bfloat16, float16>;
TYPED_TEST_SUITE(CastTest, Halves);

TYPED_TEST(CastTest, EveryPatternToF32) {
  const std::vector<TypeParam> in = every_half<TypeParam>();
  std::vector<float> expected(in.size()), out(in.size());
  for (std::size_t i = 0; i < in.size(); ++i) {
    expected[i] = reference_f32(in[i]);
    ASSERT_EQ(bits_of(to_f32(in[i])), bits_of(expected[i])) << std::hex << in[i].bits;
  }
  for_each_target([&] {
    std::fill(out.begin(), out.end(), 1234.5F);
    cast(ConstBuffer(std::span(in)), Buffer(std::span(out)));
    const std::size_t i = first_difference(out.data(), expected.data(), out.size());
    ASSERT_EQ(i, out.size()) << std::hex << in[i].bits << " gave " << bits_of(out[i]) << ", expected "
                             << bits_of(expected[i]);
  });
}

TYPED_TEST(CastTest, ThereAndBackIsTheSame) {
  const std::vector<TypeParam> in = every_half<TypeParam>();
  std::vector<float> wide(in.size());
  std::vector<TypeParam> out(in.size());
  for_each_target([&] {
    cast(ConstBuffer(std::span(in)), Buffer(std::span(wide)));
    cast(ConstBuffer(std::span(wide)), Buffer(std::span(out)));
    for (std::size_t i = 0; i < in.size(); ++i) {
      // A signalling NaN comes back quiet.
      const unsigned quiet = std::is_same_v<TypeParam, bfloat16> ? 0x40U : 0x200U;
      const unsigned expected = std::isnan(wide[i]) ? in[i].bits | quiet : in[i].bits;
      ASSERT_EQ(out[i].bits, expected) << std::hex << in[i].bits;
    }
  });
}

TYPED_TEST(CastTest, RoundsToNearestEven) {
  const std::vector<float> in = hard_floats<TypeParam>();
  std::vector<TypeParam> expected(in.size()), out(in.size());
  for (std::size_t i = 0; i < in.size(); ++i) {
    expected[i] = reference_half<TypeParam>(in[i]);
    ASSERT_EQ(scalar_half<TypeParam>(in[i]).bits, expected[i].bits)
        << std::hex << bits_of(in[i]) << " at " << std::dec << i << ", seed " << kCastSeed;
  }
  for_each_target([&] {
    cast(ConstBuffer(std::span(in)), Buffer(std::span(out)));
    const std::size_t i = first_difference(out.data(), expected.data(), out.size());
    ASSERT_EQ(i, out.size()) << std::hex << bits_of(in[i]) << " gave " << out[i].bits << ", expected "
                             << expected[i].bits << ", seed " << kCastSeed;
  });
}

TYPED_TEST(CastTest, TailsAndUnalignedMemory) {
  const std::vector<TypeParam> halves = every_half<TypeParam>();
  std::vector<std::byte> narrow(2 * 64 + 16), wide(4 * 64 + 16), back(2 * 64 + 16);
  for_each_target([&] {
    for (std::size_t n = 0; n <= 64; ++n) {
      const std::size_t shift = n % 9;
      const TypeParam* from = halves.data() + 1000 * n % 30000;
      std::fill(wide.begin(), wide.end(), std::byte{0xa5});
      std::fill(back.begin(), back.end(), std::byte{0xa5});
      std::memcpy(narrow.data() + shift, from, 2 * n);
      cast(ConstBuffer(narrow.data() + shift, n, dtype_of<TypeParam>), Buffer(wide.data() + shift, n, DType::f32));
      cast(ConstBuffer(wide.data() + shift, n, DType::f32), Buffer(back.data() + shift, n, dtype_of<TypeParam>));
      for (std::size_t i = 0; i < n; ++i) {
        float x = 0;
        std::memcpy(&x, wide.data() + shift + 4 * i, 4);
        ASSERT_EQ(bits_of(x), bits_of(reference_f32(from[i])));
      }
      ASSERT_EQ(std::memcmp(back.data() + shift, from, 2 * n), 0) << n;
      ASSERT_EQ(wide[shift + 4 * n], std::byte{0xa5}) << n;
      ASSERT_EQ(back[shift + 2 * n], std::byte{0xa5}) << n;
    }
  });
}

TEST(Cast, RefusesWhatItCannotDo) {
  std::vector<float> f(4);
  std::vector<double> d(4);
  std::vector<float16> h(4), g(3);
  EXPECT_THROW(cast(ConstBuffer(std::span(f)), Buffer(std::span(d))), InvalidArgument);
  EXPECT_THROW(cast(ConstBuffer(std::span(f)), Buffer(std::span(f))), InvalidArgument);
  EXPECT_THROW(cast(ConstBuffer(std::span(f)), Buffer(std::span(g))), InvalidArgument);
  EXPECT_THROW(cast(ConstBuffer(f.data(), 4, DType::f32, MemorySpace::device), Buffer(std::span(h))), InvalidArgument);
}

}  // namespace
}  // namespace tutti::test
