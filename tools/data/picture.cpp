#include "tools/data/picture.hpp"

#include <fmt/core.h>
#include <png.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <memory>
#include <string_view>

#include <tutti/kernels/error.hpp>

#include "tools/data/elements.hpp"

namespace tutti::tools::data {

namespace {

bool holds_pictures(const io::Field& field) {
  const auto& shape = field.shape;
  if (field.sparse || (shape.size() != 2 && shape.size() != 3)) return false;
  return shape.size() == 2 || shape[0] == 1 || shape[0] == 3 || shape[0] == 4;
}

/// Numbers to 0 .. 255.
void stretch(std::vector<double>& values) {
  double least = std::numeric_limits<double>::infinity();
  double largest = -least;
  for (const double value : values)
    if (std::isfinite(value)) {
      least = std::min(least, value);
      largest = std::max(largest, value);
    }
  const double factor = largest > least ? 255.0 / (largest - least) : 0.0;
  for (double& value : values) value = std::isfinite(value) ? (value - least) * factor : 0.0;
}

/// Each pixel the mean of as many pixels as make it `columns` wide.
Picture shrunk(const Picture& picture, std::size_t columns) {
  const std::size_t by = (picture.columns + columns - 1) / columns;
  if (by <= 1) return picture;
  Picture small(std::max<std::size_t>(1, picture.rows / by), std::max<std::size_t>(1, picture.columns / by));
  for (std::size_t row = 0; row < small.rows; ++row)
    for (std::size_t column = 0; column < small.columns; ++column)
      for (std::size_t colour = 0; colour < 3; ++colour) {
        std::size_t sum = 0;
        std::size_t count = 0;
        for (std::size_t r = row * by; r < std::min(row * by + by, picture.rows); ++r)
          for (std::size_t c = column * by; c < std::min(column * by + by, picture.columns); ++c, ++count)
            sum += picture.at(r, c)[colour];
        small.at(row, column)[colour] = static_cast<std::uint8_t>(sum / std::max<std::size_t>(1, count));
      }
  return small;
}

std::string in_colours(const Picture& picture) {
  std::string text;
  for (std::size_t row = 0; row < picture.rows; row += 2) {
    for (std::size_t column = 0; column < picture.columns; ++column) {
      const std::uint8_t* const top = picture.at(row, column);
      text += fmt::format("\033[38;2;{};{};{}m", top[0], top[1], top[2]);
      if (row + 1 < picture.rows) {
        const std::uint8_t* const bottom = picture.at(row + 1, column);
        text += fmt::format("\033[48;2;{};{};{}m", bottom[0], bottom[1], bottom[2]);
      }
      text += "\u2580";  // the upper half of the character
    }
    text += "\033[0m\n";
  }
  return text;
}

// A character is about twice as high as wide.
std::string in_letters(const Picture& picture) {
  constexpr std::string_view kShades = " .:-=+*#%@";
  std::string text;
  for (std::size_t row = 0; row < picture.rows; row += 2) {
    for (std::size_t column = 0; column < picture.columns; ++column) {
      const std::size_t below = std::min(row + 1, picture.rows - 1);
      double light = 0.0;
      for (const std::uint8_t* const pixel : {picture.at(row, column), picture.at(below, column)})
        light += (0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2]) / 2;
      text += kShades[std::min<std::size_t>(kShades.size() - 1, static_cast<std::size_t>(light * 10.0 / 256.0))];
    }
    while (!text.empty() && text.back() == ' ') text.pop_back();
    text += '\n';
  }
  return text;
}

}  // namespace

std::size_t picture_field(const io::Dataset& dataset, const std::string& name) {
  const auto& fields = dataset.fields();
  if (!name.empty()) {
    const std::size_t index = dataset.field(name);
    if (!holds_pictures(fields[index]))
      throw DataError(
          fmt::format("{}: field '{}' holds no pictures: a shape {{rows, columns}}, or {{channels, rows, "
                      "columns}} with 1, 3 or 4 channels",
                      dataset.folder().string(), name));
    return index;
  }
  const auto found = std::find_if(fields.begin(), fields.end(), holds_pictures);
  if (found == fields.end())
    throw DataError(
        fmt::format("{}: no field holds pictures: of a shape {{rows, columns}}, or {{channels, rows, "
                    "columns}} with 1, 3 or 4 channels",
                    dataset.folder().string()));
  return static_cast<std::size_t>(found - fields.begin());
}

Picture picture_of(const io::Field& field, std::span<const std::byte> sample) {
  const bool planes = field.shape.size() == 3;
  const std::size_t channels = planes ? field.shape[0] : 1;
  Picture picture(field.shape[planes ? 1 : 0], field.shape[planes ? 2 : 1]);
  std::vector<double> values;
  widen_elements(field.dtype, sample, values);
  if (field.dtype != DType::u8) stretch(values);
  const std::size_t pixels = picture.rows * picture.columns;
  for (std::size_t i = 0; i < pixels; ++i)
    for (std::size_t colour = 0; colour < 3; ++colour)
      picture.rgb[3 * i + colour] = static_cast<std::uint8_t>(values[(channels == 1 ? 0 : colour) * pixels + i]);
  return picture;
}

std::string terminal_text(const Picture& picture, bool colours, std::size_t columns) {
  const Picture fitting = shrunk(picture, std::max<std::size_t>(1, columns));
  return colours ? in_colours(fitting) : in_letters(fitting);
}

Picture sheet_of(const std::vector<Picture>& pictures, std::size_t per_row) {
  constexpr std::size_t kGap = 4;
  constexpr std::size_t kSmall = 64;  // pixels of a side that need not be enlarged
  constexpr std::uint8_t kBackground = 255;
  const Picture& first = pictures.front();
  const std::size_t by = std::max<std::size_t>(1, kSmall / std::max(first.rows, first.columns));
  const std::size_t high = first.rows * by + kGap;
  const std::size_t wide = first.columns * by + kGap;
  const std::size_t rows = (pictures.size() + per_row - 1) / per_row;
  Picture sheet(rows * high + kGap, std::min(per_row, pictures.size()) * wide + kGap, kBackground);
  for (std::size_t i = 0; i < pictures.size(); ++i)
    for (std::size_t row = 0; row < first.rows * by; ++row)
      for (std::size_t column = 0; column < first.columns * by; ++column)
        std::copy_n(pictures[i].at(row / by, column / by), 3,
                    sheet.at(i / per_row * high + kGap + row, i % per_row * wide + kGap + column));
  return sheet;
}

void write_png(const std::filesystem::path& file, const Picture& picture) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(picture.columns);
  image.height = static_cast<png_uint_32>(picture.rows);
  image.format = PNG_FORMAT_RGB;
  if (png_image_write_to_file(&image, file.c_str(), 0, picture.rgb.data(), 0, nullptr) == 0)
    throw DataError(fmt::format("{}: cannot be written: {}", file.string(), std::string(image.message)));
}

}  // namespace tutti::tools::data
