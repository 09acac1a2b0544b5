#include "tests/io/fuzz/targets.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <stdexcept>

#include <tutti/io/dataset.hpp>
#include <tutti/io/dataset_writer.hpp>
#include <tutti/io/detail/manifest.hpp>
#include <tutti/io/detail/shard.hpp>
#include <tutti/io/import.hpp>
#include <tutti/io/importers/idx.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/whole_file.hpp>

namespace tutti::io::fuzz {

namespace {

namespace fs = std::filesystem;

// Bytes that have a path.
class MemoryFile {
 public:
  explicit MemoryFile(std::span<const std::uint8_t> bytes) : descriptor_(::memfd_create("fuzz", MFD_CLOEXEC)) {
    if (descriptor_ < 0) throw std::runtime_error("no file in memory");
    for (std::size_t done = 0; done < bytes.size();) {
      const ssize_t wrote = ::write(descriptor_, bytes.data() + done, bytes.size() - done);
      if (wrote <= 0) throw std::runtime_error("a file in memory cannot be written");
      done += static_cast<std::size_t>(wrote);
    }
  }
  ~MemoryFile() { ::close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  fs::path path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  int descriptor_;
};

// Reads all samples; of a file that holds astonishingly many the first ones.
void drain(SampleSource& source) {
  constexpr std::uint64_t kMost = std::uint64_t{64} << 20;
  source.survey(one_rank());
  SampleBlock block(source.fields().size());
  std::uint64_t bytes = 0;
  do {
    block.clear();
    if (source.read(256, block) == 0) return;
    for (const auto& data : block.data) bytes += data.size();
    for (const auto& rows : block.sparse) bytes += rows.values.size();
  } while (bytes < kMost);
}

std::string idx_of(char type, std::uint8_t samples, const std::string& extents, const std::string& elements) {
  std::string file{0, 0, type, static_cast<char>(1 + extents.size()), 0, 0, 0, static_cast<char>(samples)};
  for (const char extent : extents) file += std::string{0, 0, 0, extent};
  return file + elements;
}

std::vector<std::string> idx_images() {
  return {idx_of(8, 3, {2, 2}, "abcdefghijkl"), idx_of(13, 3, {1, 1, 1}, "abcdefghijkl")};
}

std::vector<std::string> idx_labels() { return {idx_of(8, 3, {}, {0, 1, 2}), idx_of(12, 3, {}, std::string(12, 0))}; }

// The other file of each pair is right, so that reading does not end at it.
void read_idx_images(const fs::path& file) {
  const std::string labels = idx_labels()[0];
  const MemoryFile other({reinterpret_cast<const std::uint8_t*>(labels.data()), labels.size()});
  drain(*open_idx({.images = file, .labels = other.path()}));
}

void read_idx_labels(const fs::path& file) {
  const std::string images = idx_images()[0];
  const MemoryFile other({reinterpret_cast<const std::uint8_t*>(images.data()), images.size()});
  drain(*open_idx({.images = other.path(), .labels = file}));
}

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
    for (std::size_t f = 0; f < plan.fields.size(); ++f)
      block.data[f].resize(plan.samples * plan.fields[f].sample_bytes());
    writer.append(block);
    writer.finish();
  }
  std::string content = read_whole_file(folder + "/" + shard_file_name(0, 1));
  fs::remove_all(folder);
  return content;
}

std::vector<std::string> shards() {
  return {shard_of({.name = "x",
                    .fields = {{"x", DType::u16, {3}}, {"label", DType::i64, {}}},
                    .samples = 5,
                    .classes = 2,
                    .chunk_samples = 2})};
}

void read_shard(const fs::path& file) {
  ShardReader reader(file);
  const ShardHeader& header = reader.header();
  for (std::size_t f = 0; f < header.fields.size(); ++f) {
    std::vector<std::byte> chunk(header.chunk_samples * header.fields[f].sample_bytes());
    for (std::uint64_t c = 0; c < std::min<std::uint64_t>(header.chunks(), 1000); ++c) reader.read_chunk(c, f, chunk);
  }
}

constexpr Target kTargets[] = {
    {"idx_images", idx_images, read_idx_images},
    {"idx_labels", idx_labels, read_idx_labels},
    {"manifest", manifests, read_manifest},
    {"shard", shards, read_shard},
};

}  // namespace

std::span<const Target> targets() { return kTargets; }

const Target* find(const std::string& name) {
  const auto* found =
      std::find_if(std::begin(kTargets), std::end(kTargets), [&](const Target& target) { return name == target.name; });
  return found == std::end(kTargets) ? nullptr : found;
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
