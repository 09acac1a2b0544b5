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

/// 16 bits for each value: a call of Philox gives four words, or eight draws.
class Draws {
 public:
  /// Those of `count` values from `first` on, which is counted from the start of what is encoded. The counters of a
  /// chunk do not lie on both sides of a multiple of 2^32.
  HWY_INLINE void fill(const Draw& draw, std::size_t first, std::size_t count) {
    const std::uint64_t counter = (draw.first + first) / 8;
    for (std::size_t i = 0; i < count; i += 8 * kCalls) fill_bytes(draw, counter + i / 8, bytes_ + 2 * i);
  }

  HWY_INLINE const std::uint16_t* halves() const { return reinterpret_cast<const std::uint16_t*>(bytes_); }

 private:
#if HWY_TARGET == HWY_SCALAR
  static constexpr std::size_t kCalls = 1;

  static HWY_INLINE void fill_bytes(const Draw& draw, std::uint64_t counter, unsigned char* to) {
    const PhiloxCounter words =
        philox4x32({static_cast<std::uint32_t>(counter), static_cast<std::uint32_t>(counter >> 32),
                    static_cast<std::uint32_t>(draw.stream), static_cast<std::uint32_t>(draw.stream >> 32)},
                   philox_key(draw.seed));
    std::memcpy(to, words.data(), sizeof words);
  }
#else
  using Wide = hn::Repartition<std::uint64_t, CodeBits>;
  using Word = hn::Vec<Wide>;

  static constexpr std::size_t kChains = 2;  // under way at once
  static constexpr std::size_t kCalls = kChains * hn::MaxLanes(Wide());

  /// The words of as many calls as a vector has lanes of 64 bits: their lower halves, the upper ones are garbage. So no
  /// product has to be taken apart.
  struct Chain {
    Word a, b, c, e;

    HWY_INLINE void turn(Word key, Word other_key) {
      const CodeBits d;
      const auto of_a = hn::MulEven(hn::BitCast(d, a), hn::Set(d, 0xD2511F53U));
      const auto of_c = hn::MulEven(hn::BitCast(d, c), hn::Set(d, 0xCD9E8D57U));
      a = hn::Xor(hn::Xor(hn::ShiftRight<32>(of_c), b), key);
      b = of_c;
      c = hn::Xor(hn::Xor(hn::ShiftRight<32>(of_a), e), other_key);
      e = of_a;
    }
  };

  static HWY_INLINE Word join(Word lower, Word upper) {
    const CodeBits d;
    return hn::BitCast(Wide(), hn::OddEven(hn::BitCast(d, hn::ShiftLeft<32>(upper)), hn::BitCast(d, lower)));
  }

  static HWY_INLINE void fill_bytes(const Draw& draw, std::uint64_t counter, unsigned char* to) {
    const Wide d;
    constexpr std::size_t kLanes = hn::MaxLanes(Wide());
    Chain chains[kChains];
    for (std::size_t i = 0; i < kChains; ++i) {
      chains[i] = {hn::Iota(d, counter + i * kLanes), hn::Set(d, counter >> 32), hn::Set(d, draw.stream),
                   hn::Set(d, draw.stream >> 32)};
    }
    PhiloxKey key = philox_key(draw.seed);
    for (int round = 0; round < 10; ++round) {
      const auto first = hn::Set(d, std::uint64_t{key[0]});
      const auto second = hn::Set(d, std::uint64_t{key[1]});
      for (auto& chain : chains) chain.turn(first, second);
      key[0] += 0x9E3779B9U;
      key[1] += 0xBB67AE85U;
    }
    auto* words = reinterpret_cast<std::uint64_t*>(to);
    for (std::size_t i = 0; i < kChains; ++i)
      hn::StoreInterleaved2(join(chains[i].a, chains[i].b), join(chains[i].c, chains[i].e), d, words + 2 * i * kLanes);
  }
#endif

  alignas(kMaxVectorBytes) unsigned char bytes_[2 * kChunk];
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
