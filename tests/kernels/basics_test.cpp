// dtypes, buffers, copying, packing, CRC-32C and Philox.
#include <gtest/gtest.h>

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

#include <tutti/kernels/buffer.hpp>
#include <tutti/kernels/copy.hpp>
#include <tutti/kernels/crc32c.hpp>
#include <tutti/kernels/crc32c_versions.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/finite.hpp>
#include <tutti/kernels/pack.hpp>
#include <tutti/kernels/philox.hpp>
#include <tutti/kernels/text.hpp>

#include "targets.hpp"

namespace tutti::test {
namespace {

std::string message_of(const auto& throwing) {
  try {
    throwing();
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return "nothing was thrown";
}

TEST(DTypes, NamesAndSizes) {
  constexpr std::pair<std::string_view, std::size_t> kExpected[] = {{"f64", 8}, {"f32", 4}, {"bf16", 2}, {"f16", 2},
                                                                    {"i64", 8}, {"i32", 4}, {"i16", 2},  {"i8", 1},
                                                                    {"u64", 8}, {"u32", 4}, {"u16", 2},  {"u8", 1}};
  ASSERT_EQ(std::size(kExpected), std::size(kAllDTypes));
  for (std::size_t i = 0; i < std::size(kAllDTypes); ++i) {
    EXPECT_EQ(static_cast<std::size_t>(kAllDTypes[i]), i) << "the numbers are part of file formats";
    EXPECT_EQ(name(kAllDTypes[i]), kExpected[i].first);
    EXPECT_EQ(size_of(kAllDTypes[i]), kExpected[i].second);
    EXPECT_EQ(dtype_from_name(kExpected[i].first), kAllDTypes[i]);
  }
  EXPECT_EQ(message_of([] { dtype_from_name("float"); }),
            "unknown dtype 'float'; known are f64, f32, bf16, f16, i64, i32, i16, i8, u64, u32, u16, u8");
}

TEST(Buffers, SlicesCountElements) {
  std::vector<std::int32_t> values(10);
  std::iota(values.begin(), values.end(), 0);
  const Buffer buffer{std::span(values)};
  EXPECT_EQ(buffer.size_bytes(), 40U);
  const Buffer part = buffer.slice(3, 4);
  EXPECT_EQ(part.data, values.data() + 3);
  EXPECT_EQ(part.count, 4U);
  EXPECT_EQ(part.dtype, DType::i32);
  EXPECT_EQ(ConstBuffer(part).slice(1, 2).data, values.data() + 4);
}

TEST(Copy, EveryLengthAndAlignment) {
  constexpr std::uint64_t kSeed = 9;
  constexpr std::byte kGuardByte{0xa5};
  std::vector<std::byte> source(3000), target(3000);
  for (std::size_t i = 0; i < source.size(); ++i) source[i] = static_cast<std::byte>(random_u64(kSeed, 0, i));
  for_each_target([&] {
    for (std::size_t n = 0; n <= 1300; n += n < 600 ? 1 : 37) {
      const std::size_t from = n * 7 % 65;
      const std::size_t to = 64 + n * 11 % 65;
      for (const auto copy : {copy_bytes, stream_bytes}) {
        std::fill(target.begin(), target.end(), kGuardByte);
        copy(target.data() + to, source.data() + from, n);
        const auto copied = std::span(target).subspan(to, n);
        ASSERT_TRUE(std::equal(copied.begin(), copied.end(), source.data() + from))
            << n << " bytes from " << from << " to " << to << ", seed " << kSeed;
        std::fill(copied.begin(), copied.end(), kGuardByte);
        ASSERT_EQ(std::count(target.begin(), target.end(), kGuardByte), std::ssize(target))
            << "wrote outside, " << n << " bytes";
      }
    }
  });
  copy_bytes(nullptr, nullptr, 0);
  stream_bytes(nullptr, nullptr, 0);
}

TEST(Copy, LargeEnoughToBypassTheCaches) {
  const std::size_t n = (std::size_t{16} << 20) + 777;
  std::vector<std::byte> source(n + 3), target(n + 5);
  for (std::size_t i = 0; i < source.size(); ++i) source[i] = static_cast<std::byte>(i * 2654435761U >> 13);
  for_each_target([&] {
    std::fill(target.begin(), target.end(), std::byte{0});
    copy_bytes(target.data() + 1, source.data() + 3, n);
    EXPECT_EQ(std::memcmp(target.data() + 1, source.data() + 3, n), 0);
    EXPECT_EQ(target[0], std::byte{0});
    EXPECT_EQ(target[n + 1], std::byte{0});
  });
}

TEST(Pack, GathersAndScatters) {
  std::vector<float> a = {1, 2, 3}, b = {4}, c = {5, 6}, whole(6), back_a(3), back_b(1), back_c(2);
  const std::vector<ConstBuffer> pieces = {ConstBuffer(std::span(a)), ConstBuffer(nullptr, 0, DType::f32),
                                           ConstBuffer(std::span(b)), ConstBuffer(std::span(c))};
  pack(pieces, Buffer(std::span(whole)));
  EXPECT_EQ(whole, (std::vector<float>{1, 2, 3, 4, 5, 6}));
  const std::vector<Buffer> targets = {Buffer(std::span(back_a)), Buffer(nullptr, 0, DType::f32),
                                       Buffer(std::span(back_b)), Buffer(std::span(back_c))};
  unpack(ConstBuffer(std::span(whole)), targets);
  EXPECT_EQ(back_a, a);
  EXPECT_EQ(back_b, b);
  EXPECT_EQ(back_c, c);
  pack({}, Buffer(nullptr, 0, DType::f32));
}

TEST(Pack, RefusesWhatDoesNotFit) {
  std::vector<float> a(3), whole(4);
  std::vector<double> d(1);
  const std::vector<ConstBuffer> few = {ConstBuffer(std::span(a))};
  EXPECT_EQ(message_of([&] { pack(few, Buffer(std::span(whole))); }),
            "pack: the 1 pieces have 3 elements, the contiguous buffer has 4");
  const std::vector<Buffer> mixed = {Buffer(std::span(a)), Buffer(std::span(d))};
  EXPECT_EQ(message_of([&] { unpack(ConstBuffer(std::span(whole)), mixed); }),
            "unpack: piece 1 has dtype f64, the contiguous buffer f32");
  const std::vector<ConstBuffer> device = {ConstBuffer(a.data(), 3, DType::f32, MemorySpace::device)};
  EXPECT_EQ(message_of([&] { pack(device, Buffer(std::span(a))); }), "pack: piece 0 is not in host memory");
}

using Crc = std::uint32_t (*)(std::span<const std::byte>, std::uint32_t) noexcept;

/// The versions that this processor can run, and the door.
std::vector<std::pair<const char*, Crc>> crc_versions() {
  std::vector<std::pair<const char*, Crc>> versions = {{"crc32c", &crc32c}, {"portable", &crc32c_versions::portable}};
  if (crc32c_versions::has_hardware()) versions.emplace_back("hardware", &crc32c_versions::hardware);
  return versions;
}

/// Bit by bit, from the definition.
std::uint32_t naive_crc(std::span<const std::byte> data, std::uint32_t crc) {
  crc = ~crc;
  for (const std::byte byte : data) {
    crc ^= static_cast<std::uint32_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1U) != 0 ? 0x82F63B78U : 0U);
  }
  return ~crc;
}

TEST(Crc32c, PublishedVectors) {
  std::vector<std::vector<unsigned char>> texts(5, std::vector<unsigned char>(32));
  std::fill(texts[1].begin(), texts[1].end(), static_cast<unsigned char>(0xff));
  std::iota(texts[2].begin(), texts[2].end(), static_cast<unsigned char>(0));
  std::iota(texts[3].rbegin(), texts[3].rend(), static_cast<unsigned char>(0));
  // RFC 3720, appendix B.4: 32 zeros, 32 ones, incrementing, decrementing, and the header of an iSCSI read command.
  texts[4] = {0x01, 0xc0, 0, 0,    0, 0, 0, 0,    0,    0, 0, 0, 0, 0, 0, 0, 0x14, 0, 0, 0, 0, 0, 0x04, 0,
              0,    0,    0, 0x14, 0, 0, 0, 0x18, 0x28, 0, 0, 0, 0, 0, 0, 0, 0x02, 0, 0, 0, 0, 0, 0,    0};
  constexpr std::uint32_t kExpected[] = {0x8A9136AAU, 0x62A8AB43U, 0x46DD794EU, 0x113FDB5CU, 0xD9963A56U};
  for (const auto& [label, crc] : crc_versions()) {
    for (std::size_t i = 0; i < texts.size(); ++i) {
      EXPECT_EQ(crc(std::as_bytes(std::span(texts[i])), 0), kExpected[i]) << label << ", vector " << i;
    }
    EXPECT_EQ(crc(std::as_bytes(std::span("123456789", 9)), 0), 0xE3069283U) << label;
    EXPECT_EQ(crc({}, 0), 0U) << label;
  }
}

// The three parts that the hardware takes at once, and what is left of them, begin and end at every place.
TEST(Crc32c, EveryLengthOverSeveralParts) {
  std::vector<std::byte> data(9000);
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::byte>(i * 131 + i / 251);
  std::uint32_t crc = 0;  // byte by byte
  for (std::size_t length = 1; length <= data.size(); ++length) {
    crc = naive_crc(std::span(data).subspan(length - 1, 1), crc);
    const std::span<const std::byte> part = std::span(data).first(length);
    ASSERT_EQ(crc32c(part, 0), crc) << length;
    ASSERT_EQ(crc32c_versions::portable(part, 0), crc) << length;
  }
}

TEST(Crc32c, EveryLengthAndAlignment) {
  constexpr std::uint64_t kSeed = 7;
  std::vector<std::byte> data(9000);
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::byte>(random_u64(kSeed, 0, i));
  std::vector<std::size_t> lengths(100);
  std::iota(lengths.begin(), lengths.end(), std::size_t{0});
  // Around the lengths at which the hardware version starts to run three parts at once, and does so twice.
  for (const std::size_t length : {4024, 4032, 4040, 8063, 8064, 8065, 8990}) lengths.push_back(length);
  for (const auto& [label, crc] : crc_versions()) {
    for (const std::size_t length : lengths) {
      for (std::size_t first = 0; first < 9; ++first) {
        const auto part = std::span(data).subspan(first, length);
        ASSERT_EQ(crc(part, 0), naive_crc(part, 0))
            << label << ", " << length << " bytes from " << first << ", seed " << kSeed;
      }
    }
  }
}

TEST(Crc32c, GoesOnWhereItEnded) {
  std::vector<std::byte> data(10000);
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::byte>(random_u64(8, 0, i));
  const std::span<const std::byte> whole(data);
  for (const auto& [label, crc] : crc_versions()) {
    for (const std::size_t cut : {0, 1, 7, 8, 4032, 5000, 9999, 10000}) {
      EXPECT_EQ(crc(whole.subspan(cut), crc(whole.first(cut), 0)), naive_crc(whole, 0)) << label << ", cut at " << cut;
    }
  }
}

TEST(Philox, KnownAnswers) {
  // From the file kat_vectors of the Random123 distribution, philox4x32 with 10 rounds; the third uses the digits of
  // pi.
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}), (PhiloxCounter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  constexpr std::uint32_t kOnes = 0xffffffff;
  EXPECT_EQ(philox4x32({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}),
            (PhiloxCounter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (PhiloxCounter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, NumbersAreFunctionsOfSeedStreamAndIndex) {
  EXPECT_EQ(random_u64(0, 0, 0), 0xe169c58d6627e8d5U);
  // Seed, stream and index from the digits of pi, in the order of the known answer above.
  EXPECT_EQ(random_u64(0x299f31d0a4093822U, 0x0370734413198a2eU, 0x85a308d3243f6a88U), 0x94fdccebd16cfe09U);
  double sum = 0;
  for (std::uint64_t i = 0; i < 100000; ++i) {
    const double x = random_uniform(1, 2, i);
    ASSERT_TRUE(x >= 0.0 && x < 1.0);
    sum += x;
  }
  // The mean of n uniform numbers has standard deviation 0.289 / sqrt(n); five of them.
  EXPECT_NEAR(sum / 100000, 0.5, 5 * 0.289 / 316);
}

TEST(Text, WritesWhatTheCLocaleWrites) {
  EXPECT_EQ(text(), "");
  EXPECT_EQ(text("rank ", 3, " is late"), "rank 3 is late");
  EXPECT_EQ(text(std::string("a"), std::string_view("b"), 'c', true, false), "abc10");
  EXPECT_EQ(text(INT64_MIN, ' ', INT64_MAX, ' ', UINT64_MAX, ' ', std::uint8_t{65}, ' ', std::int8_t{-1}),
            "-9223372036854775808 9223372036854775807 18446744073709551615 65 -1");
  EXPECT_EQ(text(0.5, ' ', 1e-7F, ' ', 1234567.0, ' ', 100000.0, ' ', 1.0 / 3),
            "0.5 1e-07 1.23457e+06 100000 0.333333");
  EXPECT_EQ(text(-DBL_MIN / 3, ' ', std::numeric_limits<double>::infinity(), ' ', -0.0), "-7.41691e-309 inf -0");
}

TEST(Text, KnowsUtf8) {
  for (const std::string_view valid :
       {"", "abc", "caf\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x8e\xbc", "\xf4\x8f\xbf\xbf"})
    EXPECT_TRUE(is_utf8(valid)) << printable(valid);
  // A stray byte, forms longer than need be, half of a surrogate pair, beyond U+10FFFF, cut off, zero.
  for (const std::string_view invalid : {"caf\xe9", "\x80", "\xc0\xaf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf",
                                         "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82", "\xc3"})
    EXPECT_FALSE(is_utf8(invalid)) << printable(invalid);
  EXPECT_FALSE(is_utf8(std::string_view("a\0b", 3)));
  EXPECT_EQ(printable("a\n\xe9~"), "a\\x0a\\xe9~");
}

// Every position in blocks and rests of blocks, and the values next to those that are not finite.
TEST(Finite, FindsTheFirst) {
  const auto check = [](auto zero, auto largest, std::vector<decltype(zero)> wrong, DType dtype) {
    std::vector<decltype(zero)> values(10007, largest);
    values[7] = zero;
    const ConstBuffer all(values.data(), values.size(), dtype);
    EXPECT_TRUE(all_finite(all)) << name(dtype);
    EXPECT_TRUE(all_finite(all.slice(0, 0)));
    for (const auto bad : wrong) {
      for (const std::size_t at : {0, 1, 4095, 4096, 8191, 8192, 10006}) {
        values[at] = values[10006] = bad;
        EXPECT_EQ(first_not_finite(all), at) << name(dtype);
        EXPECT_TRUE(all_finite(all.slice(0, at)));
        EXPECT_EQ(first_not_finite(all.slice(at, 1)), 0U);
        values[at] = values[10006] = largest;
      }
    }
  };
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  check(0.0, DBL_MAX, {kInfinity, -kInfinity, kNan, -kNan}, DType::f64);
  check(0.0F, FLT_MAX, {HUGE_VALF, -HUGE_VALF, static_cast<float>(kNan)}, DType::f32);
  check(std::uint16_t{0}, std::uint16_t{0x7bff}, {0x7c00, 0xfc00, 0x7c01, 0xffff}, DType::f16);
  check(std::uint16_t{0}, std::uint16_t{0x7f7f}, {0x7f80, 0xff80, 0x7f81, 0xffff}, DType::bf16);
  check(std::int32_t{0}, std::int32_t{INT32_MAX}, {}, DType::i32);
}

}  // namespace
}  // namespace tutti::test
