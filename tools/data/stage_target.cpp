// A folder that is staged to; see stage_target.hpp.
#include "tools/data/stage_target.hpp"

#include <fmt/core.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include <tutti/io/check.hpp>
#include <tutti/io/dataset.hpp>
#include <tutti/kernels/crc32c.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti::tools::data {
namespace {

namespace fs = std::filesystem;

constexpr const char* kManifestFile = "manifest.json";

std::string hidden_name(const std::string& name) { return "." + name + ".tmp"; }

}  // namespace

StageTarget::StageTarget(fs::path folder, const StageSet& set)
    : folder_(std::move(folder)),
      set_(set),
      first_blocks_(set.first_blocks()),
      missing_(set.blocks(), 1),
      state_(folder_, set) {
  lock_.emplace(folder_);
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
  const std::optional<std::string> manifest = text_of_file(folder_ / kManifestFile);
  if (manifest && *manifest != set_.manifest)
    return fmt::format("{}: holds another data set; --force replaces it", folder_.string());
  const std::optional<StageSet> before = state_.before();
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
  if (const auto manifest = text_of_file(folder_ / kManifestFile); manifest && *manifest != set_.manifest) {
    try {
      names = files_of_manifest(*manifest, folder_ / kManifestFile);
    } catch (const DataError&) {
      names.clear();  // damaged: what it named stays
    }
  }
  if (const auto before = state_.before()) {
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
  state_.remove();
}

std::span<std::byte> StageTarget::block_of(std::size_t file, std::uint64_t block, std::span<std::byte> buffer) const {
  return buffer.first(
      std::min(kStageBlockBytes, set_.files[file].bytes - (block - first_blocks_[file]) * kStageBlockBytes));
}

bool StageTarget::reads_right(const LocalFile& opened, std::size_t file, std::uint64_t block,
                              std::span<std::byte> buffer) const {
  const std::span<std::byte> data = block_of(file, block, buffer);
  return state_.is_marked(block) && opened.read(data, (block - first_blocks_[file]) * kStageBlockBytes) &&
         state_.is_right(block, crc32c(data));
}

void StageTarget::survey_file(std::size_t file, std::span<std::byte> buffer) {
  if (!fs::exists(existing_path(file))) return;
  const LocalFile opened(existing_path(file), LocalFile::Mode::read);
  if (opened.size() != set_.files[file].bytes) return;
  for (std::uint64_t b = first_blocks_[file]; b < first_blocks_[file] + set_.files[file].blocks(); ++b)
    missing_[b] = reads_right(opened, file, b, buffer) ? 0 : 1;
}

void StageTarget::survey() {
  std::fill(missing_.begin(), missing_.end(), std::uint8_t{1});
  if (!state_.read()) {
    if (holds_set()) adopt();
    return;
  }
  std::vector<std::byte> buffer(kStageBlockBytes);
  for (std::size_t f = 0; f < set_.files.size(); ++f) survey_file(f, buffer);
  // Files that were written again may differ from the earlier ones in bytes, though not in samples: they do not mix.
  if (complete() || state_.before()->same_times(set_)) return;
  std::fill(missing_.begin(), missing_.end(), std::uint8_t{1});
  state_.forget();
}

/// Whether the data set was brought here by other means, and its own checksums, which shards alone have, are right.
bool StageTarget::holds_set() const {
  if (!published()) return false;
  try {
    const io::Dataset dataset(folder_);
    if (dataset.shards().size() != set_.files.size()) return false;
    for (std::size_t s = 0; s < dataset.shards().size(); ++s) io::check_shard(dataset, s);
  } catch (const DataError&) {
    return false;
  }
  return true;
}

/// Makes the state of a data set that is here.
void StageTarget::adopt() {
  state_.make_if_none();
  std::vector<std::byte> buffer(kStageBlockBytes);
  for (std::size_t f = 0; f < set_.files.size(); ++f) {
    const LocalFile opened(final_path(f), LocalFile::Mode::read);
    for (std::uint64_t b = first_blocks_[f]; b < first_blocks_[f] + set_.files[f].blocks(); ++b) {
      const std::span<std::byte> data = block_of(f, b, buffer);
      if (!opened.read(data, (b - first_blocks_[f]) * kStageBlockBytes)) break;
      state_.mark(b, crc32c(data));
      missing_[b] = 0;
    }
  }
}

bool StageTarget::published() const {
  if (text_of_file(folder_ / kManifestFile) != set_.manifest) return false;
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
  if (::statvfs(folder_.c_str(), &status) != 0)
    throw DataError(fmt::format("{}: free space cannot be asked for: {}", folder_.string(),
                                std::generic_category().message(errno)));
  return std::uint64_t{status.f_bavail} * status.f_frsize;
}

void StageTarget::reserve() {
  if (complete() && published()) return;
  state_.make_if_none();
  remove_file(folder_ / kManifestFile);
  io::sync_folder(folder_);
  std::vector<fs::path> made;
  for (std::size_t f = 0; f < set_.files.size(); ++f) {
    if (!has_missing(f) && set_.files[f].bytes > 0) continue;
    const fs::path file = hidden_path(f);
    if (!fs::exists(file)) {
      if (fs::exists(final_path(f)))
        rename_file(final_path(f), file);
      else
        made.push_back(file);
    }
    try {
      LocalFile(file, LocalFile::Mode::write).reserve(set_.files[f].bytes);
    } catch (const DataError&) {
      for (const fs::path& each : made) remove_file(each);
      if (made.size() == set_.files.size()) state_.remove();
      throw;
    }
  }
}

void StageTarget::store(const Piece& piece, std::span<const std::byte> data, std::span<const std::uint32_t> checksums) {
  const std::uint64_t begin = piece.first_block * kStageBlockBytes;  // as if each block of all files was whole
  std::uint64_t at = begin + (piece.offset - (piece.first_block - first_blocks_[piece.file]) * kStageBlockBytes);
  const std::span<const std::byte> all = data;
  std::size_t ended = 0;
  while (!data.empty()) {
    const std::uint64_t block = at / kStageBlockBytes;
    const std::span<const std::byte> part = data.first(std::min(data.size(), kStageBlockBytes - at % kStageBlockBytes));
    if (missing_[block] != 0) {
      running_ = crc32c(part, at % kStageBlockBytes == 0 ? 0 : running_);
      const std::uint64_t offset = piece.offset + static_cast<std::uint64_t>(part.data() - all.data());
      if (!written_ || written_file_ != piece.file) written_.emplace(hidden_path(piece.file), LocalFile::Mode::write);
      written_file_ = piece.file;
      written_->write(part, offset);
      if (ended < piece.ends) {
        if (running_ != checksums[ended])
          throw DataError(fmt::format("{}: the block at byte {} arrives damaged", final_path(piece.file).string(),
                                      (block - first_blocks_[piece.file]) * kStageBlockBytes));
        state_.mark(block, running_);
      }
    }
    ++ended;
    at += part.size();
    data = data.subspan(part.size());
  }
}

void StageTarget::verify(std::size_t file, std::uint64_t first_block, std::uint64_t blocks) {
  const auto begin_missing = missing_.begin() + static_cast<std::ptrdiff_t>(first_block);
  const auto end_missing = begin_missing + static_cast<std::ptrdiff_t>(blocks);
  if (std::find(begin_missing, end_missing, std::uint8_t{1}) == end_missing) return;
  LocalFile opened(hidden_path(file), LocalFile::Mode::read);
  const std::uint64_t begin = (first_block - first_blocks_[file]) * kStageBlockBytes;
  const std::uint64_t bytes = std::min(blocks * kStageBlockBytes, set_.files[file].bytes - begin);
  if (begin + bytes == set_.files[file].bytes) opened.sync();
  opened.drop_from_memory(begin, bytes);
  std::vector<std::byte> buffer(kStageBlockBytes);
  for (std::uint64_t b = first_block; b < first_block + blocks; ++b) {
    if (missing_[b] != 0 && reads_right(opened, file, b, buffer)) missing_[b] = 0;
  }
}

std::string StageTarget::first_missing() const {
  for (std::size_t f = 0; f < set_.files.size(); ++f) {
    for (std::uint64_t b = 0; b < set_.files[f].blocks(); ++b) {
      if (missing_[first_blocks_[f] + b] != 0)
        return fmt::format("{}: the block at byte {}", final_path(f).string(), b * kStageBlockBytes);
    }
  }
  return {};
}

void StageTarget::publish() {
  if (published()) return;
  written_.reset();
  for (std::size_t f = 0; f < set_.files.size(); ++f) {
    if (fs::exists(hidden_path(f))) LocalFile(hidden_path(f), LocalFile::Mode::read).sync();
  }
  state_.sync();
  for (std::size_t f = 0; f < set_.files.size(); ++f) {
    if (fs::exists(hidden_path(f))) rename_file(hidden_path(f), final_path(f));
  }
  io::sync_folder(folder_);
  io::write_file(folder_ / kManifestFile, std::as_bytes(std::span(set_.manifest)));
}

}  // namespace tutti::tools::data
