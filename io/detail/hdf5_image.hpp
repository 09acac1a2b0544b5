// An HDF5 file that exists in memory only, as the bytes it would have on disk.
#pragma once

#include <hdf5.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <span>

namespace tutti::io::h5 {

/// Receives the memory of a file of the core driver when that file is closed.
///
/// H5Fget_file_image() would copy it from the open file, and clears a flag in the copy's superblock without renewing
/// the superblock's checksum, so that HDF5 (1.10.8) refuses to open what it made. The memory of a closed file is right
/// as it is.
class Image {
 public:
  /// Makes files that are created with the properties `access`, of the core driver, leave their memory here. One file
  /// only.
  void attach(hid_t access, const std::filesystem::path& file);

  /// The bytes of the closed file. \throws DataError naming `file` if there are none.
  std::span<const std::byte> bytes(const std::filesystem::path& file) const;

  /// The size that the closed file has on disk, as its superblock says. It is larger than the memory if space was
  /// allocated at the end of the file and never written. \throws DataError likewise.
  std::uint64_t file_size(const std::filesystem::path& file) const;

  /// The first bytes of the closed file, at most `size`, and no more than are in memory. \throws DataError likewise.
  std::span<const std::byte> head(std::uint64_t size, const std::filesystem::path& file) const;

 private:
  struct Free {
    void operator()(void* memory) const noexcept { std::free(memory); }
  };
  struct Memory {
    std::unique_ptr<void, Free> data;  // set when the file is closed
    std::size_t size = 0;
  };

  static void* resize(void* memory, size_t size, H5FD_file_image_op_t operation, void* owner) noexcept;
  static herr_t release(void* memory, H5FD_file_image_op_t operation, void* owner) noexcept;

  std::unique_ptr<Memory> memory_ = std::make_unique<Memory>();  // its address is what HDF5 holds
};

}  // namespace tutti::io::h5
