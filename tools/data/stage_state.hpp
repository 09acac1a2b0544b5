// The file `.staged` in a folder that is staged to: what is staged, and the checksum of every block that was written.
//
//   file   := line with the StageSet as JSON; mark of each block
//   mark   := u64 of this machine: 0, or 2^32 + the CRC-32C of the block that was written
//
// A mark follows its block, but nothing is synced: after a loss of power a mark may stand for a block that is not
// there. A block therefore counts as there only if it reads back as its mark says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "tools/data/stage_files.hpp"
#include "tools/data/stage_set.hpp"

namespace tutti::tools::data {

/// Marks of different blocks may be set and asked for by different threads at the same time.
class StageState {
 public:
  StageState(const std::filesystem::path& folder, const StageSet& set);

  /// What an earlier run staged; nothing if there is no state, or none that can be read.
  std::optional<StageSet> before() const;

  /// Takes the marks of an earlier run; false if it staged other files than these, or none.
  bool read();

  /// A new state, in which nothing is there, unless there is one already.
  void make_if_none();

  /// As if there was none.
  void forget();
  void remove();

  bool is_marked(std::uint64_t block) const noexcept { return marks_[block] != 0; }
  bool is_right(std::uint64_t block, std::uint32_t checksum) const noexcept {
    return marks_[block] == (kWritten | checksum);
  }
  void mark(std::uint64_t block, std::uint32_t checksum);
  void sync();

 private:
  static constexpr std::uint64_t kWritten = std::uint64_t{1} << 32;

  std::filesystem::path path_;
  const StageSet& set_;
  std::vector<std::uint64_t> marks_;
  std::optional<LocalFile> file_;
  std::uint64_t marks_begin_ = 0;
};

}  // namespace tutti::tools::data
