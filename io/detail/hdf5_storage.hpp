// HDF5 on bytes of tutti's: a file driver (H5FD) that hands every access of the library to an object.
#pragma once

#include <hdf5.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

#include <tutti/io/detail/hdf5.hpp>

namespace tutti::io::h5 {

struct OpenStorage;

/// The bytes of one HDF5 file, at most one at a time. It outlives the file's identifier. HDF5 uses it under the lock of
/// Session only.
class Storage {
 public:
  enum class Content : unsigned char { metadata, samples };

  /// HDF5 may hold on to a file of damaged metadata, closed or not: it gets nothing but errors from then on.
  virtual ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  /// Bytes that are there.
  virtual std::uint64_t size() const noexcept = 0;

  /// Fills `out` from `offset` on, with zeros behind the end. False makes the call of HDF5 fail.
  virtual bool read(Content content, std::uint64_t offset, std::span<std::byte> out) noexcept = 0;

  /// Has no failure to report: HDF5 (1.10.8) cannot close a file of which a write has failed, and crashes in its exit
  /// handler. So an error is kept here, and is the program's to ask for.
  virtual void write(std::uint64_t offset, std::span<const std::byte> bytes) noexcept = 0;

  /// When the file is closed: the size it has with all that was allocated.
  virtual void close(std::uint64_t size) noexcept = 0;

 protected:
  Storage() = default;

 private:
  friend struct OpenStorage;
  OpenStorage* open_ = nullptr;  // what HDF5 holds
};

/// Makes files that are opened with the properties `access` use `storage`. `file` is for messages.
void use_storage(hid_t access, Storage& storage, const std::filesystem::path& file);

}  // namespace tutti::io::h5
