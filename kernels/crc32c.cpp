// CRC-32C: a portable version by tables and one by the instruction of x86.
//
// A CRC is the remainder of a division of polynomials over GF(2); its register here holds the coefficient of x^31 in
// bit 0. It is linear: the remainder of a long text follows from those of its parts, once each is advanced over the
// zeros that stand for what follows it. The hardware version uses that to run three parts at once.
#include <tutti/kernels/crc32c.hpp>

#include <array>
#include <bit>
#include <cstring>

#include <tutti/kernels/crc32c_versions.hpp>

#if defined(__x86_64__)
#include <nmmintrin.h>
#define TUTTI_CRC32C_X86 1
#else
#define TUTTI_CRC32C_X86 0
#endif

namespace tutti {
namespace {

constexpr std::uint32_t kPolynomial = 0x82F63B78U;

constexpr std::uint32_t advance_one_zero_byte(std::uint32_t crc) {
  for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1U) != 0 ? kPolynomial : 0U);
  return crc;
}

using ByteTable = std::array<std::uint32_t, 256>;

/// Table k takes a byte of the register over k + 1 bytes.
constexpr std::array<ByteTable, 8> make_tables() {
  std::array<ByteTable, 8> tables{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (ByteTable& table : tables) table[byte] = crc = advance_one_zero_byte(crc);
  }
  return tables;
}

constexpr std::array<ByteTable, 8> kTables = make_tables();

constexpr std::uint32_t add_byte(std::uint32_t crc, std::byte byte) {
  return (crc >> 8) ^ kTables[0][(crc ^ static_cast<std::uint32_t>(byte)) & 0xffU];
}

std::uint64_t load_le64(const std::byte* from) {
  std::uint64_t word = 0;
  std::memcpy(&word, from, sizeof(word));
  if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
  return word;
}

}  // namespace

std::uint32_t crc32c_versions::portable(std::span<const std::byte> data, std::uint32_t crc) noexcept {
  const std::byte* at = data.data();
  const std::byte* const end = at + data.size();
  crc = ~crc;
  for (; end - at >= 8; at += 8) {
    const std::uint64_t word = load_le64(at) ^ crc;
    crc = 0;
    for (unsigned byte = 0; byte < 8; ++byte) crc ^= kTables[7 - byte][(word >> (8 * byte)) & 0xffU];
  }
  for (; at != end; ++at) crc = add_byte(crc, *at);
  return ~crc;
}

#if TUTTI_CRC32C_X86

namespace {

/// Bytes of one of the three parts; a multiple of 8, and three of them stay in the first-level cache.
constexpr std::size_t kPart = 1344;

/// Tables that take the four bytes of a register over `kPart` zero bytes.
constexpr std::array<ByteTable, 4> make_part_tables() {
  std::array<std::uint32_t, 32> bits{};  // what becomes of each bit of the register
  for (std::size_t bit = 0; bit < 32; ++bit) {
    std::uint32_t crc = 1U << bit;
    for (std::size_t i = 0; i < kPart; ++i) crc = (crc >> 8) ^ kTables[0][crc & 0xffU];
    bits[bit] = crc;
  }
  std::array<ByteTable, 4> tables{};
  for (std::size_t byte = 0; byte < 4; ++byte) {
    for (std::size_t value = 0; value < 256; ++value) {
      for (std::size_t bit = 0; bit < 8; ++bit) {
        if (((value >> bit) & 1U) != 0) tables[byte][value] ^= bits[8 * byte + bit];
      }
    }
  }
  return tables;
}

constexpr std::array<ByteTable, 4> kPartTables = make_part_tables();

constexpr std::uint64_t advance_one_part(std::uint64_t crc) {
  return kPartTables[0][crc & 0xffU] ^ kPartTables[1][(crc >> 8) & 0xffU] ^ kPartTables[2][(crc >> 16) & 0xffU] ^
         kPartTables[3][(crc >> 24) & 0xffU];
}

}  // namespace

bool crc32c_versions::has_hardware() noexcept { return __builtin_cpu_supports("sse4.2") != 0; }

__attribute__((target("sse4.2"))) std::uint32_t crc32c_versions::hardware(std::span<const std::byte> data,
                                                                          std::uint32_t crc) noexcept {
  const std::byte* at = data.data();
  const std::byte* const end = at + data.size();
  std::uint64_t a = static_cast<std::uint32_t>(~crc);
  // One instruction takes 8 bytes and 3 cycles, but a new one can start every cycle.
  while (static_cast<std::size_t>(end - at) >= 3 * kPart) {
    std::uint64_t b = 0, c = 0;
    for (std::size_t i = 0; i < kPart; i += 8) {
      a = _mm_crc32_u64(a, load_le64(at + i));
      b = _mm_crc32_u64(b, load_le64(at + kPart + i));
      c = _mm_crc32_u64(c, load_le64(at + 2 * kPart + i));
    }
    a = advance_one_part(advance_one_part(a) ^ b) ^ c;
    at += 3 * kPart;
  }
  for (; end - at >= 8; at += 8) a = _mm_crc32_u64(a, load_le64(at));
  auto rest = static_cast<std::uint32_t>(a);
  for (; at != end; ++at) rest = _mm_crc32_u8(rest, static_cast<unsigned char>(*at));
  return ~rest;
}

#else

bool crc32c_versions::has_hardware() noexcept { return false; }

std::uint32_t crc32c_versions::hardware(std::span<const std::byte> data, std::uint32_t crc) noexcept {
  return portable(data, crc);
}

#endif

std::uint32_t crc32c(std::span<const std::byte> data, std::uint32_t crc) noexcept {
  // A look at a table that the C runtime filled before main; about a nanosecond.
  return crc32c_versions::has_hardware() ? crc32c_versions::hardware(data, crc) : crc32c_versions::portable(data, crc);
}

}  // namespace tutti
