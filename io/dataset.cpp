#include <tutti/io/dataset.hpp>

#include <fmt/format.h>

#include <tutti/io/detail/manifest.hpp>
#include <tutti/io/detail/shard.hpp>
#include <tutti/io/detail/shard_links.hpp>
#include <tutti/io/files.hpp>
#include <tutti/kernels/crc32c.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/names.hpp>
#include <tutti/kernels/whole_file.hpp>

namespace tutti::io {

namespace {

namespace fs = std::filesystem;

std::string description(const Field& field) {
  std::string shape;
  for (const std::size_t extent : field.shape) shape += fmt::format("{}{}", shape.empty() ? "" : " x ", extent);
  return fmt::format("'{}' {}{} [{}]", field.name, field.sparse ? "sparse " : "", name(field.dtype), shape);
}

void require_folder(const fs::path& folder) {
  std::error_code error;
  const fs::file_type type = fs::status(folder, error).type();
  if (type == fs::file_type::directory) return;
  if (type == fs::file_type::not_found) throw DataError(fmt::format("{}: there is no such folder", folder.string()));
  throw DataError(
      fmt::format("{}: {}", folder.string(), error ? "cannot be opened: " + error.message() : "is not a folder"));
}

std::vector<std::string> linked_names(const ShardHeader& header) {
  std::vector<std::string> names;
  for (std::size_t f = 0; f < header.fields.size(); ++f)
    if (header.links.linked(f)) names.push_back(header.fields[f].name);
  return names;
}

// Throws if `header` is not what the manifest says about shard `index`.
void require_agreement(const fs::path& file, const ShardHeader& header, const Manifest& manifest, std::size_t index) {
  const ManifestShard& expected = manifest.shards[index];
  const auto require_equal = [&](const char* what, std::uint64_t found, std::uint64_t stated) {
    if (found != stated)
      throw DataError(fmt::format("{}: {} is {}, the manifest says {}", file.string(), what, found, stated));
  };
  if (header.fields.size() != manifest.fields.size())
    throw DataError(fmt::format("{}: has {} fields, the manifest says {}", file.string(), header.fields.size(),
                                manifest.fields.size()));
  for (std::size_t f = 0; f < header.fields.size(); ++f)
    if (header.fields[f] != manifest.fields[f])
      throw DataError(fmt::format("{}: has field {}, the manifest and the other shards say {}", file.string(),
                                  description(header.fields[f]), description(manifest.fields[f])));
  require_equal("its number among the shards", header.shard, index);
  require_equal("the number of shards", header.shards, manifest.shards.size());
  require_equal("its first sample", header.first_sample, expected.first_sample);
  require_equal("the number of its samples", header.samples, expected.samples);
  require_equal("the number of samples of the data set", header.dataset_samples, manifest.samples);
  require_equal("the number of samples in a chunk", header.chunk_samples, expected.chunk_samples);
  require_equal("the number of classes", header.classes, manifest.classes);
  if (header.compression != manifest.compression)
    throw DataError(fmt::format("{}: its compression is {}, the manifest says {}", file.string(),
                                name(header.compression), name(manifest.compression)));
  if (linked_names(header) != manifest.linked)
    throw DataError(fmt::format("{}: the fields that are links are [{}], the manifest says [{}]", file.string(),
                                fmt::join(linked_names(header), ", "), fmt::join(manifest.linked, ", ")));
  if (header.checksum != expected.checksum)
    throw DataError(fmt::format("{}: its checksum is {:08x}, the manifest says {:08x}: a shard of another data set",
                                file.string(), header.checksum, expected.checksum));
}

}  // namespace

std::size_t Field::elements() const noexcept {
  std::size_t count = 1;
  for (const std::size_t extent : shape) count *= extent;
  return count;
}

std::size_t Field::sample_bytes() const noexcept { return elements() * size_of(dtype); }

Dataset::Dataset(std::filesystem::path folder) : folder_(std::move(folder)) {
  require_folder(folder_);
  const fs::path file = folder_ / kManifestName;
  std::error_code error;
  if (fs::status(file, error).type() == fs::file_type::not_found)
    throw DataError(
        fmt::format("{}: is missing: the folder holds no data set, or its import was interrupted", file.string()));
  const std::string content = read_whole_file(file);
  const Manifest manifest = parse_manifest(content, file);
  name_ = manifest.name;
  size_ = manifest.samples;
  classes_ = manifest.classes;
  class_names_ = manifest.class_names;
  fields_ = manifest.fields;
  compression_ = manifest.compression;
  linked_ = manifest.linked;
  fingerprint_ = crc32c(std::as_bytes(std::span(content)));
  shards_.reserve(manifest.shards.size());
  for (std::size_t i = 0; i < manifest.shards.size(); ++i) {
    const ManifestShard& shard = manifest.shards[i];
    const fs::path shard_file = folder_ / shard.file;
    const ShardHeader header = read_shard_header(shard_file);
    require_agreement(shard_file, header, manifest, i);
    shards_.push_back({.file = shard_file,
                       .first_sample = shard.first_sample,
                       .samples = shard.samples,
                       .chunk_samples = shard.chunk_samples,
                       .linked = header.links.datasets.empty() ? fs::path() : linked_path(header.links, shard_file),
                       .checksum = shard.checksum});
  }
}

std::size_t Dataset::field(const std::string& name) const {
  for (std::size_t f = 0; f < fields_.size(); ++f) {
    if (fields_[f].name == name) return f;
  }
  throw DataError(
      fmt::format("{}: {}", folder_.string(), unknown_name("field", name, names_of(fields_, &Field::name))));
}

}  // namespace tutti::io
