#include <tutti/compression/block/block_codec.hpp>

namespace tutti::detail {

namespace {

/// The finaliser of SplitMix64 (Steele et al., "Fast splittable pseudorandom number generators", OOPSLA 2014): a
/// bijection that spreads neighbouring numbers.
constexpr std::uint64_t spread(std::uint64_t x) noexcept {
  x += 0x9E3779B97F4A7C15U;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31);
}

}  // namespace

std::uint64_t draw_stream(std::uint64_t step, std::uint64_t tensor, std::uint64_t contributor) noexcept {
  return spread(spread(spread(step) ^ tensor) ^ contributor);
}

}  // namespace tutti::detail
