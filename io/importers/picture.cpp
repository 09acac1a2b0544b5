#include <tutti/io/importers/picture.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>

#include <tutti/io/importers/picture_formats.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::io {

namespace {

// Where the pixel (x, y) of the turned picture comes from: the eight cases of EXIF.
std::pair<std::size_t, std::size_t> source_of(const Picture& p, std::size_t x, std::size_t y) {
  const std::size_t right = p.width - 1;
  const std::size_t bottom = p.height - 1;
  switch (p.orientation) {
    case 2:
      return {right - x, y};
    case 3:
      return {right - x, bottom - y};
    case 4:
      return {x, bottom - y};
    case 5:
      return {y, x};
    case 6:
      return {y, bottom - x};
    case 7:
      return {right - y, bottom - x};
    case 8:
      return {right - y, x};
    default:
      return {x, y};
  }
}

Picture turned(const Picture& p) {
  const bool swapped = p.orientation >= 5;
  Picture out{.width = swapped ? p.height : p.width,
              .height = swapped ? p.width : p.height,
              .channels = p.channels,
              .pixels = std::vector<std::byte>(p.pixels.size())};
  for (std::size_t y = 0; y < out.height; ++y)
    for (std::size_t x = 0; x < out.width; ++x) {
      const auto [from_x, from_y] = source_of(p, x, y);
      std::memcpy(&out.pixels[(y * out.width + x) * p.channels], &p.pixels[(from_y * p.width + from_x) * p.channels],
                  p.channels);
    }
  return out;
}

Picture with_channels(Picture p, std::size_t channels) {
  if (p.channels == channels) return p;
  std::vector<std::byte> pixels(p.width * p.height * channels);
  for (std::size_t i = 0; i < p.width * p.height; ++i) {
    if (channels == 3) {
      std::fill_n(pixels.begin() + static_cast<std::ptrdiff_t>(3 * i), 3, p.pixels[i]);
      continue;
    }
    // 0.299 R + 0.587 G + 0.114 B, in units of 2^-16, rounded.
    const auto value = [&](std::size_t c) { return std::to_integer<std::uint32_t>(p.pixels[3 * i + c]); };
    pixels[i] = static_cast<std::byte>((value(0) * 19595 + value(1) * 38470 + value(2) * 7471 + 32768) >> 16);
  }
  p.channels = channels;
  p.pixels = std::move(pixels);
  return p;
}

// One axis of a scaled picture: what each pixel of the part that is kept is made of. Weights are integers, so that the
// result is the same on every machine.
struct Tap {
  std::size_t first = 0;
  std::vector<std::int32_t> weights;  // sum: about 2^kWeightBits
};

constexpr int kWeightBits = 22;

std::vector<Tap> taps_of(std::size_t from, std::size_t to, std::size_t skipped, std::size_t kept) {
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  const double reach = std::max(scale, 1.0);
  std::vector<Tap> taps(kept);
  for (std::size_t i = 0; i < kept; ++i) {
    const double centre = (static_cast<double>(skipped + i) + 0.5) * scale;
    const double last = std::min(centre + reach + 0.5, static_cast<double>(from));
    taps[i].first = static_cast<std::size_t>(std::max(centre - reach + 0.5, 0.0));
    std::vector<double> weights;
    double sum = 0;
    for (std::size_t p = taps[i].first; p < static_cast<std::size_t>(last); ++p) {
      weights.push_back(std::max(0.0, 1.0 - std::abs((static_cast<double>(p) + 0.5 - centre) / reach)));
      sum += weights.back();
    }
    taps[i].weights.reserve(weights.size());
    for (const double weight : weights)
      taps[i].weights.push_back(static_cast<std::int32_t>(std::lround(weight / sum * (1 << kWeightBits))));
  }
  return taps;
}

// The element that starts at `begin`, with neighbours `stride` apart.
std::byte weigh(const Tap& tap, const std::byte* begin, std::size_t stride) {
  std::int64_t sum = std::int64_t{1} << (kWeightBits - 1);
  for (const std::int32_t weight : tap.weights) {
    sum += weight * std::to_integer<std::int64_t>(*begin);
    begin += stride;
  }
  return static_cast<std::byte>(std::clamp<std::int64_t>(sum >> kWeightBits, 0, 255));
}

Picture cropped(const Picture& p, std::size_t height, std::size_t width) {
  const bool wide = p.width * height >= p.height * width;
  const std::size_t to_width = wide ? std::max(width, (p.width * height + p.height / 2) / p.height) : width;
  const std::size_t to_height = wide ? height : std::max(height, (p.height * width + p.width / 2) / p.width);
  const std::vector<Tap> columns = taps_of(p.width, to_width, (to_width - width) / 2, width);
  const std::vector<Tap> rows = taps_of(p.height, to_height, (to_height - height) / 2, height);
  // First across, only in rows that are needed, then down.
  const std::size_t first = rows.front().first;
  const std::size_t count = rows.back().first + rows.back().weights.size() - first;
  const std::size_t row_bytes = width * p.channels;
  std::vector<std::byte> across(count * row_bytes);
  for (std::size_t y = 0; y < count; ++y)
    for (std::size_t x = 0; x < width; ++x)
      for (std::size_t c = 0; c < p.channels; ++c)
        across[y * row_bytes + x * p.channels + c] =
            weigh(columns[x], &p.pixels[((first + y) * p.width + columns[x].first) * p.channels + c], p.channels);
  Picture out{.width = width, .height = height, .channels = p.channels, .pixels = {}};
  out.pixels.resize(height * row_bytes);
  for (std::size_t y = 0; y < height; ++y)
    for (std::size_t i = 0; i < row_bytes; ++i)
      out.pixels[y * row_bytes + i] = weigh(rows[y], &across[(rows[y].first - first) * row_bytes + i], row_bytes);
  return out;
}

}  // namespace

