// Minimum, maximum, mean and standard deviation of the fields of a data set, and of their channels and columns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include <tutti/io/dataset.hpp>

namespace tutti::tools::data {

/// Of the numbers that are finite, and how many are not.
struct Moments {
  std::uint64_t count = 0;
  double least = std::numeric_limits<double>::infinity();
  double largest = -std::numeric_limits<double>::infinity();
  double mean = 0.0;
  double squares = 0.0;  ///< sum of the squared distances from the mean
  std::uint64_t not_numbers = 0;
  std::uint64_t infinite = 0;

  double deviation() const noexcept;  ///< of all of them, not of a sample of them
  void add(std::span<const double> values);
  void merge(const Moments& other);
};

struct FieldMoments {
  Moments all;
  /// Of pictures {channels, rows, columns} with 2 to 16 channels, of tables {columns} with 2 to 64; empty for others.
  std::vector<Moments> channels;
};

/// By field. Reads the whole data set, in little memory. \throws DataError
std::vector<FieldMoments> statistics(const io::Dataset& dataset);

}  // namespace tutti::tools::data
