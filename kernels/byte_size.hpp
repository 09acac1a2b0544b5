// Sizes in bytes as people write them: "64K", "4M", "1GiB".
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace tutti {

/// Digits, then K, M or G (powers of 1024), then optionally B or iB: "8", "64K", "256M", "1GiB". Nothing if it is
/// something else, or more than 2^62.
std::optional<std::size_t> byte_size_from_text(std::string_view text) noexcept;

/// The shortest form that byte_size_from_text() reads back: 65536 is "64K", 1000 is "1000".
std::string byte_size_text(std::size_t bytes);

}  // namespace tutti
