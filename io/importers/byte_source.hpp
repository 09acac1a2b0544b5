// The bytes that an importer reads: those of a plain file, or of a gzip file decompressed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace tutti::io {

/// Reads one file in order. A file that begins like gzip (RFC 1952; also several members one after another) is
/// decompressed, and nothing but gzip members may follow.
class ByteSource {
 public:
  /// Whether bytes that look like gzip are decompressed.
  enum class Content : unsigned char { decompressed, as_it_is };

  /// The file "-" is standard input. \throws DataError naming the file: missing, a folder, not readable.
  explicit ByteSource(std::filesystem::path file, Content content = Content::decompressed);
  ~ByteSource();
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;

  /// Fills `out` as far as there are bytes; less only at the end. \throws DataError naming the file: a read that fails,
  /// compressed data that is damaged, cut off, or followed by something else.
  std::size_t read(std::span<std::byte> out);

  /// The next `bytes` bytes, or those up to the end, if fewer are left. Memory grows with what is there, whatever was
  /// asked for. \throws DataError likewise.
  std::vector<std::byte> take(std::uint64_t bytes);

  /// Passes over the next `bytes` bytes, or those up to the end, and returns how many; of a plain file without reading
  /// them. \throws DataError likewise.
  std::uint64_t skip(std::uint64_t bytes);

  /// How many bytes the file can hold at most; unknown for a pipe. Deflate makes a byte from 1032 at most.
  std::optional<std::uint64_t> most_bytes() const noexcept { return most_bytes_; }

  /// Makes byte `offset` the next one. Requires seekable(): a plain file.
  void seek(std::uint64_t offset);
  bool seekable() const noexcept { return most_bytes_ && !compressed() && !is_standard_input(file_); }

  bool compressed() const noexcept { return inflater_ != nullptr; }
  const std::filesystem::path& file() const noexcept { return file_; }

  /// Whether opening `file` once more gives its bytes again: a pipe or a device gives each byte only once, so whoever
  /// wants to look at a file before reading it has to ask this first. Opens nothing; true too for what is no file,
  /// since opening that tells what is wrong.
  static bool may_open_twice(const std::filesystem::path& file);

  static bool is_standard_input(const std::filesystem::path& file) { return file == "-"; }

  /// As messages put it, which are one line: names with line ends are escaped.
  static std::string name_of(const std::filesystem::path& file);

  /// Throws DataError "FILE: WHAT".
  [[noreturn]] void fail(const std::string& what) const;

 private:
  class Inflater;

  void fill();
  std::size_t read_plain(std::span<std::byte> out);

  std::filesystem::path file_;
  int descriptor_ = -1;
  std::vector<std::byte> buffer_;      // as read from the file
  std::span<const std::byte> unread_;  // of buffer_
  bool ended_ = false;                 // no more bytes in the file
  std::optional<std::uint64_t> most_bytes_;
  std::unique_ptr<Inflater> inflater_;
};

}  // namespace tutti::io
