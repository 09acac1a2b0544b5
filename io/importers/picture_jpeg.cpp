// libjpeg's errors leave by longjmp(): the functions that call setjmp() hold no objects with destructors.
#include <fmt/core.h>

#include <csetjmp>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <vector>

#include <jpeglib.h>  // needs size_t and FILE before

#include <jerror.h>

#include <tutti/io/importers/picture_formats.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti::io {

namespace {

struct JpegErrors {
  jpeg_error_mgr base;  // first, since libjpeg hands out a pointer to it
  std::jmp_buf jump;
  char message[JMSG_LENGTH_MAX] = "";
};

void jpeg_failed(j_common_ptr info) {
  auto* errors = reinterpret_cast<JpegErrors*>(info->err);
  errors->base.format_message(info, errors->message);
  std::longjmp(errors->jump, 1);
}

// A warning means that pixels were made up, but for these.
void jpeg_warned(j_common_ptr info, int level) {
  if (level >= 0) return;
  const int code = info->err->msg_code;
  if (code == JWRN_EXTRANEOUS_DATA || code == JWRN_JFIF_MAJOR || code == JWRN_ADOBE_XFORM) return;
  jpeg_failed(info);
}

void jpeg_prints(j_common_ptr) {}

// Each scan of a progressive picture goes over all of it, however short the scan is.
void jpeg_progressed(j_common_ptr info) {
  constexpr int kMostScans = 100;
  auto* errors = reinterpret_cast<JpegErrors*>(info->err);
  if (!info->is_decompressor || reinterpret_cast<j_decompress_ptr>(info)->input_scan_number <= kMostScans) return;
  std::snprintf(errors->message, sizeof(errors->message), "it has more than %d scans", kMostScans);
  std::longjmp(errors->jump, 1);
}

class JpegDecoder {
 public:
  explicit JpegDecoder(std::span<const std::byte> file) : file_(file) {
    info_.err = jpeg_std_error(&errors_.base);
    errors_.base.error_exit = jpeg_failed;
    errors_.base.emit_message = jpeg_warned;
    errors_.base.output_message = jpeg_prints;
    progress_.progress_monitor = jpeg_progressed;
  }
  ~JpegDecoder() { jpeg_destroy_decompress(&info_); }
  JpegDecoder(const JpegDecoder&) = delete;
  JpegDecoder& operator=(const JpegDecoder&) = delete;

  bool read_header() noexcept {
    if (setjmp(errors_.jump) != 0) return false;
    jpeg_create_decompress(&info_);
    info_.progress = &progress_;
    jpeg_mem_src(&info_, reinterpret_cast<const unsigned char*>(file_.data()), file_.size());
    jpeg_save_markers(&info_, JPEG_APP0 + 1, 0xffff);
    jpeg_read_header(&info_, TRUE);
    return true;
  }

  bool begin() noexcept {
    if (setjmp(errors_.jump) != 0) return false;
    info_.out_color_space = components() == 1 ? JCS_GRAYSCALE : components() == 3 ? JCS_RGB : JCS_CMYK;
    info_.dct_method = JDCT_ISLOW;
    jpeg_start_decompress(&info_);
    return true;
  }

  // The next row, of all components side by side.
  bool read_row(unsigned char* row) noexcept {
    if (setjmp(errors_.jump) != 0) return false;
    jpeg_read_scanlines(&info_, &row, 1);
    return true;
  }

  bool finish() noexcept {
    if (setjmp(errors_.jump) != 0) return false;
    jpeg_finish_decompress(&info_);
    return true;
  }

  std::size_t width() const noexcept { return info_.image_width; }
  std::size_t height() const noexcept { return info_.image_height; }
  int components() const noexcept { return info_.num_components; }
  bool adobe() const noexcept { return info_.saw_Adobe_marker != 0; }
  const char* message() const noexcept { return errors_.message; }

