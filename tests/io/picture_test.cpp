// Pictures: every kind of PNG and JPEG to 8 bits, turned, scaled and cut; and files that are damaged or lie.
#include <tutti/io/importers/picture.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "tests/io/importer_support.hpp"
#include "tests/io/picture_support.hpp"

namespace tutti::io::test {
namespace {

std::span<const std::byte> raw_bytes(const std::string& text) { return std::as_bytes(std::span(text)); }

Picture decoded_picture(const std::string& file) { return decode_picture(raw_bytes(file), "p"); }

std::string picture_pixels(const Picture& picture) {
  return {reinterpret_cast<const char*>(picture.pixels.data()), picture.pixels.size()};
}

std::string values(const std::vector<int>& values) {
  std::string out;
  for (const int value : values) out += static_cast<char>(value);
  return out;
}

std::string picture_noise(std::size_t size) {
  std::string out(size, '\0');
  std::uint32_t state = 7;
  for (char& c : out) c = static_cast<char>((state = state * 1664525U + 1013904223U) >> 24);
  return out;
}

TEST(Pictures, EveryKindOfPng) {
  for (const bool interlaced : {false, true}) {
    SCOPED_TRACE(interlaced);
    const std::string rgb = picture_noise(13 * 9 * 3);
    EXPECT_EQ(picture_pixels(decoded_picture(png_of(13, 9, rgb, {.interlaced = interlaced}))), rgb);
    const std::string grey = rgb.substr(0, 13 * 9);
    const PngLook grey_look{.colour = PNG_COLOR_TYPE_GRAY, .interlaced = interlaced, .transparent = true};
    EXPECT_EQ(picture_pixels(decoded_picture(png_of(13, 9, grey, grey_look))), grey);
    std::string rgba;
    std::string grey_alpha;
    std::string wide;
    for (std::size_t i = 0; i < rgb.size(); ++i) {
      rgba += rgb[i];
      if (i % 3 == 2) rgba += static_cast<char>(i);
      wide += std::string{rgb[i], static_cast<char>(i * 77)};
    }
    for (const char c : grey) grey_alpha += std::string{c, '\0'};
    EXPECT_EQ(picture_pixels(
                  decoded_picture(png_of(13, 9, rgba, {.colour = PNG_COLOR_TYPE_RGB_ALPHA, .interlaced = interlaced}))),
              rgb);
    EXPECT_EQ(picture_pixels(decoded_picture(
                  png_of(13, 9, grey_alpha, {.colour = PNG_COLOR_TYPE_GRAY_ALPHA, .interlaced = interlaced}))),
              grey);
    std::string rounded;
    for (std::size_t i = 0; i < wide.size(); i += 2) {
      const int value = static_cast<unsigned char>(wide[i]) * 256 + static_cast<unsigned char>(wide[i + 1]);
      rounded += static_cast<char>(std::lround(value * 255.0 / 65535));
    }
    EXPECT_EQ(picture_pixels(decoded_picture(png_of(13, 9, wide, {.bits = 16, .interlaced = interlaced}))), rounded);
    for (const bool transparent : {false, true}) {
      const Picture p = decoded_picture(png_of(4, 1, values({0, 1, 2, 1}),
                                               {.colour = PNG_COLOR_TYPE_PALETTE,
                                                .interlaced = interlaced,
                                                .transparent = transparent,
                                                .palette = {{1, 2, 3}, {40, 50, 60}, {7, 8, 9}}}));
      EXPECT_EQ(p.channels, 3U);
      EXPECT_EQ(picture_pixels(p), values({1, 2, 3, 40, 50, 60, 7, 8, 9, 40, 50, 60}));
    }
  }
  const auto grey_picture = [](int bits, const std::string& row, std::uint32_t width) {
    return picture_pixels(decoded_picture(png_of(width, 1, row, {.colour = PNG_COLOR_TYPE_GRAY, .bits = bits})));
  };
  EXPECT_EQ(grey_picture(1, "\xa0", 3), values({255, 0, 255}));
  EXPECT_EQ(grey_picture(2, "\x1b", 4), values({0, 85, 170, 255}));
  EXPECT_EQ(grey_picture(4, "\x1f", 2), values({17, 255}));
}

// Pictures of one colour keep it at full quality.
TEST(Pictures, EveryKindOfJpeg) {
  for (const bool progressive : {false, true}) {
    const Picture grey =
        decoded_picture(jpeg_of(9, 5, std::string(45, '\x64'), {.colour = JCS_GRAYSCALE, .progressive = progressive}));
    EXPECT_EQ(grey.channels, 1U);
    EXPECT_EQ(picture_pixels(grey), std::string(45, '\x64'));
    std::string colour;
    for (int i = 0; i < 24 * 17; ++i) colour += values({200, 30, 90});
    const Picture rgb = decoded_picture(jpeg_of(24, 17, colour, {.progressive = progressive}));
    ASSERT_EQ(rgb.pixels.size(), colour.size());
    for (std::size_t i = 0; i < colour.size(); ++i)
      EXPECT_NEAR(std::to_integer<int>(rgb.pixels[i]), static_cast<unsigned char>(colour[i]), 2);
  }
  std::string inks;
  for (int i = 0; i < 64; ++i) inks += values({200, 100, 50, 220});
  const Picture inverted = decoded_picture(jpeg_of(8, 8, inks, {.colour = JCS_CMYK}));
  const Picture straight = decoded_picture(jpeg_of(8, 8, inks, {.colour = JCS_CMYK, .adobe = false}));
  const std::vector<int> light{200 * 220 / 255, 100 * 220 / 255, 50 * 220 / 255};
  const std::vector<int> dark{55 * 35 / 255, 155 * 35 / 255, 205 * 35 / 255};
  ASSERT_EQ(inverted.channels, 3U);
  for (std::size_t c = 0; c < 3; ++c) {
    EXPECT_NEAR(std::to_integer<int>(inverted.pixels[c]), light[c], 2);
    EXPECT_NEAR(std::to_integer<int>(straight.pixels[c]), dark[c], 2);
  }
}

TEST(Pictures, FilesCutShortAndDamagedAreRefused) {
  const std::vector<std::string> files{
      png_of(20, 20, picture_noise(1200)), png_of(20, 20, picture_noise(1200), {.interlaced = true}),
      jpeg_of(20, 20, picture_noise(1200)), jpeg_of(20, 20, picture_noise(1200), {.progressive = true})};
  for (const std::string& file : files) {
    ASSERT_NO_THROW(decoded_picture(file));
    for (std::size_t size = 0; size < file.size(); ++size)
      EXPECT_THROW(decoded_picture(file.substr(0, size)), DataError) << size;
  }
  std::string damaged = files[0];
  damaged[damaged.size() / 2] = static_cast<char>(damaged[damaged.size() / 2] ^ 1);
  expect_parts(message_of([&] { decoded_picture(damaged); }), {"p: cannot be decoded as PNG", "IDAT"});
  expect_parts(message_of([&] { decoded_picture(files[2].substr(0, files[2].size() - 40)); }),
               {"p: cannot be decoded as JPEG", "Premature end"});
  expect_parts(message_of([] { decoded_picture(""); }), {"p: is empty"});
  expect_parts(message_of([] { decoded_picture("GIF89a"); }), {"p: is neither PNG nor JPEG", "GIF89a"});
}

// The sizes are big-endian: in PNG at 16, guarded by a checksum, in JPEG in the frame's header.
TEST(Pictures, SizesThatLieTakeNoMemory) {
  std::string png = png_of(20, 20, picture_noise(1200));
  const auto png_sized = [&](const std::string& size) {
    png.replace(16, 8, size);
    const auto crc = ::crc32(0, reinterpret_cast<const Bytef*>(png.data()) + 12, 17);
    for (std::size_t i = 0; i < 4; ++i) png[29 + i] = static_cast<char>(crc >> (24 - 8 * i));
    return message_of([&] { decoded_picture(png); });
  };
  expect_parts(png_sized({"\0\0\x27\x10\0\0\x27\x10", 8}), {"claims 10000 x 10000 pixels"});
  expect_parts(png_sized({"\0\1\x27\x10\0\1\x27\x10", 8}), {"at most 134217728"});
  expect_parts(png_sized({"\0\0\0\0\0\0\0\1", 8}), {"p: "});
  expect_parts(png_sized({"\xff\xff\xff\xff\xff\xff\xff\xff", 8}), {"p: "});
  std::string jpeg = jpeg_of(20, 20, picture_noise(1200));
  const std::size_t frame = jpeg.find("\xff\xc0");
  ASSERT_NE(frame, std::string::npos);
  jpeg.replace(frame + 5, 4, "\x27\x10\x27\x10");
  expect_parts(message_of([&] { decoded_picture(jpeg); }), {"claims 10000 x 10000 pixels"});
}

std::string fitted(const Picture& picture, const PictureOptions& options) {
  const std::vector<std::byte> planes = fit_picture(picture, options, "p");
  return {reinterpret_cast<const char*>(planes.data()), planes.size()};
}

Picture grey_picture(std::size_t height, std::size_t width, const std::string& pixels, int orientation = 1) {
  Picture picture{.width = width, .height = height, .channels = 1, .pixels = {}, .orientation = orientation};
  for (const char c : pixels) picture.pixels.push_back(static_cast<std::byte>(c));
  return picture;
}

TEST(Pictures, OrientationsOfExif) {
  // ab
  // cd
  // ef
  const std::vector<std::string> turned{"abcdef", "badcfe", "fedcba", "efcdab", "acebdf", "ecafdb", "fdbeca", "bdface"};
  for (int o = 1; o <= 8; ++o) {
    const PictureOptions options{
        .height = o < 5 ? 3U : 2U, .width = o < 5 ? 2U : 3U, .channels = 1, .apply_orientation = true};
    EXPECT_EQ(fitted(grey_picture(3, 2, "abcdef", o), options), turned[static_cast<std::size_t>(o) - 1]) << o;
    EXPECT_EQ(fitted(grey_picture(3, 2, "abcdef", o), {.channels = 1}), "abcdef");
  }
  const std::string little("II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0\0\0\0\0", 26);
  const std::string big("MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\x08\0\0\0\0\0\0", 26);
  const std::string nonsense("II*\0\xff\xff\xff\xff\1\0\x12\1", 12);
  const auto orientation = [](const std::string& exif) {
    return decoded_picture(jpeg_of(8, 8, std::string(192, 'x'), {.exif = exif})).orientation;
  };
  EXPECT_EQ(orientation(little), 6);
  EXPECT_EQ(orientation(big), 8);
  EXPECT_EQ(orientation(nonsense), 1);
  for (std::size_t size = 1; size < little.size(); ++size) EXPECT_LE(orientation(little.substr(0, size)), 6);
}

TEST(Pictures, ChannelsScalingAndCutting) {
  EXPECT_EQ(fitted(grey_picture(1, 2, "ab"), {}), "ababab");
  Picture colour{.width = 1, .height = 1, .channels = 3, .pixels = {std::byte{10}, std::byte{200}, std::byte{77}}};
  EXPECT_EQ(fitted(colour, {.channels = 1}), values({129}));  // 129.17
  EXPECT_EQ(fitted(colour, {}), values({10, 200, 77}));
  expect_parts(message_of([] { fitted(grey_picture(2, 3, "abcdef"), {.height = 3, .width = 2}); }),
               {"p: has 2 rows of 3 pixels instead of 3 of 2", "--fit crop"});
  const auto crop = [](const Picture& p, std::size_t height, std::size_t width) {
    return fitted(p, {.height = height, .width = width, .fit = PictureFit::crop, .channels = 1});
  };
  EXPECT_EQ(crop(grey_picture(30, 70, std::string(2100, 'x')), 7, 5), std::string(35, 'x'));
  EXPECT_EQ(crop(grey_picture(3, 5, "abcdefghijklmno"), 3, 3), "bcdghilmn");  // cut only
  // Halved: the weights of a triangle over two pixels to each side, 1 3 3 1 of 8, without those beyond the edge.
  EXPECT_EQ(crop(grey_picture(1, 8, values({0, 0, 0, 80, 160, 0, 0, 0})), 1, 4).size(), 4U);
  EXPECT_EQ(crop(grey_picture(2, 8, values({0, 0, 0, 80, 160, 0, 0, 0, 0, 0, 0, 80, 160, 0, 0, 0})), 1, 4),
            values({0, 50, 70, 0}).replace(0, 1, "\0", 1).replace(3, 1, "\0", 1));
  // Doubled: a quarter of the neighbour.
  EXPECT_EQ(crop(grey_picture(1, 2, values({0, 100})), 2, 4), values({0, 25, 75, 100, 0, 25, 75, 100}));
  EXPECT_EQ(crop(grey_picture(1, 100000, std::string(100000, 'y')), 200, 200), std::string(40000, 'y'));
}

}  // namespace
}  // namespace tutti::io::test
