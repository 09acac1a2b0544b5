// Samples as pictures: in a terminal, and as a sheet in a PNG file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include <tutti/io/dataset.hpp>

namespace tutti::tools::data {

struct Picture {
  std::size_t rows = 0;
  std::size_t columns = 0;
  std::vector<std::uint8_t> rgb;  ///< row by row, red, green, blue

  Picture(std::size_t rows_of_it, std::size_t columns_of_it, std::uint8_t shade = 0)
      : rows(rows_of_it), columns(columns_of_it), rgb(rows_of_it * columns_of_it * 3, shade) {}
  std::uint8_t* at(std::size_t row, std::size_t column) noexcept { return rgb.data() + (row * columns + column) * 3; }
  const std::uint8_t* at(std::size_t row, std::size_t column) const noexcept {
    return rgb.data() + (row * columns + column) * 3;
  }
};

/// Index of the field `name`, or, if it is empty, of the first one that holds pictures: of a shape {rows, columns}, or
/// {channels, rows, columns} with 1, 3 or 4 channels. \throws DataError
std::size_t picture_field(const io::Dataset& dataset, const std::string& name);

/// One sample of such a field. Bytes are shown as they are; of other types the sample's least number is black and its
/// largest white. A fourth channel is not shown.
Picture picture_of(const io::Field& field, std::span<const std::byte> sample);

/// The lines of a picture, at most `columns` wide: in colours, two pixels in a character, or in letters of a plain
/// text.
std::string terminal_text(const Picture& picture, bool colours, std::size_t columns);

/// Pictures of one size beside and below each other, enlarged if they are small; `per_row` of them in a row.
Picture sheet_of(const std::vector<Picture>& pictures, std::size_t per_row);

/// \throws DataError naming the file
void write_png(const std::filesystem::path& file, const Picture& picture);

}  // namespace tutti::tools::data
