// Imports the IDX format of the MNIST family of data sets: a file of images and a file of labels, plain or
// gzip-compressed.
//
// An IDX file is a big-endian header, two zero bytes, a type code, the number of dimensions and their extents as u32,
// then the elements, big-endian, last dimension fastest (http://yann.lecun.com/exdb/mnist).
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

namespace tutti::io {

struct IdxImport {
  std::filesystem::path images;  ///< {samples, rows, columns}, or {samples, channels, rows, columns}
  std::filesystem::path labels;  ///< {samples}, integers
  std::filesystem::path folder;  ///< of the data set to be written
  std::string name;              ///< of the data set; empty: the folder's name
  std::uint64_t shards = 1;
  std::uint64_t chunk_samples = 0;  ///< as in DatasetPlan
  std::size_t classes = 0;          ///< 0: largest label + 1
  bool replace = false;             ///< as in DatasetPlan
};

/// Writes a data set of the fields "image" (dtype of the file; {1, rows, columns} or {channels, rows, columns}) and
/// "label" (i64, a scalar). Values are taken as they are. Samples keep their order. A chunk is held in memory at a
/// time, and all labels. \throws DataError naming the file: missing, not IDX, truncated, too long, counts that differ,
/// a label out of range (naming the
///         sample); and what DatasetWriter throws.
void import_idx(const IdxImport& import);

}  // namespace tutti::io
