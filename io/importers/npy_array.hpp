// One array of NumPy's, sample by sample: from an NPY file, plain or gzip-compressed, or from a member of an NPZ file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <tutti/io/importers/byte_source.hpp>
#include <tutti/io/importers/npy_header.hpp>
#include <tutti/io/importers/random_file.hpp>
#include <tutti/io/importers/zip.hpp>
#include <tutti/kernels/dtype.hpp>

namespace tutti::io {

class NpyArray {
 public:
  /// \throws DataError naming the file (and the member): not NPY, an element type or a shape that cannot be imported,
  /// more elements than the file has bytes for.
  explicit NpyArray(const std::filesystem::path& file);
  NpyArray(const std::shared_ptr<const ZipFile>& archive, const ZipMember& member);

  DType dtype() const noexcept { return header_.dtype; }
  std::uint64_t samples() const noexcept { return header_.shape[0]; }
  const std::vector<std::size_t>& shape() const noexcept { return shape_; }  ///< of one sample
  std::uint64_t sample_bytes() const noexcept { return sample_bytes_; }
  bool in_columns() const noexcept { return columns_.has_value(); }  ///< samples lie across the file
  const std::string& place() const noexcept { return place_; }       ///< "FILE", or "FILE: member 'NAME'"

  /// Passes over samples; once, before read().
  void skip(std::uint64_t samples);

  /// Adds the next `samples` samples to `out`, in C order and this machine's byte order. \throws DataError
  void read(std::uint64_t samples, std::vector<std::byte>& out);

  /// \throws DataError if other bytes follow the last sample.
  void require_end();

 private:
  void open();
  std::string read_header_text();
  void check_shape();
  void require_room(std::uint64_t header_bytes);
  void open_columns(std::uint64_t begin);
  void read_columns(std::uint64_t samples, std::span<std::byte> out);
  std::size_t read_bytes(std::span<std::byte> out);
  [[noreturn]] void fail(const std::string& what) const;

  std::string place_;
  std::unique_ptr<ByteSource> file_;
  std::shared_ptr<const ZipFile> archive_;
  std::unique_ptr<ZipStream> member_;
  std::optional<std::uint64_t> most_bytes_;
  bool wide_ = false;  // the length of the header takes 4 bytes
  NpyHeader header_;
  std::vector<std::size_t> shape_;
  std::uint64_t sample_bytes_ = 0;
  std::uint64_t next_ = 0;
  std::optional<RandomFile> columns_;  // of an array in Fortran order
  std::uint64_t columns_begin_ = 0;    // in that file
};

}  // namespace tutti::io
