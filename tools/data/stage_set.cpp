// The files of a data set and their blocks; see stage_set.hpp.
#include "tools/data/stage_set.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <set>
#include <system_error>
#include <utility>

#include <tutti/io/dataset.hpp>
#include <tutti/kernels/crc32c.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/whole_file.hpp>

namespace tutti::tools::data {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr const char* kManifest = "manifest.json";

[[noreturn]] void fail_source(const fs::path& file, const char* what, int error) {
  throw DataError(fmt::format("{}: {}: {}", file.string(), what, std::generic_category().message(error)));
}

std::int64_t time_of_change(const struct stat& status) noexcept {
  return std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec;
}

StagedFile look_at(const fs::path& folder, const std::string& name) {
  struct stat status = {};
  if (::stat((folder / name).c_str(), &status) != 0) fail_source(folder / name, "cannot be read", errno);
  if (!S_ISREG(status.st_mode)) throw DataError(fmt::format("{}: is not a regular file", (folder / name).string()));
  return {.name = name, .bytes = static_cast<std::uint64_t>(status.st_size), .changed = time_of_change(status)};
}

void require_same(const fs::path& file, const StagedFile& stated, const struct stat& found) {
  const auto bytes = static_cast<std::uint64_t>(found.st_size);
  if (bytes != stated.bytes)
    throw DataError(
        fmt::format("{}: has changed while it was staged: {} bytes instead of {}", file.string(), bytes, stated.bytes));
  if (time_of_change(found) != stated.changed)
    throw DataError(fmt::format("{}: has changed while it was staged: it was written to", file.string()));
}

void collect_files(const ordered_json& value, std::vector<std::string>& names) {
  if (value.is_object()) {
    for (const auto& [key, member] : value.items()) {
      if (key == "file" && member.is_string())
        names.push_back(member.get<std::string>());
      else
        collect_files(member, names);
    }
  } else if (value.is_array()) {
    for (const ordered_json& element : value) collect_files(element, names);
  }
}

}  // namespace

std::uint64_t StageSet::bytes() const noexcept {
  std::uint64_t sum = 0;
  for (const StagedFile& file : files) sum += file.bytes;
  return sum;
}

std::uint64_t StageSet::blocks() const noexcept {
  std::uint64_t sum = 0;
  for (const StagedFile& file : files) sum += file.blocks();
  return sum;
}

std::vector<std::uint64_t> StageSet::first_blocks() const {
  std::vector<std::uint64_t> first(files.size());
  std::uint64_t next = 0;
  for (std::size_t f = 0; f < files.size(); ++f) {
    first[f] = next;
    next += files[f].blocks();
  }
  return first;
}

std::uint32_t StageSet::fingerprint() const { return crc32c(std::as_bytes(std::span(manifest))); }

bool StageSet::same_content(const StageSet& other) const noexcept {
  return manifest == other.manifest &&
         std::equal(files.begin(), files.end(), other.files.begin(), other.files.end(),
                    [](const StagedFile& a, const StagedFile& b) { return a.name == b.name && a.bytes == b.bytes; });
}

bool StageSet::same_times(const StageSet& other) const noexcept {
  return std::equal(files.begin(), files.end(), other.files.begin(), other.files.end(),
                    [](const StagedFile& a, const StagedFile& b) { return a.changed == b.changed; });
}

std::string to_text(const StageSet& set) {
  ordered_json root;
  root["tutti_format"] = "tutti-staged";
  root["schema_version"] = 1;
  root["manifest"] = set.manifest;
  root["block_bytes"] = kStageBlockBytes;
  root["files"] = ordered_json::array();
  for (const StagedFile& file : set.files)
    root["files"].push_back({{"name", file.name}, {"bytes", file.bytes}, {"changed_ns", file.changed}});
  return root.dump() + "\n";
}

StageSet set_from_text(const std::string& text) {
  try {
    const ordered_json root = ordered_json::parse(text);
    if (root.at("tutti_format") != "tutti-staged" || root.at("schema_version") != 1 ||
        root.at("block_bytes") != kStageBlockBytes)
      throw DataError("is not a list of staged files of this version");
    StageSet set{.manifest = root.at("manifest").get<std::string>(), .files = {}};
    set.files.reserve(root.at("files").size());
    for (const ordered_json& file : root.at("files"))
      set.files.push_back({.name = file.at("name").get<std::string>(),
                           .bytes = file.at("bytes").get<std::uint64_t>(),
                           .changed = file.at("changed_ns").get<std::int64_t>()});
    return set;
  } catch (const ordered_json::exception& error) {
    throw DataError(fmt::format("is not a list of staged files: {}", error.what()));
  }
}

