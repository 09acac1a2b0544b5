// Counter-based random numbers: Philox4x32-10 of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC'11).
//
// A random number is a pure function of (key, counter): streams are keyed by seed, epoch, step or sample and never by
// rank, so results do not depend on how work is spread over ranks, and nothing but the counter needs to be saved.
#pragma once

#include <tutti/kernels/cpp20.hpp>

#include <array>
#include <cstdint>

#pragma GCC visibility push(default)
namespace tutti {

using PhiloxCounter = std::array<std::uint32_t, 4>;
using PhiloxKey = std::array<std::uint32_t, 2>;

/// Ten rounds of Philox4x32: four independent, uniformly distributed 32-bit numbers.
constexpr PhiloxCounter philox4x32(PhiloxCounter counter, PhiloxKey key) noexcept {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53U} * counter[0];
    const std::uint64_t b = std::uint64_t{0xCD9E8D57U} * counter[2];
    counter = {static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(b),
               static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(a)};
    key[0] += 0x9E3779B9U;
    key[1] += 0xBB67AE85U;
  }
  return counter;
}

constexpr PhiloxKey philox_key(std::uint64_t seed) noexcept {
  return {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)};
}

/// 64 random bits for element `index` of stream `stream` of `seed`.
constexpr std::uint64_t random_u64(std::uint64_t seed, std::uint64_t stream, std::uint64_t index) noexcept {
  const PhiloxCounter out = philox4x32({static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32),
                                        static_cast<std::uint32_t>(stream), static_cast<std::uint32_t>(stream >> 32)},
                                       philox_key(seed));
  return (std::uint64_t{out[1]} << 32) | out[0];
}

/// Uniform in [0, 1) with 53 random bits.
constexpr double random_uniform(std::uint64_t seed, std::uint64_t stream, std::uint64_t index) noexcept {
  return static_cast<double>(random_u64(seed, stream, index) >> 11) * 0x1.0p-53;
}

}  // namespace tutti
#pragma GCC visibility pop
