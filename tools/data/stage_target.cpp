// A folder that is staged to; see stage_target.hpp.
#include "tools/data/stage_target.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include <tutti/io/check.hpp>
#include <tutti/io/dataset.hpp>
#include <tutti/kernels/crc32c.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/whole_file.hpp>

namespace tutti::tools::data {
namespace {

namespace fs = std::filesystem;

constexpr const char* kStateFile = ".staged";
constexpr const char* kManifestFile = "manifest.json";
constexpr std::uint64_t kWritten = std::uint64_t{1} << 32;  // in a mark, above the checksum

[[noreturn]] void fail_target(const fs::path& file, const char* what, int error) {
  throw DataError(fmt::format("{}: {}: {}", file.string(), what, std::generic_category().message(error)));
}

void write_at(int descriptor, const fs::path& file, std::span<const std::byte> data, std::uint64_t offset) {
  while (!data.empty()) {
    const ssize_t written = ::pwrite(descriptor, data.data(), data.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) fail_target(file, "cannot be written", written < 0 ? errno : EIO);
    offset += static_cast<std::uint64_t>(written);
    data = data.subspan(static_cast<std::size_t>(written));
  }
}

/// Whether all bytes are there.
bool read_at(int descriptor, std::span<std::byte> data, std::uint64_t offset) {
  while (!data.empty()) {
    const ssize_t got = ::pread(descriptor, data.data(), data.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    offset += static_cast<std::uint64_t>(got);
    data = data.subspan(static_cast<std::size_t>(got));
  }
  return true;
}

void rename_file(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) fail_target(to, "cannot be renamed", errno);
}

void remove_file(const fs::path& file) {
  if (::unlink(file.c_str()) != 0 && errno != ENOENT) fail_target(file, "cannot be removed", errno);
}

std::string hidden_name(const std::string& name) { return "." + name + ".tmp"; }

std::optional<std::string> text_of(const fs::path& file) {
  if (!fs::exists(file)) return std::nullopt;
  return read_whole_file(file.string());
}

/// What the first line of the state says; nothing if there is none that can be read.
std::optional<StageSet> staged_before(const fs::path& folder) {
  const std::optional<std::string> state = text_of(folder / kStateFile);
  if (!state || state->find('\n') == std::string::npos) return std::nullopt;
  try {
    return set_from_text(state->substr(0, state->find('\n')));
  } catch (const DataError&) {
    return std::nullopt;
  }
}

}  // namespace

StageTarget::StageTarget(fs::path folder, const StageSet& set)
    : folder_(std::move(folder)),
      set_(set),
      first_blocks_(set.first_blocks()),
      missing_(set.blocks(), 1),
      marks_(set.blocks(), 0),
      descriptors_(set.files.size(), -1) {
  lock_.emplace(folder_);
}

StageTarget::~StageTarget() {
  close_files();
  if (state_ >= 0) ::close(state_);
}

fs::path StageTarget::final_path(std::size_t file) const { return folder_ / set_.files[file].name; }
fs::path StageTarget::hidden_path(std::size_t file) const { return folder_ / hidden_name(set_.files[file].name); }

fs::path StageTarget::existing_path(std::size_t file) const {
  return fs::exists(hidden_path(file)) ? hidden_path(file) : final_path(file);
}

bool StageTarget::has_missing(std::size_t file) const {
  const auto begin = missing_.begin() + static_cast<std::ptrdiff_t>(first_blocks_[file]);
  const auto end = begin + static_cast<std::ptrdiff_t>(set_.files[file].blocks());
  return std::find(begin, end, std::uint8_t{1}) != end;
}

bool StageTarget::complete() const noexcept {
  return std::find(missing_.begin(), missing_.end(), std::uint8_t{1}) == missing_.end();
}

std::optional<std::string> StageTarget::obstacle() const {
  const std::optional<std::string> manifest = text_of(folder_ / kManifestFile);
  if (manifest && *manifest != set_.manifest)
    return fmt::format("{}: holds another data set; --force replaces it", folder_.string());
  const std::optional<StageSet> before = staged_before(folder_);
  if (before && before->manifest != set_.manifest)
    return fmt::format("{}: holds a part of another data set; --force replaces it", folder_.string());
  if (manifest || before) return std::nullopt;
  for (std::size_t f = 0; f < set_.files.size(); ++f) {
    if (fs::exists(final_path(f)))
      return fmt::format("{}: is there already, and nothing tells what it is; --force replaces it",
                         final_path(f).string());
  }
  return std::nullopt;
}

void StageTarget::clear() {
  std::vector<std::string> names;
  if (const auto manifest = text_of(folder_ / kManifestFile); manifest && *manifest != set_.manifest) {
    try {
      names = files_of_manifest(*manifest, folder_ / kManifestFile);
    } catch (const DataError&) {
      names.clear();  // damaged: what it named stays
    }
  }
  if (const auto before = staged_before(folder_)) {
    for (const StagedFile& file : before->files) names.push_back(file.name);
  }
  for (const StagedFile& file : set_.files) names.push_back(file.name);
  remove_file(folder_ / kManifestFile);
  io::sync_folder(folder_);
  for (const std::string& name : names) {
    if (fs::path(name).filename() != name) continue;
    remove_file(folder_ / name);
    remove_file(folder_ / hidden_name(name));
  }
  remove_file(folder_ / kStateFile);
}

/// Takes the marks of an earlier run; false if there are none of these very files.
bool StageTarget::read_state() {
  const std::optional<StageSet> before = staged_before(folder_);
  if (!before || !before->same_content(set_)) return false;
  const fs::path file = folder_ / kStateFile;
  state_ = ::open(file.c_str(), O_RDWR | O_CLOEXEC);
  if (state_ < 0) fail_target(file, "cannot be opened", errno);
  marks_begin_ = to_text(*before).size();
  if (!read_at(state_, std::as_writable_bytes(std::span(marks_)), marks_begin_)) {
    std::fill(marks_.begin(), marks_.end(), 0);
    ::close(std::exchange(state_, -1));
    return false;
  }
  return true;
}

/// A state in which nothing is there.
void StageTarget::make_state() {
  const fs::path file = folder_ / kStateFile;
  std::fill(marks_.begin(), marks_.end(), 0);
  const std::string head = to_text(set_);
  state_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (state_ < 0) fail_target(file, "cannot be written", errno);
  marks_begin_ = head.size();
  write_at(state_, file, std::as_bytes(std::span(marks_)), marks_begin_);
  write_at(state_, file, std::as_bytes(std::span(head)), 0);  // last: a state without it is none
}

void StageTarget::mark(std::uint64_t block, std::uint64_t value) {
  marks_[block] = value;
  write_at(state_, folder_ / kStateFile, std::as_bytes(std::span(&value, 1)), marks_begin_ + block * sizeof value);
}

bool StageTarget::reads_right(int descriptor, std::size_t file, std::uint64_t block,
                              std::span<std::byte> buffer) const {
  const std::uint64_t offset = (block - first_blocks_[file]) * kBlockBytes;
  const std::span<std::byte> data = buffer.first(std::min(kBlockBytes, set_.files[file].bytes - offset));
  return read_at(descriptor, data, offset) && (kWritten | crc32c(data)) == marks_[block];
}

void StageTarget::survey() {
  std::fill(missing_.begin(), missing_.end(), std::uint8_t{1});
  if (!read_state()) return adopt();
  std::vector<std::byte> buffer(kBlockBytes);
  for (std::size_t f = 0; f < set_.files.size(); ++f) {
    const int descriptor = ::open(existing_path(f).c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) continue;
    struct stat status = {};
    const bool fits =
        ::fstat(descriptor, &status) == 0 && static_cast<std::uint64_t>(status.st_size) == set_.files[f].bytes;
    for (std::uint64_t b = first_blocks_[f]; fits && b < first_blocks_[f] + set_.files[f].blocks(); ++b)
      missing_[b] = marks_[b] != 0 && reads_right(descriptor, f, b, buffer) ? 0 : 1;
    ::close(descriptor);
  }
  // Files that were written again may differ from the earlier ones in bytes, though not in samples: they do not mix.
  if (complete() || staged_before(folder_)->same_times(set_)) return;
  std::fill(missing_.begin(), missing_.end(), std::uint8_t{1});
  ::close(std::exchange(state_, -1));
}

/// A data set that was brought here by other means serves if all of its own checksums are right.
void StageTarget::adopt() {
  bool right = text_of(folder_ / kManifestFile) == set_.manifest;
  for (std::size_t f = 0; right && f < set_.files.size(); ++f) {
    std::error_code error;
    right = fs::file_size(final_path(f), error) == set_.files[f].bytes && !error;
  }
  try {
    if (right) {
      const io::Dataset dataset(folder_);
      for (std::size_t s = 0; s < dataset.shards().size(); ++s) io::check_shard(dataset, s);
    }
  } catch (const DataError&) {
    right = false;
  }
  if (!right) return;
  make_state();
  std::vector<std::byte> buffer(kBlockBytes);
  for (std::size_t f = 0; f < set_.files.size(); ++f) {
    const int descriptor = ::open(final_path(f).c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) fail_target(final_path(f), "cannot be read", errno);
    for (std::uint64_t b = 0; b < set_.files[f].blocks(); ++b) {
      const std::uint64_t offset = b * kBlockBytes;
      const std::span<std::byte> data = std::span(buffer).first(std::min(kBlockBytes, set_.files[f].bytes - offset));
      if (!read_at(descriptor, data, offset)) break;
      mark(first_blocks_[f] + b, kWritten | crc32c(data));
      missing_[first_blocks_[f] + b] = 0;
    }
    ::close(descriptor);
  }
}

bool StageTarget::published() const {
  if (text_of(folder_ / kManifestFile) != set_.manifest) return false;
  for (std::size_t f = 0; f < set_.files.size(); ++f) {
    std::error_code error;
    if (fs::exists(hidden_path(f)) || fs::file_size(final_path(f), error) != set_.files[f].bytes || error) return false;
  }
  return true;
}

std::uint64_t StageTarget::needed_bytes() const {
  std::uint64_t needed = 0;
  for (std::size_t f = 0; f < set_.files.size(); ++f) {
    if (!has_missing(f)) continue;
    struct stat status = {};
    const std::uint64_t held =
        ::stat(existing_path(f).c_str(), &status) == 0 ? static_cast<std::uint64_t>(status.st_blocks) * 512 : 0;
    needed += set_.files[f].bytes - std::min(held, set_.files[f].bytes);
  }
  return needed;
}

std::uint64_t StageTarget::free_bytes() const {
  struct statvfs status = {};
  if (::statvfs(folder_.c_str(), &status) != 0) fail_target(folder_, "free space cannot be asked for", errno);
  return std::uint64_t{status.f_bavail} * status.f_frsize;
}

void StageTarget::reserve() {
  if (complete() && published()) return;
  if (state_ < 0) make_state();
  remove_file(folder_ / kManifestFile);
  io::sync_folder(folder_);
  std::vector<fs::path> made;
  for (std::size_t f = 0; f < set_.files.size(); ++f) {
    const bool is_empty = set_.files[f].bytes == 0;
    if (!has_missing(f) && !is_empty) continue;
    const fs::path file = hidden_path(f);
    if (!fs::exists(file)) {
      if (fs::exists(final_path(f)))
        rename_file(final_path(f), file);
      else
        made.push_back(file);
    }
    open(f);
    // A longer one is of another source.
    int error = ::ftruncate(descriptors_[f], static_cast<off_t>(set_.files[f].bytes)) == 0 ? 0 : errno;
    if (error == 0 && !is_empty) error = ::posix_fallocate(descriptors_[f], 0, static_cast<off_t>(set_.files[f].bytes));
    if (error == 0) continue;
    close_files();
    for (const fs::path& each : made) ::unlink(each.c_str());
    if (made.size() == set_.files.size()) ::unlink((folder_ / kStateFile).c_str());
    throw DataError(fmt::format("{}: {} bytes cannot be reserved: {}", file.string(), set_.files[f].bytes,
                                std::generic_category().message(error)));
  }
}

void StageTarget::open(std::size_t file) {
  if (descriptors_[file] >= 0) return;
  const fs::path path = hidden_path(file);
  descriptors_[file] = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (descriptors_[file] < 0) fail_target(path, "cannot be written", errno);
}

void StageTarget::close_files() noexcept {
  for (int& descriptor : descriptors_) {
    if (descriptor >= 0) ::close(std::exchange(descriptor, -1));
  }
}

void StageTarget::store(const Piece& piece, std::span<const std::byte> data, std::span<const std::uint32_t> checksums) {
  const std::uint64_t begin = piece.first_block * kBlockBytes;  // as if each block of all files was whole
  std::uint64_t at = begin + (piece.offset - (piece.first_block - first_blocks_[piece.file]) * kBlockBytes);
  const std::span<const std::byte> all = data;
  std::size_t ended = 0;
  while (!data.empty()) {
    const std::uint64_t block = at / kBlockBytes;
    const std::span<const std::byte> part = data.first(std::min(data.size(), kBlockBytes - at % kBlockBytes));
    if (missing_[block] != 0) {
      running_ = crc32c(part, at % kBlockBytes == 0 ? 0 : running_);
      const std::uint64_t offset = piece.offset + static_cast<std::uint64_t>(part.data() - all.data());
      write_at(descriptors_[piece.file], hidden_path(piece.file), part, offset);
      if (ended < piece.ends) {
        if (running_ != checksums[ended])
          throw DataError(fmt::format("{}: the block at byte {} arrives damaged", final_path(piece.file).string(),
                                      (block - first_blocks_[piece.file]) * kBlockBytes));
        mark(block, kWritten | running_);
      }
    }
    ++ended;
    at += part.size();
    data = data.subspan(part.size());
  }
}

void StageTarget::verify(std::size_t file, std::uint64_t first_block, std::uint64_t blocks) {
  const int descriptor = descriptors_[file];
  if (descriptor < 0) return;  // nothing of it was missing
  const std::uint64_t begin = (first_block - first_blocks_[file]) * kBlockBytes;
  const std::uint64_t bytes = std::min(blocks * kBlockBytes, set_.files[file].bytes - begin);
  const bool is_last = begin + bytes == set_.files[file].bytes;
  if (is_last && ::fsync(descriptor) != 0) fail_target(hidden_path(file), "cannot be synced to disk", errno);
  // Hints: what is on the disk need not stay in memory, and is read from the disk.
  constexpr unsigned kAll = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
  ::sync_file_range(descriptor, static_cast<off_t>(begin), static_cast<off_t>(bytes), kAll);
  ::posix_fadvise(descriptor, static_cast<off_t>(begin), static_cast<off_t>(bytes), POSIX_FADV_DONTNEED);
  std::vector<std::byte> buffer(kBlockBytes);
  for (std::uint64_t b = first_block; b < first_block + blocks; ++b) {
    if (missing_[b] != 0 && marks_[b] != 0 && reads_right(descriptor, file, b, buffer)) missing_[b] = 0;
  }
}

std::string StageTarget::first_missing() const {
  for (std::size_t f = 0; f < set_.files.size(); ++f) {
    for (std::uint64_t b = 0; b < set_.files[f].blocks(); ++b) {
      if (missing_[first_blocks_[f] + b] != 0)
        return fmt::format("{}: the block at byte {}", final_path(f).string(), b * kBlockBytes);
    }
  }
  return {};
}

void StageTarget::publish() {
  if (published()) return;
  for (std::size_t f = 0; f < set_.files.size(); ++f) {
    const int descriptor = descriptors_[f];
    if (descriptor >= 0 && ::fsync(descriptor) != 0) fail_target(hidden_path(f), "cannot be synced to disk", errno);
  }
  close_files();
  if (::fsync(state_) != 0) fail_target(folder_ / kStateFile, "cannot be synced to disk", errno);
  for (std::size_t f = 0; f < set_.files.size(); ++f) {
    if (fs::exists(hidden_path(f))) rename_file(hidden_path(f), final_path(f));
  }
  io::sync_folder(folder_);
  io::write_file(folder_ / kManifestFile, std::as_bytes(std::span(set_.manifest)));
}

}  // namespace tutti::tools::data
