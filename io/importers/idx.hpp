// Imports the IDX format of the MNIST family of data sets: a file of images and a file of labels, plain or
// gzip-compressed.
//
// An IDX file is a big-endian header, two zero bytes, a type code, the number of dimensions and their extents as u32,
// then the elements, big-endian, last dimension fastest (http://yann.lecun.com/exdb/mnist).
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>

#include <tutti/io/import.hpp>

namespace tutti::io {

struct IdxFiles {
  std::filesystem::path images;  ///< {samples, rows, columns}, or {samples, channels, rows, columns}
  std::filesystem::path labels;  ///< {samples}, integers
  std::size_t classes = 0;       ///< 0: largest label + 1
};

/// Samples of the fields "image" (dtype of the file; {1, rows, columns} or {channels, rows, columns}) and "label" (i64,
/// a scalar). Values are taken as they are. Samples keep their order. All labels are held in memory. \throws DataError
/// naming the file: missing, not IDX, truncated, too long, counts that differ, a label out of range (naming the
/// sample).
std::unique_ptr<SampleSource> open_idx(const IdxFiles& files);

}  // namespace tutti::io
