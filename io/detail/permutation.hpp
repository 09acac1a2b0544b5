// Pseudo-random permutations of 0 .. size-1 that are computed, not stored: Feistel networks (Luby and Rackoff, SIAM J.
// Comput. 17, 1988) on the fewest bits that hold every number, balanced up to one bit, restricted to 0 .. size-1 by
// cycle walking (Black and Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002): a result outside is put
// through the network again until it lies inside. The network is a bijection for any round function, and so is the
// walk. The domain is less than twice the size, so fewer than two walks are expected.
//
// Four rounds make a strong pseudo-random permutation of a large domain. A small one, where a round mixes few bits,
// needs more: the counts of (position, id) of sizes 5 to 7 fail a chi-square test over 50,000 epochs with 8 rounds and
// pass with 16.
#pragma once

#include <tutti/kernels/cpp20.hpp>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include <tutti/kernels/philox.hpp>

namespace tutti::io {

/// The order of shuffled epochs: rounds of Philox4x32-10. Changing it changes the order of every shuffled run.
/// Replaces `values`, all below `size`, by what they become. One of about 40 ns a value where there are many.
void permute_by_philox(std::span<std::uint64_t> values, std::uint64_t size, std::uint64_t epoch, PhiloxKey key);

/// For many small permutations, each of a key of its own: rounds of a mixing function of 32 bits.
class Permutation {
 public:
  /// Requires size > 0. `key` is to be random.
  Permutation(std::uint64_t size, std::uint64_t key) noexcept
      : size_(size), key_(key), bits_(static_cast<unsigned>(std::bit_width(size - 1))) {}

  /// Replaces `values`, all below `size`, by what they become. Some are on their way at the same time, since the steps
  /// of one wait for each other.
  void operator()(std::span<std::uint64_t> values) const noexcept {
    constexpr std::size_t kAtOnce = 4;
    std::array<std::uint64_t, kAtOnce> moving{};
    std::array<std::size_t, kAtOnce> at{};
    std::size_t next = 0;
    std::size_t arrived = 0;
    for (std::size_t i = 0; i < kAtOnce; ++i) {
      at[i] = next;
      if (next < values.size()) moving[i] = values[next++];
    }
    while (arrived < values.size()) {
      permute(moving);
      for (std::size_t i = 0; i < kAtOnce; ++i) {
        if (moving[i] >= size_ || at[i] == values.size()) continue;
        values[at[i]] = moving[i];
        ++arrived;
        at[i] = next;
        if (next < values.size()) moving[i] = values[next++];
      }
    }
  }

 private:
  template <std::size_t N>
  void permute(std::array<std::uint64_t, N>& values) const noexcept {
    const unsigned low_bits = (bits_ + 1) / 2;
    const auto low_mask = static_cast<std::uint32_t>((std::uint64_t{1} << low_bits) - 1);
    const auto high_mask = static_cast<std::uint32_t>((std::uint64_t{1} << (bits_ - low_bits)) - 1);
    std::array<std::uint32_t, N> low;
    std::array<std::uint32_t, N> high;
    for (std::size_t i = 0; i < N; ++i) {
      low[i] = static_cast<std::uint32_t>(values[i]) & low_mask;
      high[i] = static_cast<std::uint32_t>(values[i] >> low_bits);
    }
    auto round_key = static_cast<std::uint32_t>(key_);
    const auto step = static_cast<std::uint32_t>(key_ >> 32) | 1U;
    for (int round = rounds(); round > 0; round -= 2) {
      for (std::size_t i = 0; i < N; ++i) high[i] ^= mix(low[i] + round_key) & high_mask;
      round_key += step;
      for (std::size_t i = 0; i < N; ++i) low[i] ^= mix(high[i] + round_key) & low_mask;
      round_key += step;
    }
    for (std::size_t i = 0; i < N; ++i) values[i] = (std::uint64_t{high[i]} << low_bits) | low[i];
  }

  // By the same test as above, with more to spare.
  int rounds() const noexcept { return bits_ < 4 ? 24 : bits_ < 8 ? 12 : 8; }

  // The finaliser of MurmurHash3 (Appleby): each bit of the result depends on each bit of the argument.
  static constexpr std::uint32_t mix(std::uint32_t x) noexcept {
    x = (x ^ (x >> 16)) * 0x85EBCA6BU;
    x = (x ^ (x >> 13)) * 0xC2B2AE35U;
    return x ^ (x >> 16);
  }

  std::uint64_t size_;
  std::uint64_t key_;
  unsigned bits_;
};

}  // namespace tutti::io