std::vector<std::string> files_of_manifest(const std::string& manifest, const fs::path& file) {
  std::vector<std::string> names;
  try {
    collect_files(ordered_json::parse(manifest), names);
  } catch (const ordered_json::exception&) {
    throw DataError(fmt::format("{}: is not JSON", file.string()));
  }
  std::set<std::string> seen;
  for (const std::string& name : names) {
    if (name.empty() || name.starts_with('.') || name == kManifest || fs::path(name).filename() != name)
      throw DataError(fmt::format("{}: '{}' is not the name of a file beside it", file.string(), name));
    seen.insert(name);
  }
  return {seen.begin(), seen.end()};
}

StageSet read_stage_set(const fs::path& folder) {
  const io::Dataset dataset(folder);  // verifies the manifest and the headers of all shards
  if (!dataset.linked().empty())
    throw DataError(
        fmt::format("{}: its shards are linked to files outside of it: split it, or import it without --in-place, and "
                    "stage that",
                    folder.string()));
  StageSet set{.manifest = read_whole_file((folder / kManifest).string()), .files = {}};
  if (set.fingerprint() != dataset.fingerprint())
    throw DataError(fmt::format("{}: has changed while it was read", (folder / kManifest).string()));
  const std::vector<std::string> names = files_of_manifest(set.manifest, folder / kManifest);
  set.files.reserve(names.size());
  for (const std::string& name : names) set.files.push_back(look_at(folder, name));
  return set;
}

std::vector<Piece> cut_pieces(const StageSet& set, std::span<const std::uint8_t> missing, std::uint64_t piece_bytes) {
  std::vector<Piece> pieces;
  std::uint64_t first = 0;
  for (std::size_t f = 0; f < set.files.size(); ++f) {
    const StagedFile& file = set.files[f];
    for (std::uint64_t block = 0; block < file.blocks();) {
      if (missing[first + block] == 0) {
        ++block;
        continue;
      }
      std::uint64_t end = block;  // of a run of blocks
      while (end < file.blocks() && missing[first + end] != 0) ++end;
      const std::uint64_t stop = std::min(end * kStageBlockBytes, file.bytes);
      for (std::uint64_t at = block * kStageBlockBytes; at < stop; at += piece_bytes) {
        const std::uint64_t behind = std::min(at + piece_bytes, stop);
        const std::uint64_t ended = behind == file.bytes ? file.blocks() : behind / kStageBlockBytes;
        pieces.push_back({.file = f,
                          .offset = at,
                          .bytes = behind - at,
                          .first_block = first + at / kStageBlockBytes,
                          .ends = static_cast<std::size_t>(ended - at / kStageBlockBytes)});
      }
      block = end;
    }
    first += file.blocks();
  }
  return pieces;
}

StageSource::~StageSource() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void StageSource::open(std::size_t file) {
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
  const fs::path path = folder_ / set_.files[file].name;
  descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor_ < 0) fail_source(path, "cannot be read", errno);
  file_ = file;
  struct stat status = {};
  if (::fstat(descriptor_, &status) != 0) fail_source(path, "cannot be read", errno);
  require_same(path, set_.files[file], status);
  ::posix_fadvise(descriptor_, 0, 0, POSIX_FADV_SEQUENTIAL);
}

void StageSource::read(const Piece& piece, std::span<std::byte> data) {
  if (descriptor_ < 0 || file_ != piece.file) open(piece.file);
  const fs::path path = folder_ / set_.files[piece.file].name;
  std::uint64_t offset = piece.offset;
  while (!data.empty()) {
    const ssize_t got = ::pread(descriptor_, data.data(), data.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail_source(path, "cannot be read", errno);
    if (got == 0)
      throw DataError(fmt::format("{}: has changed while it was staged: it ends at byte {} instead of {}",
                                  path.string(), offset, set_.files[piece.file].bytes));
    offset += static_cast<std::uint64_t>(got);
    bytes_read_ += static_cast<std::uint64_t>(got);
    data = data.subspan(static_cast<std::size_t>(got));
  }
}

void StageSource::require_unchanged() const {
  for (const StagedFile& file : set_.files) {
    struct stat status = {};
    const fs::path path = folder_ / file.name;
    if (::stat(path.c_str(), &status) != 0) fail_source(path, "has gone while it was staged", errno);
    require_same(path, file, status);
  }
  if (read_whole_file((folder_ / kManifest).string()) != set_.manifest)
    throw DataError(fmt::format("{}: has changed while the data set was staged", (folder_ / kManifest).string()));
}

}  // namespace tutti::tools::data
