// The header of an NPY file: a Python literal, read without Python.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <tutti/kernels/dtype.hpp>

namespace tutti::io {

struct NpyHeader {
  DType dtype = DType::u8;
  bool big_endian = false;
  bool fortran_order = false;  ///< the first dimension is the fastest
  std::vector<std::uint64_t> shape;
};

/// Of the text `{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }`; the keys in any order, with white space
/// anywhere. \throws DataError that begins with `place`: no such dictionary, an element type that has no counterpart.
NpyHeader parse_npy_header(std::string_view text, const std::string& place);

}  // namespace tutti::io
