// Pictures in files, PNG and JPEG, to samples of one size.
//
// What a picture is, is told by its first bytes, not by its name. All become 8 bits per channel, grey or RGB:
// palettes are looked up, 16 bits scaled and rounded, alpha dropped, CMYK converted without a profile. Gamma and colour
// profiles are passed over. JPEG is decoded by the exact integer transform, with libjpeg's smooth chroma.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace tutti::io {

struct Picture {
  std::size_t width = 0;
  std::size_t height = 0;
  std::size_t channels = 1;       ///< 1: grey, 3: RGB
  std::vector<std::byte> pixels;  ///< row by row, the channels of a pixel side by side
  int orientation = 1;            ///< of EXIF in a JPEG, 1 to 8; 1: as stored
};

/// \throws DataError that begins with `place`: neither PNG nor JPEG, truncated, damaged, more pixels than its bytes can
/// hold or than kMostPixels.
Picture decode_picture(std::span<const std::byte> file, const std::string& place);

inline constexpr std::size_t kMostPixels = std::size_t{1} << 27;

enum class PictureFit : unsigned char {
  exact,  ///< of another size: an error
  crop,   ///< scaled (antialiased, a triangle as filter) until it covers the size, then cut around the centre
};

struct PictureOptions {
  std::size_t height = 0;  ///< 0 by 0: any
  std::size_t width = 0;
  PictureFit fit = PictureFit::exact;
  std::size_t channels = 3;        ///< 1: colour becomes luma (ITU-R BT.601); 3: grey is repeated
  bool apply_orientation = false;  ///< turns and mirrors as EXIF says
};

/// The picture as it is wanted, channel by channel: {channels, height, width}. \throws DataError that begins with
/// `place` for another size.
std::vector<std::byte> fit_picture(Picture picture, const PictureOptions& options, const std::string& place);

}  // namespace tutti::io
