// Imports arrays of NumPy's: NPY files, one per field, or the arrays of an NPZ file.
//
// The formats: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <tutti/io/import.hpp>

namespace tutti::io {

struct NpyFiles {
  struct Array {
    std::string field;
    std::string from;  ///< a file, or the name of an array in `npz`
  };
  std::filesystem::path npz = {};  ///< empty: arrays are files of their own
  std::vector<Array> arrays = {};  ///< of an NPZ file: none are all of it, under their names
  std::size_t classes = 0;         ///< 0: largest label + 1
};

/// Samples of a field per array, whose first dimension counts samples: all arrays have the same. An integer array
/// "label" of one element per sample becomes class labels, i64. b1 becomes u8. Big-endian elements and Fortran order
/// are converted. \throws DataError naming the file and the array: not NPY or zip, another number of samples, objects,
/// texts, complex numbers, no samples, cut short, trailing bytes, a CRC-32 that is not right.
std::unique_ptr<SampleSource> open_npy(const NpyFiles& files);

}  // namespace tutti::io
