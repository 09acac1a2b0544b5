// One dataset of a foreign HDF5 file, sample by sample: as HDF5 reads it, or where it lies, as linked shards will be
// read. To be used within a h5::Session.
#pragma once

#include <hdf5.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <tutti/io/detail/hdf5.hpp>
#include <tutti/io/detail/hdf5_samples.hpp>
#include <tutti/io/detail/linked_file.hpp>
#include <tutti/kernels/dtype.hpp>

namespace tutti::io {

class SampleArray {
 public:
  virtual ~SampleArray() = default;
  SampleArray(const SampleArray&) = delete;
  SampleArray& operator=(const SampleArray&) = delete;

  virtual DType dtype() const noexcept = 0;
  virtual std::uint64_t samples() const noexcept = 0;
  virtual std::vector<std::size_t> shape() const = 0;  ///< of one sample
  /// False: space was reserved when the dataset was created, so it is not known whether all of it was written since.
  virtual bool surely_written() const noexcept = 0;

  /// Adds samples to `out`, in C order and this machine's byte order. \throws DataError
  virtual void read(std::uint64_t first, std::uint64_t samples, std::vector<std::byte>& out) = 0;

 protected:
  SampleArray() = default;
};

class Hdf5Array final : public SampleArray {
 public:
  /// `root` is the open file. \throws DataError, as open_hdf5() does for one dataset.
  Hdf5Array(hid_t root, const std::filesystem::path& file, const std::string& dataset);

  DType dtype() const noexcept override { return samples_.dtype; }
  std::uint64_t samples() const noexcept override { return samples_.samples(); }
  std::vector<std::size_t> shape() const override { return samples_.shape(); }
  bool surely_written() const noexcept override { return written_; }
  void read(std::uint64_t first, std::uint64_t samples, std::vector<std::byte>& out) override;

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

/// Samples that are to be linked to.
class LinkedArray final : public SampleArray {
 public:
  /// `file` is open on `bytes`; both outlive it. \throws DataError as LinkedFile::open().
  LinkedArray(LinkedFile& file, const ReadOnlyFile& bytes, const std::string& dataset);

  DType dtype() const noexcept override { return dataset_.dtype(); }
  std::uint64_t samples() const noexcept override { return dataset_.samples(); }
  std::vector<std::size_t> shape() const override { return dataset_.shape(); }
  bool surely_written() const noexcept override { return dataset_.surely_written(); }
  std::uint64_t samples_together() const noexcept { return dataset_.samples_together(); }
  void read(std::uint64_t first, std::uint64_t samples, std::vector<std::byte>& out) override;

 private:
  void read_group(std::uint64_t first);

  LinkedFile& file_;
  const ReadOnlyFile& bytes_;
  const std::string name_;
  LinkedDataset dataset_;
  std::size_t sample_bytes_;
  std::optional<ChunkTable> table_;  // found when it is needed: it takes a look at every chunk
  std::uint64_t first_ = 0;          // of the samples in group_
  std::vector<std::byte> group_;     // samples that are decoded together
};

}  // namespace tutti::io
