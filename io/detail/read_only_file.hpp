// A file that many threads read at once, at positions of their choice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

namespace tutti::io {

/// Holds one descriptor. Its functions may be called by several threads at once.
class ReadOnlyFile {
 public:
  /// \throws DataError naming the file: missing, unreadable, not a regular file, empty, too many open files.
  explicit ReadOnlyFile(std::filesystem::path file);
  ~ReadOnlyFile();
  ReadOnlyFile(const ReadOnlyFile&) = delete;
  ReadOnlyFile& operator=(const ReadOnlyFile&) = delete;

  const std::filesystem::path& path() const noexcept { return path_; }

  /// When it was opened. What is written under a final name never changes.
  std::uint64_t size() const noexcept { return size_; }

  /// Whether these bytes were in the file when it was opened.
  bool holds(std::uint64_t offset, std::uint64_t size) const noexcept {
    return offset <= size_ && size <= size_ - offset;
  }

  /// Fills `out` from `offset` on; returns how many bytes there were before the end, or the error number, negative.
  std::int64_t read(std::uint64_t offset, std::span<std::byte> out) const noexcept;

  /// Has the system begin to read these bytes into its cache. A hint: failures are not reported.
  void prefetch(std::uint64_t offset, std::uint64_t size) const noexcept;

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
};

}  // namespace tutti::io
