// The decoders behind decode_picture(); \throws as it does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include <tutti/io/importers/picture.hpp>

namespace tutti::io {

Picture decode_png(std::span<const std::byte> file, const std::string& place);
Picture decode_jpeg(std::span<const std::byte> file, const std::string& place);

/// \throws DataError if a header claims more pixels than there may be, or than `most` by the bytes of the file.
void require_plausible_size(std::uint64_t width, std::uint64_t height, std::uint64_t most, const std::string& place);

}  // namespace tutti::io
