// One dataset of a foreign HDF5 file, sample by sample. To be used within a h5::Session.
#pragma once

#include <hdf5.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <tutti/io/detail/hdf5.hpp>
#include <tutti/io/detail/hdf5_samples.hpp>
#include <tutti/kernels/dtype.hpp>

namespace tutti::io {

class Hdf5Array {
 public:
  /// `root` is the open file. \throws DataError, as open_hdf5() does for one dataset.
  Hdf5Array(hid_t root, const std::filesystem::path& file, const std::string& dataset);

  DType dtype() const noexcept { return samples_.dtype; }
  std::uint64_t samples() const noexcept { return samples_.samples(); }
  std::vector<std::size_t> shape() const { return samples_.shape(); }  ///< of one sample
  /// False: space was reserved when the dataset was created, so it is not known whether all of it was written since.
  bool surely_written() const noexcept { return written_; }
  std::uint64_t sample_bytes() const noexcept { return samples_.sample_bytes; }

  /// Adds samples to `out`, in C order and this machine's byte order. \throws DataError
  void read(std::uint64_t first, std::uint64_t samples, std::vector<std::byte>& out) const;

 private:
  void set_cache(hid_t root);
  [[noreturn]] void refuse(const std::string& what) const;
  std::string place() const;

  const std::filesystem::path file_;
  const std::string name_;
  h5::Id dataset_;
  Hdf5Samples samples_;
  h5::Id transfer_;
  bool written_ = true;
};

}  // namespace tutti::io
