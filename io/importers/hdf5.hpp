// Imports datasets of HDF5 files that other programs have made. Samples are copied, or linked to.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <tutti/io/import.hpp>

namespace tutti::io {

struct Hdf5Files {
  struct Array {
    std::string field;
    std::string dataset;  ///< its path in the files, "/train/images"
  };
  std::vector<std::filesystem::path> files = {};  ///< in the order of their samples; all have all datasets
  std::vector<Array> arrays = {};
  std::size_t classes = 0;  ///< 0: largest label + 1
  bool in_place = false;    ///< samples stay in their files, to which the shards are linked; class labels are copied
};

/// Samples of a field per dataset, whose first dimension counts samples. Whatever HDF5 can read is taken: any layout,
/// filters, integers and IEEE floats of either byte order, h5py's booleans (u8). An integer dataset "label" of one
/// element per sample becomes class labels, i64. \throws DataError naming the file and the dataset: not there,
/// elements of another kind, shapes or counts that differ, parts that were never written (HDF5 would make up values),
/// missing sources of a virtual dataset, damage; in place, a layout, type or filter that tutti does not read itself.
std::unique_ptr<SampleSource> open_hdf5(const Hdf5Files& files);

}  // namespace tutti::io
