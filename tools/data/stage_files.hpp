// Files of a folder that is staged to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

namespace tutti::tools::data {

/// An open file. Errors are DataError naming it, and say what could not be done.
class LocalFile {
 public:
  enum class Mode : unsigned char { read, write, make };

  /// `write` keeps what is there, `make` begins with an empty file. Both make it if there is none.
  LocalFile(std::filesystem::path file, Mode mode);
  ~LocalFile();
  LocalFile(const LocalFile&) = delete;
  LocalFile& operator=(const LocalFile&) = delete;

  /// Whether all the bytes are there and can be read.
  bool read(std::span<std::byte> data, std::uint64_t offset) const noexcept;
  void write(std::span<const std::byte> data, std::uint64_t offset);
  std::uint64_t size() const;

  /// Makes it so long, with space for all of it.
  void reserve(std::uint64_t bytes);
  void sync();

  /// Hints that these bytes be brought to disk, and be read from there.
  void drop_from_memory(std::uint64_t offset, std::uint64_t bytes) noexcept;

 private:
  std::filesystem::path file_;
  int descriptor_;
};

void rename_file(const std::filesystem::path& from, const std::filesystem::path& to);

/// If it is there.
void remove_file(const std::filesystem::path& file);

/// The whole text; nothing if there is no such file.
std::optional<std::string> text_of_file(const std::filesystem::path& file);

}  // namespace tutti::tools::data
