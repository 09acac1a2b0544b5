// The implementations behind crc32c(), each for itself, so that tests and benchmarks can compare them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace tutti::crc32c_versions {

/// By tables, eight bytes at a time; for every processor. Same arguments and result as tutti::crc32c().
std::uint32_t portable(std::span<const std::byte> data, std::uint32_t crc) noexcept;

/// Whether this processor has an instruction for CRC-32C that hardware() can use.
bool has_hardware() noexcept;

/// By the SSE4.2 instruction, on three parts of the data at a time. Only where has_hardware().
std::uint32_t hardware(std::span<const std::byte> data, std::uint32_t crc) noexcept;

}  // namespace tutti::crc32c_versions
