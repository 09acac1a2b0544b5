// The shuffle is a pseudo-random permutation: a balanced Feistel network (Luby and Rackoff, SIAM J. Comput. 17, 1988) on the
// smallest even number of bits that holds every position, with Philox4x32-10 as the round function, restricted to
// 0 .. size-1 by cycle walking (Black and Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002): a result outside
// is put through the network again until it lies inside. The network is a bijection for any round function, and so is the
// walk. The domain is less than four times the size, so fewer than four walks are expected.
#include <tutti/io/sampler.hpp>

#include <tutti/kernels/philox.hpp>

namespace tutti::io {

namespace {

// Four rounds make a strong pseudo-random permutation of large domains; the rest is for small ones, where a round mixes few bits.
constexpr std::uint32_t kRounds = 8;

std::uint64_t permute(std::uint64_t value, unsigned half_bits, std::uint64_t epoch, PhiloxKey key) noexcept {
  const std::uint64_t mask = (std::uint64_t{1} << half_bits) - 1;
  std::uint64_t left = value >> half_bits;
  std::uint64_t right = value & mask;
  for (std::uint32_t round = 0; round < kRounds; ++round) {
    const PhiloxCounter bits = philox4x32({static_cast<std::uint32_t>(right), round, static_cast<std::uint32_t>(epoch),
                                           static_cast<std::uint32_t>(epoch >> 32)},
                                          key);
    const std::uint64_t mixed = left ^ (bits[0] & mask);
    left = right;
    right = mixed;
  }
  return (left << half_bits) | right;
}

}  // namespace

Sampler::Sampler(std::uint64_t size, Order order, std::uint64_t seed) noexcept
    : size_(size), order_(order), seed_(seed), half_bits_(1) {
  while (half_bits_ < 32 && (std::uint64_t{1} << (2 * half_bits_)) < size) ++half_bits_;
}

std::uint64_t Sampler::sample(std::uint64_t epoch, std::uint64_t position) const noexcept {
  if (order_ == Order::contiguous) return position;
  std::uint64_t id = position;
  do {
    id = permute(id, half_bits_, epoch, philox_key(seed_));
  } while (id >= size_);
  return id;
}

Range part_of(Range whole, int part, int parts) noexcept {
  const auto index = static_cast<std::uint64_t>(part);
  const auto count = static_cast<std::uint64_t>(parts);
  const std::uint64_t base = whole.size() / count;
  const std::uint64_t larger = whole.size() % count;  // that many parts, the first ones, have one more
  const std::uint64_t first = whole.first + index * base + (index < larger ? index : larger);
  return {first, first + base + (index < larger ? 1 : 0)};
}

}  // namespace tutti::io
