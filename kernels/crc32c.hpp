// CRC-32C (Castagnoli), as in RFC 3720 appendix B.4: the checksum of shards and checkpoints.
#pragma once

#include <tutti/kernels/cpp20.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

#pragma GCC visibility push(default)
namespace tutti {

/// CRC-32C of `data`; pass an earlier result as `crc` to go on where it ended. crc32c("123456789") == 0xE3069283.
std::uint32_t crc32c(std::span<const std::byte> data, std::uint32_t crc = 0) noexcept;

}  // namespace tutti
#pragma GCC visibility pop
