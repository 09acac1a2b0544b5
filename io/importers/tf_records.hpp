// The records of a TFRecord file, one after another, with their checksums verified.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <tutti/io/importers/byte_source.hpp>

namespace tutti::io {

class TfRecordReader {
 public:
  explicit TfRecordReader(const std::filesystem::path& file) : source_(file) {}

  /// Whether passing over a record is cheaper than reading it.
  bool can_skip() const noexcept { return source_.most_bytes() && !source_.compressed(); }

  /// The next record's data; nothing at the end of the file. \throws DataError naming file and record: cut short, a
  /// checksum, an absurd length.
  std::optional<std::vector<std::byte>> read();

  /// Passes over a record, verifying its length only; false at the end of the file. \throws likewise.
  bool skip();

  std::uint64_t records() const noexcept { return records_; }  ///< that have been read or passed over
  std::uint64_t bytes() const noexcept { return bytes_; }

  /// "FILE: record 7": the last one read, or the one that is being read.
  std::string place() const;

 private:
  std::optional<std::uint64_t> read_length();
  [[noreturn]] void fail(const std::string& what) const;

  ByteSource source_;
  std::uint64_t records_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t current_ = 0;
};

}  // namespace tutti::io
