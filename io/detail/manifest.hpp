// manifest.json: what a folder of shards is, in one small file that a person can read.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <tutti/io/compression.hpp>
#include <tutti/io/dataset.hpp>

namespace tutti::io {

inline constexpr const char* kManifestName = "manifest.json";

struct ManifestShard {
  std::string file;
  std::uint64_t first_sample = 0;
  std::uint64_t samples = 0;
  std::uint64_t chunk_samples = 0;
  std::uint32_t checksum = 0;  ///< ShardHeader::checksum: ties the manifest to the very samples
};

struct Manifest {
  std::string name;
  std::uint64_t samples = 0;
  std::size_t classes = 0;
  std::vector<std::string> class_names = {};  ///< empty, or one per class
  std::vector<Field> fields;
  Compression compression = {};
  std::vector<std::string> linked = {};  ///< names of the fields that are links to other files
  std::vector<ManifestShard> shards;
};

std::string to_text(const Manifest& manifest);

/// \throws DataError naming `file` and the key: not JSON, a missing or mistyped key, a newer version, shards that do
/// not add up.
Manifest parse_manifest(const std::string& text, const std::filesystem::path& file);

}  // namespace tutti::io
