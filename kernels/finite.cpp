#include <tutti/kernels/finite.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace tutti {

namespace {

/// A value is not finite where all bits of its exponent are set. Blocks are looked at without a branch inside, which
/// compilers turn into vector instructions.
template <class Bits>
std::size_t first_with(const void* data, std::size_t count, Bits exponent) noexcept {
  constexpr std::size_t kBlock = 1024;
  const auto* bytes = static_cast<const std::byte*>(data);
  for (std::size_t first = 0; first < count; first += kBlock) {
    const std::size_t size = std::min(kBlock, count - first);
    Bits values[kBlock];
    std::memcpy(values, bytes + first * sizeof(Bits), size * sizeof(Bits));
    Bits found = 0;
    for (std::size_t i = 0; i < size; ++i) found |= static_cast<Bits>((values[i] & exponent) == exponent ? 1 : 0);
    if (found != 0)
      for (std::size_t i = 0; i < size; ++i)
        if ((values[i] & exponent) == exponent) return first + i;
  }
  return count;
}

}  // namespace

std::size_t first_not_finite(ConstBuffer values) noexcept {
  switch (values.dtype) {
    case DType::f64:
      return first_with<std::uint64_t>(values.data, values.count, 0x7ff0000000000000U);
    case DType::f32:
      return first_with<std::uint32_t>(values.data, values.count, 0x7f800000U);
    case DType::f16:
      return first_with<std::uint16_t>(values.data, values.count, 0x7c00U);
    case DType::bf16:
      return first_with<std::uint16_t>(values.data, values.count, 0x7f80U);
    default:
      return values.count;
  }
}

}  // namespace tutti
