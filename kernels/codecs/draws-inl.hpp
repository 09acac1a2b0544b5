// The draws of a chunk of values: Philox (philox.hpp) in vectors. Compiled once per instruction set, as floats-inl.hpp.
#if defined(TUTTI_KERNELS_CODECS_DRAWS_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef TUTTI_KERNELS_CODECS_DRAWS_INL_HPP_
#undef TUTTI_KERNELS_CODECS_DRAWS_INL_HPP_
#else
#define TUTTI_KERNELS_CODECS_DRAWS_INL_HPP_
#endif

#include <cstddef>
#include <cstdint>
#include <cstring>

#include <hwy/highway.h>

#include <tutti/kernels/codecs/encoding.hpp>
#include <tutti/kernels/codecs/groups-inl.hpp>
#include <tutti/kernels/philox.hpp>

HWY_BEFORE_NAMESPACE();
namespace tutti::HWY_NAMESPACE {

/// 16 bits for each value. A lane holds a counter, so a call gives four words, or eight draws, for each.
class Draws {
 public:
  /// Those of `count` values from `first` on, which is counted from the start of what is encoded. The counters of a
  /// chunk do not lie on both sides of a multiple of 2^32.
  HWY_INLINE void fill(const Draw& draw, std::size_t first, std::size_t count) {
    const std::uint64_t counter = (draw.first + first) / 8;
    std::uint32_t words[kChunk / 2];
    for (std::size_t i = 0; i < (count + 1) / 2; i += 4 * kGroupLanes) fill_vector(draw, counter + i / 4, words + i);
    std::memcpy(halves_, words, sizeof words);
  }

  HWY_INLINE const std::uint16_t* halves() const { return halves_; }

 private:
  using Words = hn::Vec<CodeBits>;

  struct Product {
    Words high, low;
  };

  static HWY_INLINE void fill_vector(const Draw& draw, std::uint64_t counter, std::uint32_t* to) {
    const PhiloxKey seed = philox_key(draw.seed);
    const PhiloxCounter start = {static_cast<std::uint32_t>(counter), static_cast<std::uint32_t>(counter >> 32),
                                 static_cast<std::uint32_t>(draw.stream),
                                 static_cast<std::uint32_t>(draw.stream >> 32)};
#if HWY_TARGET == HWY_SCALAR
    const PhiloxCounter words = philox4x32(start, seed);
    for (std::size_t i = 0; i < 4; ++i) to[i] = words[i];
#else
    const CodeBits d;
    Words a = hn::Iota(d, start[0]);
    Words b = hn::Set(d, start[1]);
    Words c = hn::Set(d, start[2]);
    Words e = hn::Set(d, start[3]);
    PhiloxKey key = seed;
    for (int round = 0; round < 10; ++round) {
      const Product of_a = multiply(a, 0xD2511F53U);
      const Product of_c = multiply(c, 0xCD9E8D57U);
      a = hn::Xor(hn::Xor(of_c.high, b), hn::Set(d, key[0]));
      b = of_c.low;
      c = hn::Xor(hn::Xor(of_a.high, e), hn::Set(d, key[1]));
      e = of_a.low;
      key[0] += 0x9E3779B9U;
      key[1] += 0xBB67AE85U;
    }
    hn::StoreInterleaved4(a, b, c, e, d, to);
#endif
  }

#if HWY_TARGET != HWY_SCALAR
  static HWY_INLINE Product multiply(Words x, std::uint32_t factor) {
    const CodeBits d;
    const hn::Repartition<std::uint64_t, CodeBits> wide;
    const auto factors = hn::Set(d, factor);
    const auto even = hn::MulEven(x, factors);
    const auto odd = hn::MulEven(hn::BitCast(d, hn::ShiftRight<32>(hn::BitCast(wide, x))), factors);
    return {hn::OddEven(hn::BitCast(d, odd), hn::BitCast(d, hn::ShiftRight<32>(even))),
            hn::OddEven(hn::BitCast(d, hn::ShiftLeft<32>(odd)), hn::BitCast(d, even))};
  }
#endif

  alignas(kMaxVectorBytes) std::uint16_t halves_[kChunk];
};

HWY_INLINE hn::Vec<CodeBits> draw_bits(const std::uint16_t* draws) {
  return hn::PromoteTo(CodeBits(), hn::LoadU(hn::Rebind<std::uint16_t, CodeFloats>(), draws));
}

/// As numbers: the middles of 2^16 intervals of [0, 1].
HWY_INLINE CodeVector uniforms(const std::uint16_t* draws) {
  const CodeFloats d;
  const auto number = hn::ConvertTo(d, hn::BitCast(CodeIntegers(), draw_bits(draws)));
  return hn::Mul(hn::Add(number, hn::Set(d, 0.5F)), hn::Set(d, 0x1p-16F));
}

}  // namespace tutti::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
