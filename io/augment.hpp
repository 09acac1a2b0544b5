// Pictures changed at random while they are read: shifted, mirrored, with a part covered.
//
// What is drawn is a function of (seed, epoch, sample id): never of rank, thread, batch or order, so that any number of
// ranks gets the same pictures, and so does a run that is resumed.
#pragma once

#include <tutti/kernels/cpp20.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <tutti/io/dataset.hpp>

namespace tutti::io {

/// What a border shows.
enum class Padding : std::uint8_t {
  fill,     ///< Augmentation::fill
  reflect,  ///< the picture mirrored at its outermost pixels, which are not repeated
};

/// "fill, reflect"
std::span<const std::string_view> padding_names() noexcept;

/// \throws InvalidArgument listing the known ones, or naming the nearest.
Padding padding_from_name(std::string_view name);

/// In this order. All of it off: nothing is changed.
struct Augmentation {
  std::string field;    ///< the pictures: u8 or f32 of a shape {channels, rows, columns}
  std::size_t pad = 0;  ///< pixels added on each side, before as much of it is cut out again anywhere
  Padding padding = Padding::fill;
  bool flip = false;              ///< left and right change places, of every other picture on average
  std::size_t cutout = 0;         ///< side of a covered square whose centre is anywhere: at a border it is smaller
  std::vector<double> fill{0.0};  ///< what is shown instead, in the field's units: one value, or one per channel

  bool is_on() const noexcept { return pad > 0 || flip || cutout > 0; }
};

/// What was drawn for one picture: its pixel (row, column) is that of (row + down, column + right) of the original, or
/// of the mirrored column.
struct Draw {
  std::ptrdiff_t down = 0;   ///< -pad to pad
  std::ptrdiff_t right = 0;  ///< likewise
  bool flipped = false;
  std::size_t centre_row = 0;  ///< of the covered square
  std::size_t centre_column = 0;
};

/// Augments the pictures of one data set.
class Augmenter {
 public:
  /// \throws InvalidArgument: no pictures in the field, padding not smaller than them, fill values that the field
  /// cannot hold or of another number of channels. DataError: no such field.
  Augmenter(const Dataset& dataset, const Augmentation& options, std::uint64_t seed);

  /// Index of the field.
  std::size_t field() const noexcept { return field_; }

  Draw draw(std::uint64_t epoch, std::uint64_t id) const noexcept;

  /// `to` becomes the sample `id` of `epoch`, whose bytes as they are stored are `from`. They must not overlap.
  void augment(std::uint64_t epoch, std::uint64_t id, const std::byte* from, std::byte* to) const noexcept;

 private:
  Augmentation options_;
  std::uint64_t seed_;
  std::size_t field_;
  DType dtype_;
  std::size_t channels_;
  std::size_t rows_;
  std::size_t columns_;
};

}  // namespace tutti::io
