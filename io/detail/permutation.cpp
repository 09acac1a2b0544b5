// The Feistel network over Philox on many values at once, a value in each 64-bit lane. Both halves of a value and all
// words of Philox's counter have 32 bits: what is above them in a lane is ignored by the multiplications of even
// 32-bit lanes, and masked at the end.
#include <tutti/io/detail/permutation.hpp>

#include <algorithm>
#include <array>
#include <cstddef>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tutti/io/detail/permutation.cpp"
#include <hwy/foreach_target.h>
// Highway's own headers come after foreach_target.h.
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace tutti::io::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr std::size_t kMostLanes = 8;
using Lanes64 = hn::CappedTag<std::uint64_t, kMostLanes>;
using V = hn::Vec<Lanes64>;

constexpr int kPhiloxRounds = 10;

// What does not depend on the values: the keys of Philox's rounds, and the network's shape.
struct Network {
  PhiloxKey key;
  std::uint64_t epoch;
  unsigned low_bits;
  std::uint64_t low_mask;
  std::uint64_t high_mask;
  std::uint32_t rounds;
};

HWY_INLINE V times(V a, std::uint32_t factor) {
#if HWY_TARGET == HWY_SCALAR
  return hn::Set(Lanes64(), (hn::GetLane(a) & 0xFFFFFFFFU) * factor);
#else
  const hn::Repartition<std::uint32_t, Lanes64> d32;
  return hn::MulEven(hn::BitCast(d32, a), hn::BitCast(d32, hn::Set(Lanes64(), std::uint64_t{factor})));
#endif
}

// The first word of Philox4x32-10 of {half, round, epoch}.
HWY_INLINE V philox_word(V half, std::uint32_t round, const Network& network) {
  const Lanes64 d;
  V c0 = half;
  V c1 = hn::Set(d, std::uint64_t{round});
  V c2 = hn::Set(d, network.epoch & 0xFFFFFFFFU);
  V c3 = hn::Set(d, network.epoch >> 32);
  PhiloxKey key = network.key;
  for (int i = 0; i < kPhiloxRounds; ++i) {
    const V a = times(c0, 0xD2511F53U);
    const V b = times(c2, 0xCD9E8D57U);
    c0 = hn::Xor(hn::ShiftRight<32>(b), hn::Xor(c1, hn::Set(d, std::uint64_t{key[0]})));
    c1 = b;
    c2 = hn::Xor(hn::ShiftRight<32>(a), hn::Xor(c3, hn::Set(d, std::uint64_t{key[1]})));
    c3 = a;
    key[0] += 0x9E3779B9U;
    key[1] += 0xBB67AE85U;
  }
  return c0;
}

// Two vectors at a time, since the multiplications of one wait for each other.
HWY_INLINE void permute_two(std::uint64_t* values, const Network& network) {
  const Lanes64 d;
  const std::size_t lanes = hn::Lanes(d);
  const V low_mask = hn::Set(d, network.low_mask);
  const V high_mask = hn::Set(d, network.high_mask);
  const V first = hn::LoadU(d, values);
  const V second = hn::LoadU(d, values + lanes);
  V low_a = hn::And(first, low_mask);
  V low_b = hn::And(second, low_mask);
  const auto shift = static_cast<int>(network.low_bits);
  V high_a = hn::ShiftRightSame(first, shift);
  V high_b = hn::ShiftRightSame(second, shift);
  for (std::uint32_t round = 0; round < network.rounds; round += 2) {
    high_a = hn::Xor(high_a, hn::And(philox_word(low_a, round, network), high_mask));
    high_b = hn::Xor(high_b, hn::And(philox_word(low_b, round, network), high_mask));
    low_a = hn::Xor(low_a, hn::And(philox_word(high_a, round + 1, network), low_mask));
    low_b = hn::Xor(low_b, hn::And(philox_word(high_b, round + 1, network), low_mask));
  }
  hn::StoreU(hn::Or(hn::ShiftLeftSame(high_a, shift), low_a), d, values);
  hn::StoreU(hn::Or(hn::ShiftLeftSame(high_b, shift), low_b), d, values + lanes);
}

// Values that leave 0 .. size-1 are gathered and walk on, until none is left.
void permute_on_target(std::uint64_t* values, std::size_t count, std::uint64_t size, std::uint64_t epoch,
                       PhiloxKey key) {
  const auto bits = static_cast<unsigned>(std::bit_width(size - 1));
  const unsigned low_bits = (bits + 1) / 2;
  const Network network{.key = key,
                        .epoch = epoch,
                        .low_bits = low_bits,
                        .low_mask = (std::uint64_t{1} << low_bits) - 1,
                        .high_mask = (std::uint64_t{1} << (bits - low_bits)) - 1,
                        .rounds = bits < 16 ? 24U : 8U};
  constexpr std::size_t kBlock = 256;
  std::array<std::uint64_t, kBlock + 2 * kMostLanes> walking{};
  std::array<std::uint16_t, kBlock> home{};
  const std::size_t step = 2 * hn::Lanes(Lanes64());
  for (std::size_t begin = 0; begin < count; begin += kBlock) {
    std::size_t left = std::min(kBlock, count - begin);
    std::copy_n(values + begin, left, walking.begin());
    for (std::size_t i = 0; i < left; ++i) home[i] = static_cast<std::uint16_t>(i);
    while (left > 0) {
      for (std::size_t i = 0; i < left; i += step) permute_two(walking.data() + i, network);
      std::size_t stay = 0;
      for (std::size_t i = 0; i < left; ++i) {
        values[begin + home[i]] = walking[i];
        walking[stay] = walking[i];
        home[stay] = home[i];
        stay += walking[i] >= size ? 1 : 0;
      }
      left = stay;
    }
  }
}

}  // namespace tutti::io::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tutti::io {

HWY_EXPORT(permute_on_target);

void permute_by_philox(std::span<std::uint64_t> values, std::uint64_t size, std::uint64_t epoch, PhiloxKey key) {
  HWY_DYNAMIC_DISPATCH(permute_on_target)(values.data(), values.size(), size, epoch, key);
}

}  // namespace tutti::io
#endif
