// Members of a zip archive, as NPZ files are: stored or deflated, with or without the extension for large files.
//
// What is there is told by the central directory at the end (PKWARE, APPNOTE.TXT 6.3); the headers in front of the
// members may leave sizes open and only say where the data begin.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <tutti/io/importers/random_file.hpp>

namespace tutti::io {

struct ZipMember {
  std::string name;
  std::uint64_t header = 0;  ///< offset of the member in the file
  std::uint64_t stored = 0;  ///< bytes in the file
  std::uint64_t size = 0;    ///< bytes of content
  std::uint32_t crc32 = 0;   ///< of the content
  bool deflated = false;
};

/// Reads the content of a member in order, and verifies size and checksum where it ends.
class ZipStream {
 public:
  ~ZipStream();
  ZipStream(const ZipStream&) = delete;
  ZipStream& operator=(const ZipStream&) = delete;

  /// Fills `out` as far as there are bytes; less only at the end. \throws DataError naming archive and member.
  std::size_t read(std::span<std::byte> out);

 private:
  friend class ZipFile;
  class Inflater;

  ZipStream(const RandomFile& file, const ZipMember& member, std::uint64_t begin);
  [[noreturn]] void fail(const std::string& what) const;
  void inflate(std::span<std::byte> out);
  void finish();

  const RandomFile& file_;
  const ZipMember& member_;
  std::uint64_t next_;  // in the file
  std::uint64_t end_;
  std::uint64_t done_ = 0;  // of the content
  std::uint32_t crc32_ = 0;
  bool finished_ = false;
  std::unique_ptr<Inflater> inflater_;
};

class ZipFile {
 public:
  /// \throws DataError naming the file, and the member: not a zip archive, cut short, encrypted or compressed in
  /// another way, sizes that lie, a name that is there twice.
  explicit ZipFile(const std::filesystem::path& file);

  const std::vector<ZipMember>& members() const noexcept { return members_; }
  const std::filesystem::path& file() const noexcept { return file_.file(); }

  /// The content of a member; the archive must outlive it.
  std::unique_ptr<ZipStream> open(const ZipMember& member) const;

 private:
  struct Directory {
    std::uint64_t begin = 0;
    std::uint64_t size = 0;
    std::uint64_t members = 0;
  };

  Directory find_directory() const;
  void read_directory(const Directory& directory);
  void check(const ZipMember& member) const;

  RandomFile file_;
  std::uint64_t members_end_ = 0;
  std::vector<ZipMember> members_;
};

}  // namespace tutti::io
