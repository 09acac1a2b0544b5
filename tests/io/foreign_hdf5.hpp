// HDF5 files as other programs make them.
#pragma once

#include <gtest/gtest.h>
#include <hdf5.h>

#include <functional>
#include <string>
#include <vector>

#include <tutti/io/detail/hdf5.hpp>

#include "tests/io/importer_support.hpp"
#include "tests/io/support.hpp"

namespace tutti::io::test {

class ForeignHdf5Test : public ImporterTest {
 protected:
  ForeignHdf5Test() {
    // Names of HDF5's types initialise it, and it would install its exit handler, which stumbles over damaged files.
    const h5::Session first;
  }
};

/// Says how a dataset is laid out, by its creation properties.
using LayoutSetting = std::function<void(hid_t properties)>;

/// Adds a dataset to a file, which is made if need be. Without data nothing is written.
inline void add_dataset(const fs::path& path, const std::string& name, hid_t type, const std::vector<hsize_t>& extents,
                        const void* data, hid_t memory_type, const LayoutSetting& setting = {}) {
  const h5::Session session;
  const h5::Id file(fs::exists(path) ? H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT)
                                     : H5Fcreate(path.c_str(), H5F_ACC_EXCL, H5P_DEFAULT, H5P_DEFAULT),
                    H5Fclose);
  const h5::Id space(H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr), H5Sclose);
  const h5::Id properties(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  const h5::Id links(H5Pcreate(H5P_LINK_CREATE), H5Pclose);
  H5Pset_create_intermediate_group(links.get(), 1);
  if (setting) setting(properties.get());
  const h5::Id dataset(
      H5Dcreate2(file.get(), name.c_str(), type, space.get(), links.get(), properties.get(), H5P_DEFAULT), H5Dclose);
  ASSERT_TRUE(dataset.valid()) << name;
  if (data == nullptr) return;
  ASSERT_GE(H5Dwrite(dataset.get(), memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data), 0);
}

inline LayoutSetting chunked(std::vector<hsize_t> chunk, bool filters = false) {
  return [chunk, filters](hid_t properties) {
    H5Pset_chunk(properties, static_cast<int>(chunk.size()), chunk.data());
    if (!filters) return;
    H5Pset_shuffle(properties);
    H5Pset_deflate(properties, 4);
    H5Pset_fletcher32(properties);
  };
}

}  // namespace tutti::io::test
