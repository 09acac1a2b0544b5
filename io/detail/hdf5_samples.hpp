// What the samples in a dataset of a foreign HDF5 file are. To be used within a h5::Session.
#pragma once

#include <hdf5.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <tutti/io/detail/hdf5.hpp>
#include <tutti/kernels/dtype.hpp>

namespace tutti::io {

struct Hdf5Samples {
  DType dtype = DType::u8;
  h5::Id memory_type;  ///< in which HDF5 hands the elements over as a DType: that of the file where nothing changes
  std::vector<hsize_t> extents;    ///< the first counts samples; all are at least 1
  std::uint64_t sample_bytes = 0;  ///< at most 2^32

  std::uint64_t samples() const noexcept { return extents.front(); }
  std::vector<std::size_t> shape() const { return {extents.begin() + 1, extents.end()}; }  ///< of one sample
};

std::vector<hsize_t> hdf5_extents(hid_t dataset, const std::filesystem::path& file);

/// Elements are integers, IEEE floats or h5py's booleans (u8). `place` begins the messages: "a.h5: dataset 'x'".
/// \throws DataError for any other type, and a dataset without samples or with samples of absurd size.
Hdf5Samples describe_hdf5_samples(hid_t dataset, const std::filesystem::path& file, const std::string& place);

}  // namespace tutti::io
