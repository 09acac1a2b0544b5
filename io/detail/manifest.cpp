#include <tutti/io/detail/manifest.hpp>

#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include <tutti/io/detail/shard.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti::io {

namespace {

using nlohmann::ordered_json;

constexpr const char* kManifestFormat = "tutti-dataset";

std::string checksum_text(std::uint32_t checksum) { return fmt::format("{:08x}", checksum); }

std::uint32_t parse_checksum(const std::string& text) {
  if (text.size() != 8 || text.find_first_not_of("0123456789abcdef") != std::string::npos)
    throw DataError(fmt::format("checksum '{}' is not eight hexadecimal digits", text));
  return static_cast<std::uint32_t>(std::stoul(text, nullptr, 16));
}

std::uint64_t number(const ordered_json& object, const char* key) {
  const ordered_json& value = object.at(key);
  if (!value.is_number_unsigned()) throw DataError(fmt::format("key '{}' is not a whole number", key));
  return value.get<std::uint64_t>();
}

Field parse_field(const ordered_json& object) {
  Field field;
  field.name = object.at("name").get<std::string>();
  field.dtype = dtype_from_name(object.at("dtype").get<std::string>());
  for (const ordered_json& extent : object.at("shape")) {
    if (!extent.is_number_unsigned())
      throw DataError(fmt::format("field '{}' has an extent that is no number", field.name));
    field.shape.push_back(extent.get<std::size_t>());
  }
  if (object.contains("sparse")) field.sparse = object.at("sparse").get<bool>();
  return field;
}

ManifestShard parse_shard(const ordered_json& object) {
  ManifestShard shard;
  shard.file = object.at("file").get<std::string>();
  if (shard.file.empty() || std::filesystem::path(shard.file).filename() != shard.file)
    throw DataError(fmt::format("shard '{}' is not the name of a file in the folder", shard.file));
  shard.first_sample = number(object, "first_sample");
  shard.samples = number(object, "samples");
  shard.chunk_samples = number(object, "chunk_samples");
  shard.checksum = parse_checksum(object.at("checksum").get<std::string>());
  return shard;
}

Manifest parse(const ordered_json& root) {
  if (!root.is_object() || root.value("tutti_format", "") != kManifestFormat)
    throw DataError("is not a tutti data set");
  const std::uint64_t version = number(root, "schema_version");
  if (version == 0 || version > kSchemaVersion)
    throw DataError(fmt::format("has schema version {}, this program reads versions 1 to {}", version, kSchemaVersion));
  Manifest manifest;
  manifest.name = root.at("name").get<std::string>();
  manifest.samples = number(root, "samples");
  manifest.classes = number(root, "classes");
  for (const ordered_json& field : root.at("fields")) manifest.fields.push_back(parse_field(field));
  for (const ordered_json& shard : root.at("shards")) manifest.shards.push_back(parse_shard(shard));

  if (root.contains("compression"))
    manifest.compression = compression_from_name(root.at("compression").get<std::string>());
  if (root.contains("linked")) manifest.linked = root.at("linked").get<std::vector<std::string>>();
  if (version < schema_version(manifest.fields, manifest.compression, !manifest.linked.empty()))
    throw DataError(
        fmt::format("has sparse fields, compression or links, which schema version {} does not know", version));
  if (root.contains("class_names")) manifest.class_names = root.at("class_names").get<std::vector<std::string>>();
  if (!manifest.class_names.empty() && manifest.class_names.size() != manifest.classes)
    throw DataError(fmt::format("{} names of {} classes", manifest.class_names.size(), manifest.classes));

  const std::string invalid = describe_invalid_fields(manifest.fields, manifest.classes);
  if (!invalid.empty()) throw DataError(invalid);
  if (manifest.samples == 0) throw DataError("the data set holds no samples");
  std::uint64_t next = 0;
  for (const ManifestShard& shard : manifest.shards) {
    if (shard.first_sample != next)
      throw DataError(
          fmt::format("shard '{}' starts at sample {} instead of {}", shard.file, shard.first_sample, next));
    next += shard.samples;
  }
  if (next != manifest.samples)
    throw DataError(fmt::format("its shards hold {} samples, not {}", next, manifest.samples));
  return manifest;
}

}  // namespace

std::string to_text(const Manifest& manifest) {
  ordered_json root;
  root["tutti_format"] = kManifestFormat;
  root["schema_version"] = schema_version(manifest.fields, manifest.compression, !manifest.linked.empty());
  root["name"] = manifest.name;
  root["samples"] = manifest.samples;
  root["classes"] = manifest.classes;
  if (!manifest.class_names.empty()) root["class_names"] = manifest.class_names;
  if (manifest.compression != Compression{}) root["compression"] = name(manifest.compression);
  root["fields"] = ordered_json::array();
  for (const Field& field : manifest.fields) {
    root["fields"].push_back({{"name", field.name}, {"dtype", std::string(name(field.dtype))}, {"shape", field.shape}});
    if (field.sparse) root["fields"].back()["sparse"] = true;
  }
  if (!manifest.linked.empty()) root["linked"] = manifest.linked;
  root["shards"] = ordered_json::array();
  for (const ManifestShard& shard : manifest.shards)
    root["shards"].push_back({{"file", shard.file},
                              {"first_sample", shard.first_sample},
                              {"samples", shard.samples},
                              {"chunk_samples", shard.chunk_samples},
                              {"checksum", checksum_text(shard.checksum)}});
  return root.dump(2) + "\n";
}

Manifest parse_manifest(const std::string& text, const std::filesystem::path& file) {
  try {
    return parse(ordered_json::parse(text));
  } catch (const ordered_json::parse_error& error) {
    throw DataError(fmt::format("{}: is not JSON: damaged or cut off near byte {}", file.string(), error.byte));
  } catch (const ordered_json::exception& error) {
    throw DataError(fmt::format("{}: {}", file.string(), error.what()));
  } catch (const Error& error) {
    throw DataError(fmt::format("{}: {}", file.string(), error.what()));
  }
}

}  // namespace tutti::io
