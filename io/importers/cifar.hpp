// Imports the binary version of CIFAR-10 and CIFAR-100: pictures of 32 x 32 in three colours, plain or gzip-compressed.
//
// A file is a sequence of records without a header: of CIFAR-10 a byte of label (0 to 9), of CIFAR-100 one of coarse
// (0 to 19) and one of fine label (0 to 99), then 1024 bytes each of red, green and blue, row by row
// (https://www.cs.toronto.edu/~kriz/cifar.html).
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <vector>

#include <tutti/io/import.hpp>

namespace tutti::io {

enum class CifarLabels : unsigned char { fine, coarse };

struct CifarFiles {
  std::vector<std::filesystem::path> files = {};  ///< in the order of their samples
  std::size_t kind = 0;                           ///< 10 or 100; 0: found out from lengths and labels
  CifarLabels labels = CifarLabels::fine;         ///< of CIFAR-100
  std::filesystem::path names = {};               ///< class names, one a line; empty: the file that comes with the data
  std::size_t classes = 0;                        ///< 0: those of the kind
};

/// Samples of the fields "image" (u8 {3, 32, 32}) and "label" (i64, a scalar). Class names come from `names`, or from
/// batches.meta.txt, fine_label_names.txt or coarse_label_names.txt beside the first file, if that is there.
///
/// Files are read twice, first to see that lengths and labels are those of the kind. A pipe is read once: the kind must
/// be stated for it. \throws DataError naming the file, and the record: missing, another kind, cut short, trailing
/// bytes, a label out of range, an archive.
std::unique_ptr<SampleSource> open_cifar(const CifarFiles& files);

}  // namespace tutti::io
