// libpng reports errors by longjmp(): the functions that call setjmp() hold no objects with destructors.
#include <fmt/core.h>
#include <png.h>

#include <csetjmp>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <new>
#include <vector>

#include <tutti/io/importers/picture_formats.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti::io {

namespace {

struct PngInput {
  std::span<const std::byte> unread;
  char message[200] = "";
};

void png_failed(png_structp png, png_const_charp message) {
  auto* input = static_cast<PngInput*>(png_get_error_ptr(png));
  std::snprintf(input->message, sizeof(input->message), "%s", message);
  png_longjmp(png, 1);
}

void png_warned(png_structp, png_const_charp) {}

void png_wants(png_structp png, png_bytep out, size_t size) {
  auto* input = static_cast<PngInput*>(png_get_io_ptr(png));
  if (size > input->unread.size()) png_error(png, "it is truncated");
  std::memcpy(out, input->unread.data(), size);
  input->unread = input->unread.subspan(size);
}

class PngDecoder {
 public:
  explicit PngDecoder(std::span<const std::byte> file) {
    input_.unread = file;
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, &input_, png_failed, png_warned);
    info_ = png_ == nullptr ? nullptr : png_create_info_struct(png_);
    if (info_ == nullptr) {
      png_destroy_read_struct(&png_, nullptr, nullptr);
      throw std::bad_alloc();
    }
    png_set_read_fn(png_, &input_, png_wants);
  }
  ~PngDecoder() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngDecoder(const PngDecoder&) = delete;
  PngDecoder& operator=(const PngDecoder&) = delete;

  bool read_header() noexcept {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    png_set_chunk_malloc_max(png_, png_alloc_size_t{1} << 24);
    png_read_info(png_, info_);
    return true;
  }

  // Asks for 8 bits of grey or RGB.
  bool begin() noexcept {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    const png_byte colour = png_get_color_type(png_, info_);
    if (colour == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png_);
    if (colour == PNG_COLOR_TYPE_GRAY && bits() < 8) png_set_expand_gray_1_2_4_to_8(png_);
    if (bits() == 16) png_set_scale_16(png_);
    png_set_strip_alpha(png_);
    png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    return true;
  }

  bool read_pixels(png_bytepp rows) noexcept {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    png_read_image(png_, rows);
    png_read_end(png_, nullptr);
    return true;
  }

  std::size_t width() const noexcept { return png_get_image_width(png_, info_); }
  std::size_t height() const noexcept { return png_get_image_height(png_, info_); }
  std::size_t channels() const noexcept { return png_get_channels(png_, info_); }
  std::size_t bits() const noexcept { return png_get_bit_depth(png_, info_); }
  std::size_t row_bytes() const noexcept { return png_get_rowbytes(png_, info_); }
  const char* message() const noexcept { return input_.message; }

 private:
  PngInput input_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

}  // namespace

Picture decode_png(std::span<const std::byte> file, const std::string& place) {
  constexpr std::uint64_t kMostInflated = 1032;  // bytes that deflate makes from one
  PngDecoder decoder(file);
  const auto fail = [&] { throw DataError(fmt::format("{}: cannot be decoded as PNG: {}", place, decoder.message())); };
  if (!decoder.read_header()) fail();
  const std::uint64_t pixel_bits = std::uint64_t{decoder.channels()} * decoder.bits();
  require_plausible_size(decoder.width(), decoder.height(), file.size() * kMostInflated * 8 / pixel_bits, place);
  if (!decoder.begin()) fail();
  Picture picture{.width = decoder.width(), .height = decoder.height(), .channels = decoder.channels(), .pixels = {}};
  const std::size_t row_bytes = picture.width * picture.channels;
  if ((picture.channels != 1 && picture.channels != 3) || decoder.row_bytes() != row_bytes)
    throw DataError(fmt::format("{}: is a PNG of a kind that is not read", place));
  picture.pixels.resize(row_bytes * picture.height);
  std::vector<png_bytep> rows(picture.height);
  for (std::size_t y = 0; y < rows.size(); ++y)
    rows[y] = reinterpret_cast<png_bytep>(picture.pixels.data() + y * row_bytes);
  if (!decoder.read_pixels(rows.data())) fail();
  return picture;
}

}  // namespace tutti::io
