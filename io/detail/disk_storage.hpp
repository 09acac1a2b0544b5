// A file on disk that HDF5 writes and that may be out of space: HDF5 does not learn of it.
#pragma once

#include <cstdint>
#include <exception>
#include <filesystem>
#include <span>
#include <string>

#include <tutti/io/detail/hdf5_storage.hpp>

namespace tutti::io {

class DiskStorage : public h5::Storage {
 public:
  /// Opens the file `written`, which is there, for reading and writing. In messages it is called `file`.
  /// \throws DataError
  DiskStorage(const std::string& written, std::filesystem::path file);
  ~DiskStorage() override;

  /// \throws DataError, the first that a write met.
  void require_written() const;

  /// Once HDF5 has closed the file: the size that it is to have.
  std::uint64_t final_size() const noexcept { return final_size_; }

  std::uint64_t size() const noexcept override { return size_; }
  bool read(Content content, std::uint64_t offset, std::span<std::byte> out) noexcept override;
  void write(std::uint64_t offset, std::span<const std::byte> bytes) noexcept override;
  void close(std::uint64_t size) noexcept override;

 private:
  void fail(int error) noexcept;

  std::filesystem::path file_;
  int descriptor_;
  std::uint64_t size_ = 0;
  std::uint64_t final_size_ = 0;
  std::exception_ptr error_;
};

}  // namespace tutti::io
