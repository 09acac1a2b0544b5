// Pictures made by libpng and libjpeg, for the tests of importers.
#pragma once

#include <png.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include <jpeglib.h>

namespace tutti::io::test {

struct PngLook {
  int colour = PNG_COLOR_TYPE_RGB;
  int bits = 8;
  bool interlaced = false;
  bool transparent = false;  // a tRNS chunk
  std::vector<png_color> palette = {};
};

/// `rows` are as the file holds them: `height` of equal size.
inline std::string png_of(std::uint32_t width, std::uint32_t height, const std::string& rows,
                          const PngLook& look = {}) {
  std::string out;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  png_set_write_fn(
      png, &out,
      [](png_structp p, png_bytep bytes, size_t size) {
        static_cast<std::string*>(png_get_io_ptr(p))->append(reinterpret_cast<char*>(bytes), size);
      },
      nullptr);
  png_set_IHDR(png, info, width, height, look.bits, look.colour,
               look.interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
               PNG_FILTER_TYPE_DEFAULT);
  if (!look.palette.empty()) png_set_PLTE(png, info, look.palette.data(), static_cast<int>(look.palette.size()));
  png_color_16 grey = {};
  png_byte alpha[2] = {0, 128};
  if (look.transparent)
    png_set_tRNS(png, info, alpha, look.palette.empty() ? 0 : 2, look.palette.empty() ? &grey : nullptr);
  png_write_info(png, info);
  std::vector<png_bytep> pointers(height);
  const std::size_t row = rows.size() / height;
  for (std::uint32_t y = 0; y < height; ++y)
    pointers[y] = reinterpret_cast<png_bytep>(const_cast<char*>(rows.data())) + y * row;
  png_write_image(png, pointers.data());
  png_write_end(png, nullptr);
  png_destroy_write_struct(&png, &info);
  return out;
}

struct JpegLook {
  J_COLOR_SPACE colour = JCS_RGB;
  bool progressive = false;
  bool adobe = true;      // of CMYK: with the marker of Adobe's programs
  std::string exif = {};  // what follows "Exif\0\0"
};

/// `pixels` of as many components as the colour space has.
inline std::string jpeg_of(unsigned width, unsigned height, const std::string& pixels, const JpegLook& look = {}) {
  jpeg_compress_struct info = {};
  jpeg_error_mgr errors = {};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* memory = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &memory, &size);
  info.image_width = width;
  info.image_height = height;
  info.in_color_space = look.colour;
  info.input_components = look.colour == JCS_GRAYSCALE ? 1 : look.colour == JCS_RGB ? 3 : 4;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, 100, TRUE);
  if (look.progressive) jpeg_simple_progression(&info);
  if (!look.adobe) info.write_Adobe_marker = FALSE;
  jpeg_start_compress(&info, TRUE);
  if (!look.exif.empty()) {
    const std::string marker = std::string("Exif\0\0", 6) + look.exif;
    jpeg_write_marker(&info, JPEG_APP0 + 1, reinterpret_cast<const JOCTET*>(marker.data()),
                      static_cast<unsigned>(marker.size()));
  }
  const std::size_t row = std::size_t{width} * static_cast<unsigned>(info.input_components);
  for (unsigned y = 0; y < height; ++y) {
    auto* line = reinterpret_cast<JSAMPROW>(const_cast<char*>(pixels.data())) + y * row;
    jpeg_write_scanlines(&info, &line, 1);
  }
  jpeg_finish_compress(&info);
  std::string out(reinterpret_cast<char*>(memory), size);
  std::free(memory);
  jpeg_destroy_compress(&info);
  return out;
}

}  // namespace tutti::io::test