void require_plausible_size(std::uint64_t width, std::uint64_t height, std::uint64_t most, const std::string& place) {
  if (width == 0 || height == 0) throw DataError(fmt::format("{}: has no pixels", place));
  if (height > kMostPixels / width)
    throw DataError(fmt::format("{}: has {} x {} pixels; at most {} are read", place, width, height, kMostPixels));
  if (width * height > most)
    throw DataError(fmt::format("{}: claims {} x {} pixels, more than its bytes can hold: truncated or damaged", place,
                                width, height));
}

Picture decode_picture(std::span<const std::byte> file, const std::string& place) {
  const std::string_view start(reinterpret_cast<const char*>(file.data()), std::min<std::size_t>(file.size(), 8));
  if (start.empty()) throw DataError(fmt::format("{}: is empty", place));
  if (start == "\x89PNG\r\n\x1a\n") return decode_png(file, place);
  if (start.substr(0, 3) == "\xff\xd8\xff") return decode_jpeg(file, place);
  throw DataError(fmt::format("{}: is neither PNG nor JPEG (it starts with \"{}\")", place, printable(start)));
}

std::vector<std::byte> fit_picture(Picture picture, const PictureOptions& options, const std::string& place) {
  if (options.apply_orientation && picture.orientation > 1) picture = turned(picture);
  picture = with_channels(std::move(picture), options.channels);
  const bool any = options.height == 0;
  if (!any && (picture.height != options.height || picture.width != options.width)) {
    if (options.fit == PictureFit::exact)
      throw DataError(fmt::format("{}: has {} rows of {} pixels instead of {} of {}; --fit crop scales and cuts", place,
                                  picture.height, picture.width, options.height, options.width));
    picture = cropped(picture, options.height, options.width);
  }
  std::vector<std::byte> planes(picture.pixels.size());
  const std::size_t plane = picture.width * picture.height;
  for (std::size_t c = 0; c < picture.channels; ++c)
    for (std::size_t i = 0; i < plane; ++i) planes[c * plane + i] = picture.pixels[i * picture.channels + c];
  return planes;
}

}  // namespace tutti::io
