// The thin layer over HDF5's C interface: identifiers that close themselves, errors with HDF5's own words, attributes.
//
// For sources of this folder only: HDF5 headers are no part of the public interface.
#pragma once

#include <hdf5.h>

#include <cstdint>
#include <filesystem>
#include <mutex>
#include <string>
#include <utility>

#include <tutti/kernels/dtype.hpp>

namespace tutti::io::h5 {

/// To be held, at any depth, around every use of HDF5 (destructors of Id included). It serialises tutti's threads,
/// which the library needs where it was not built thread-safe and does itself where it was; and while it lives HDF5
/// prints no errors. The first one in a process that has not used HDF5 yet keeps HDF5 from installing its exit handler.
class Session {
 public:
  Session();
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

 private:
  std::unique_lock<std::recursive_mutex> lock_;
  H5E_auto2_t handler_ = nullptr;
  void* handler_data_ = nullptr;
};

/// Owns one HDF5 identifier. Invalid (negative) identifiers may be held and are not closed.
class Id {
 public:
  using Close = herr_t (*)(hid_t);

  Id() = default;
  Id(hid_t id, Close closer) noexcept : id_(id), close_(closer) {}
  Id(Id&& other) noexcept : id_(std::exchange(other.id_, H5I_INVALID_HID)), close_(other.close_) {}
  Id& operator=(Id&& other) noexcept {
    if (this != &other) {
      close();
      id_ = std::exchange(other.id_, H5I_INVALID_HID);
      close_ = other.close_;
    }
    return *this;
  }
  ~Id() { close(); }

  hid_t get() const noexcept { return id_; }
  bool valid() const noexcept { return id_ >= 0; }

  /// Closes now; false if HDF5 reports a failure (of a file: data that could not be written).
  bool close() noexcept { return id_ < 0 || close_(std::exchange(id_, H5I_INVALID_HID)) >= 0; }

 private:
  hid_t id_ = H5I_INVALID_HID;
  Close close_ = nullptr;
};

/// Throws DataError "FILE: WHAT (HDF5: innermost message of its error stack)".
[[noreturn]] void fail(const std::filesystem::path& file, const std::string& what);

/// `id` owned, or fail().
Id own(hid_t id, Id::Close close, const std::filesystem::path& file, const std::string& what);

/// fail() if an HDF5 call returned a failure.
inline void require(herr_t status, const std::filesystem::path& file, const std::string& what) {
  if (status < 0) fail(file, what);
}

/// Opens for reading without file locks (files of tutti never change once they have their name, and not every file
/// system has locks). \throws DataError: missing, unreadable, not an HDF5 file, truncated.
Id open_read_only(const std::filesystem::path& file);

class Storage;

/// Opens what `storage` holds for reading. `file` is its name, for messages. \throws DataError likewise.
Id open_read_only(Storage& storage, const std::filesystem::path& file);

/// File access properties of every file that is written: the 1.10 format (all metadata checksummed), no locks.
Id write_access(const std::filesystem::path& file);

/// Creation properties of files, groups and datasets of shards. Without times the same samples give the same file, byte
/// for byte. Attributes and links stay in the object headers, however many there are: less room than HDF5's heaps and
/// trees.
Id object_properties(hid_t property_class, const std::filesystem::path& file);

Id create_group(hid_t parent, const char* name, const std::filesystem::path& file);

/// Little-endian file type of the same size; bf16 and f16 are stored as u16, with their name in an attribute.
hid_t file_type(DType dtype) noexcept;

void write_attribute(hid_t object, const char* name, std::uint64_t value, const std::filesystem::path& file);
void write_attribute(hid_t object, const char* name, const std::string& value, const std::filesystem::path& file);

/// \throws DataError naming file and attribute if it is missing or of another type.
std::uint64_t read_number(hid_t object, const char* name, const std::filesystem::path& file);
std::string read_string(hid_t object, const char* name, const std::filesystem::path& file);

/// Checks the root attributes `tutti_format` and `schema_version`, which every HDF5 file of tutti has.
/// \throws DataError naming the file, what it is and what was expected.
void require_format(hid_t root, const std::string& format, std::uint64_t newest_version,
                    const std::filesystem::path& file);

}  // namespace tutti::io::h5
