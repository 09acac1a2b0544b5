// A file that is read here and there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace tutti::io {

class RandomFile {
 public:
  /// \throws DataError naming the file: missing, no regular file, not readable.
  explicit RandomFile(std::filesystem::path file);

  /// A file without a name that goes with this object, for bytes that are read once in order and then in another.
  static RandomFile temporary();

  ~RandomFile();
  RandomFile(RandomFile&& other) noexcept;
  RandomFile& operator=(RandomFile&&) = delete;

  std::uint64_t size() const noexcept { return size_; }
  const std::filesystem::path& file() const noexcept { return file_; }

  /// Fills `out` with the bytes from `offset` on. \throws DataError naming the file if it ends before.
  void read(std::uint64_t offset, std::span<std::byte> out) const;

  /// Writes behind the end. \throws DataError naming the file.
  void append(std::span<const std::byte> bytes);

  /// Throws DataError "FILE: WHAT".
  [[noreturn]] void fail(const std::string& what) const;

 private:
  RandomFile() = default;

  std::filesystem::path file_;
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
};

}  // namespace tutti::io
