#include "tests/io/fuzz/targets.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <optional>
#include <stdexcept>

#include <tutti/io/dataset.hpp>
#include <tutti/io/dataset_writer.hpp>
#include <tutti/io/detail/codec.hpp>
#include <tutti/io/detail/manifest.hpp>
#include <tutti/io/detail/shard.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/whole_file.hpp>

#include "tests/io/fuzz/memory_file.hpp"

namespace tutti::io::fuzz {

namespace {

namespace fs = std::filesystem;

std::vector<std::string> manifests() {
  return {to_text({.name = "x",
                   .samples = 3,
                   .classes = 2,
                   .class_names = {"a", "b"},
                   .fields = {{"x", DType::f32, {2, 3}}, {"label", DType::i64, {}}},
                   .shards = {{"shard-00000-of-00001.h5", 0, 3, 2, 7}}})};
}

void read_manifest(const fs::path& file) { static_cast<void>(parse_manifest(read_whole_file(file.string()), file)); }

// One shard of 5 samples in chunks of 2.
std::string shard_of(const DatasetPlan& plan) {
  std::string folder = (fs::temp_directory_path() / "tutti-fuzz-XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr) throw std::runtime_error("no temporary folder");
  {
    DatasetWriter writer(folder, plan);
    SampleBlock block(plan.fields.size());
    block.samples = plan.samples;
    for (std::size_t f = 0; f < plan.fields.size(); ++f) {
      if (plan.fields[f].sparse)
        block.sparse[f] = {.row_ends = {2, 2, 3, 4, 6}, .columns = {0, 3, 1, 2, 2, 3}, .values = {6 * 4, std::byte{7}}};
      else
        block.data[f].resize(plan.samples * plan.fields[f].sample_bytes());
    }
    writer.append(block);
    writer.finish();
  }
  std::string content = read_whole_file(folder + "/" + shard_file_name(0, 1));
  fs::remove_all(folder);
  return content;
}

std::vector<std::string> shards() {
  DatasetPlan plan{.name = "x",
                   .fields = {{"x", DType::u16, {3}}, {"label", DType::i64, {}}},
                   .samples = 5,
                   .classes = 2,
                   .chunk_samples = 2};
  std::vector<std::string> files{shard_of(plan)};
  plan.compression = {.codec = Codec::deflate, .level = 1, .shuffle = true};
  files.push_back(shard_of(plan));
  plan.compression = {};
  plan.fields.push_back({"rows", DType::f32, {4}, true});
  files.push_back(shard_of(plan));
  return files;
}

void read_shard(const fs::path& file) {
  const ShardReader reader(file);
  const ShardHeader& header = reader.header();
  for (std::size_t f = 0; f < header.fields.size(); ++f) {
    const bool sparse = header.fields[f].sparse;
    std::vector<std::byte> chunk(sparse ? 0 : header.chunk_samples * header.fields[f].sample_bytes());
    for (std::uint64_t c = 0; c < std::min<std::uint64_t>(header.chunks(), 1000); ++c) {
      if (sparse)
        reader.read_sparse_chunk(c, f);
      else
        reader.read_chunk(c, f, chunk);
    }
  }
}

// Chunks as they are stored, behind a byte each for codec, shuffle and the size of elements. In a shard HDF5's own
// checksums and the place of a chunk are in the way of what is changed.
constexpr std::size_t kChunkBytes = 1024;

Compression chunk_compression(std::uint8_t codec, std::uint8_t shuffle) {
  const auto known = static_cast<Codec>(1 + codec % 3);
  return {.codec = known, .level = known == Codec::lz4 ? 0 : 1, .shuffle = shuffle % 2 == 1};
}

std::vector<std::string> chunks() {
  std::vector<std::byte> chunk(kChunkBytes);
  for (std::size_t i = 0; i < chunk.size(); ++i) chunk[i] = static_cast<std::byte>(i % 97 + i / 256);
  std::vector<std::string> files;
  for (std::uint8_t codec = 0; codec < 3; ++codec)
    for (std::uint8_t shuffle = 0; shuffle < 2; ++shuffle) {
      Encoder encoder(chunk_compression(codec, shuffle), 4);
      const auto stored = encoder.encode(chunk);
      std::string file{static_cast<char>(codec), static_cast<char>(shuffle), 2};
      file.append(reinterpret_cast<const char*>(stored.bytes.data()), stored.bytes.size());
      files.push_back(file);
    }
  return files;
}

void read_stored_chunk(const fs::path& file) {
  const std::string bytes = read_whole_file(file.string());
  if (bytes.size() < 3) return;
  const auto stored = std::as_bytes(std::span(bytes)).subspan(3);
  std::vector<std::byte> buffer;
  std::vector<std::byte> out(kChunkBytes);
  decode(chunk_compression(static_cast<std::uint8_t>(bytes[0]), static_cast<std::uint8_t>(bytes[1])),
         std::size_t{1} << (static_cast<unsigned char>(bytes[2]) % 4), 0, stored, buffer, out);
}

constexpr Target kShardTargets[] = {
    {"manifest", manifests, read_manifest},
    {"shard", shards, read_shard},
    {"chunk", chunks, read_stored_chunk},
};

}  // namespace

std::vector<Target> targets() {
  std::vector<Target> all(std::begin(kShardTargets), std::end(kShardTargets));
  for (const auto more : {importer_targets(), made_targets()}) all.insert(all.end(), more.begin(), more.end());
  return all;
}

std::optional<Target> find(const std::string& name) {
  for (const Target& target : targets())
    if (name == target.name) return target;
  return std::nullopt;
}

void run(const Target& target, std::span<const std::uint8_t> bytes) {
  const MemoryFile file(bytes);
  try {
    target.read(file.path());
  } catch (const Error& error) {
    if (std::string(error.what()).find('\n') == std::string::npos) return;
    std::fprintf(stderr, "not one line: %s\n", error.what());
    std::abort();
  }
}

}  // namespace tutti::io::fuzz