  std::span<const std::byte> exif() const noexcept {
    for (jpeg_saved_marker_ptr marker = info_.marker_list; marker != nullptr; marker = marker->next)
      if (marker->marker == JPEG_APP0 + 1 && marker->data_length > 6 && std::memcmp(marker->data, "Exif\0", 6) == 0)
        return {reinterpret_cast<const std::byte*>(marker->data) + 6, marker->data_length - 6};
    return {};
  }

 private:
  std::span<const std::byte> file_;
  jpeg_decompress_struct info_ = {};
  jpeg_progress_mgr progress_ = {};
  JpegErrors errors_ = {};
};

// The tag 0x0112 of the first directory (TIFF 6.0), in either byte order; 1 if there is none that makes sense.
int orientation_in(std::span<const std::byte> exif) {
  if (exif.size() < 8) return 1;
  const bool big_endian = exif[0] == std::byte{'M'};
  const auto number = [&](std::size_t at, std::size_t bytes) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < bytes; ++i)
      value = value << 8 | std::to_integer<std::uint32_t>(exif[big_endian ? at + i : at + bytes - 1 - i]);
    return value;
  };
  const std::size_t directory = number(4, 4);
  if (directory > exif.size() || exif.size() - directory < 2) return 1;
  const std::size_t entries = number(directory, 2);
  constexpr std::size_t kEntry = 12;
  for (std::size_t i = 0; i < entries && (exif.size() - directory - 2) / kEntry > i; ++i) {
    const std::size_t at = directory + 2 + i * kEntry;
    if (number(at, 2) != 0x0112 || number(at + 2, 2) != 3) continue;
    const std::uint32_t value = number(at + 8, 2);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

// Files of Adobe's programs hold CMYK inverted.
void append_cmyk(std::span<const unsigned char> row, bool inverted, std::byte* out) {
  for (std::size_t i = 0; i + 4 <= row.size(); i += 4)
    for (std::size_t c = 0; c < 3; ++c) {
      const unsigned ink = inverted ? row[i + c] : 255U - row[i + c];
      const unsigned black = inverted ? row[i + 3] : 255U - row[i + 3];
      *out++ = static_cast<std::byte>((ink * black + 127) / 255);
    }
}

}  // namespace

Picture decode_jpeg(std::span<const std::byte> file, const std::string& place) {
  // A block of 64 pixels of one component takes a bit at least, and the other components may have a quarter of them.
  constexpr std::uint64_t kMostPixelsPerByte = 1024;
  JpegDecoder decoder(file);
  const auto fail = [&] {
    throw DataError(fmt::format("{}: cannot be decoded as JPEG: {}", place, decoder.message()));
  };
  if (!decoder.read_header()) fail();
  if (decoder.components() != 1 && decoder.components() != 3 && decoder.components() != 4)
    throw DataError(
        fmt::format("{}: is a JPEG of {} colour components; known are 1, 3 and 4", place, decoder.components()));
  require_plausible_size(decoder.width(), decoder.height(), file.size() * kMostPixelsPerByte, place);
  Picture picture{.width = decoder.width(),
                  .height = decoder.height(),
                  .channels = decoder.components() == 1 ? 1U : 3U,
                  .pixels = {},
                  .orientation = orientation_in(decoder.exif())};
  if (!decoder.begin()) fail();
  const std::size_t row_bytes = picture.width * picture.channels;
  picture.pixels.resize(row_bytes * picture.height);
  std::vector<unsigned char> inks(decoder.components() == 4 ? picture.width * 4 : 0);
  for (std::size_t y = 0; y < picture.height; ++y) {
    std::byte* row = picture.pixels.data() + y * row_bytes;
    if (!decoder.read_row(inks.empty() ? reinterpret_cast<unsigned char*>(row) : inks.data())) fail();
    if (!inks.empty()) append_cmyk(inks, decoder.adobe(), row);
  }
  if (!decoder.finish()) fail();
  return picture;
}

}  // namespace tutti::io
