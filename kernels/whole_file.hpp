// Files as a whole: those written appear whole or not at all, since they are written beside their place and renamed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace tutti {

/// Who may write a file at the same time. `one`: the name beside its place is always the same (`.NAME.tmp`), so that
/// what a killed program left is overwritten by the next. `several` processes: each has a name of its own.
enum class Writers : unsigned char { one, several };

/// A file being written beside its place, which gets its name by publish() or is removed. What is there already and is
/// no regular file, as /dev/null, is written in place.
class WholeFile {
 public:
  /// \throws DataError naming the file and the cause, as all others do.
  explicit WholeFile(std::string file, Writers writers = Writers::several);
  ~WholeFile();
  WholeFile(const WholeFile&) = delete;
  WholeFile& operator=(const WholeFile&) = delete;

  /// Where it is until it is published.
  const std::string& path() const noexcept { return written_; }

  /// Writes all of `content` behind what has been written so.
  void append(std::string_view content);

  /// Writes all of `bytes` from `offset` on.
  void write(std::uint64_t offset, std::span<const std::byte> bytes);

  /// Makes it `size` bytes long, syncs it to disk and closes it.
  void finish(std::uint64_t size);

  /// Closes it, if finish() has not, and renames it. That the name is durable is left to the caller.
  void publish();

 private:
  void close();

  std::string file_;
  std::string written_;  // empty once it is published
  int descriptor_ = -1;
};

/// `content` as a WholeFile, which is not synced: for what can be made again. \throws DataError
void write_whole_file(const std::string& file, std::string_view content);

/// \throws DataError naming the file and the cause.
std::string read_whole_file(const std::string& file);

}  // namespace tutti
