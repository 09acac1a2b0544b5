#include <tutti/io/dataset_writer.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <optional>

#include <tutti/io/detail/manifest.hpp>
#include <tutti/io/detail/shard.hpp>
#include <tutti/io/files.hpp>
#include <tutti/io/sampler.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>
#include <tutti/kernels/whole_file.hpp>

namespace tutti::io {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kChunkBytes = std::size_t{32} << 10;

bool is_shard_name(const std::string& name) { return name.starts_with("shard-") && name.ends_with(".h5"); }

std::vector<fs::path> shards_in(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder))
    if (is_shard_name(entry.path().filename().string())) files.push_back(entry.path());
  return files;
}

// Makes the folder and refuses one that holds a data set already.
fs::path prepare_folder(const fs::path& folder, bool replace) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw DataError(fmt::format("{}: cannot be created: {}", folder.string(), error.message()));
  if (!replace && (fs::exists(folder / kManifestName, error) || !shards_in(folder).empty()))
    throw DataError(
        fmt::format("{}: already holds a data set, which is replaced only on demand (--force)", folder.string()));
  return folder;
}

// At most `wanted` samples a chunk, chunks of a shard as even as they can be.
std::uint64_t even_chunk(std::uint64_t samples, std::uint64_t wanted) {
  if (samples == 0 || wanted == 0) return 1;
  const std::uint64_t chunks = (samples - 1) / wanted + 1;
  return (samples - 1) / chunks + 1;
}

std::uint64_t default_chunk(const std::vector<Field>& fields) {
  std::size_t bytes = 0;
  for (const Field& field : fields) bytes += field.sample_bytes();
  return std::max<std::uint64_t>(1, kChunkBytes / std::max<std::size_t>(1, bytes));
}

void require_chunks_that_hdf5_takes(const DatasetPlan& plan) {
  constexpr std::uint64_t kLimit = (std::uint64_t{1} << 32) - 1;
  const std::uint64_t largest_shard = (plan.samples - 1) / plan.shards + 1;
  const std::uint64_t wanted = plan.chunk_samples == 0 ? default_chunk(plan.fields) : plan.chunk_samples;
  const std::uint64_t chunk = even_chunk(largest_shard, wanted);
  for (const Field& field : plan.fields)
    if (field.sample_bytes() > kLimit / chunk)
      throw InvalidArgument(
          fmt::format("data set '{}': field '{}': a chunk of {} samples of {} bytes each is larger "
                      "than an HDF5 chunk may be, {} bytes",
                      plan.name, field.name, chunk, field.sample_bytes(), kLimit));
}

void require_valid(const DatasetPlan& plan) {
  if (!is_utf8(plan.name))
    throw InvalidArgument(fmt::format("the name of the data set, '{}', is not valid UTF-8", printable(plan.name)));
  const std::string invalid = describe_invalid_fields(plan.fields, plan.classes);
  if (!invalid.empty()) throw InvalidArgument(fmt::format("data set '{}': {}", plan.name, invalid));
  if (plan.shards == 0 || plan.shards > plan.samples || plan.shards > 99999)
    throw InvalidArgument(
        fmt::format("data set '{}': {} samples cannot make {} shards; a shard holds at least one sample, and "
                    "there are at most 99999",
                    plan.name, plan.samples, plan.shards));
  require_chunks_that_hdf5_takes(plan);
}

}  // namespace

class DatasetWriter::Impl {
 public:
  Impl(const fs::path& folder, const DatasetPlan& plan)
      : folder_(prepare_folder(folder, plan.replace)), plan_(plan), lock_(folder_), chunk_(plan.fields.size()) {
    if (plan_.chunk_samples == 0) plan_.chunk_samples = default_chunk(plan_.fields);
    manifest_ = {
        .name = plan_.name, .samples = plan_.samples, .classes = plan_.classes, .fields = plan_.fields, .shards = {}};
    open_shard();
  }

  void append(std::uint64_t samples, std::span<const std::span<const std::byte>> data) {
    if (samples > plan_.samples - received_)
      throw InvalidArgument(fmt::format("more than the {} samples planned", plan_.samples));
    if (data.size() != plan_.fields.size())
      throw InvalidArgument(fmt::format("{} fields instead of {}", data.size(), plan_.fields.size()));
    for (std::size_t f = 0; f < data.size(); ++f)
      if (data[f].size() != samples * plan_.fields[f].sample_bytes())
        throw InvalidArgument(
            fmt::format("field '{}': {} bytes are not {} samples", plan_.fields[f].name, data[f].size(), samples));
    require_labels(samples, data);
    for (std::uint64_t taken = 0; taken < samples;) taken += fill_chunk(taken, samples - taken, data);
  }

  void finish() {
    if (received_ != plan_.samples)
      throw InvalidArgument(fmt::format("{} samples instead of the {} planned", received_, plan_.samples));
    const std::string content = to_text(manifest_);
    WholeFile manifest(folder_ / kManifestName, Writers::one);
    manifest.write(0, std::as_bytes(std::span(content)));
    manifest.finish(content.size());
    // Everything is on the disk under temporary names: what follows only removes and renames. Until the new manifest
    // stands the folder holds no data set, and every single step is atomic.
    remove(folder_ / kManifestName);
    for (const auto& shard : complete_) shard->publish();  // over an old shard of the same name
    manifest.publish();
    remove_other_shards();
    sync_folder(folder_);
  }

 private:
  static void remove(const fs::path& file) {
    std::error_code error;
    fs::remove(file, error);
    if (error) throw DataError(fmt::format("{}: cannot be removed: {}", file.string(), error.message()));
  }

  // Shards of the data set that was here before.
  void remove_other_shards() const {
    for (const fs::path& file : shards_in(folder_)) {
      const auto is_new = [&](const auto& shard) { return shard->file().filename() == file.filename(); };
      if (std::none_of(complete_.begin(), complete_.end(), is_new)) remove(file);
    }
  }

  void open_shard() {
    const std::uint64_t index = complete_.size();
    const Range range = part_of({0, plan_.samples}, static_cast<int>(index), static_cast<int>(plan_.shards));
    current_ = std::make_unique<ShardWriter>(folder_ / shard_file_name(index, plan_.shards),
                                             ShardHeader{.dataset = plan_.name,
                                                         .shard = index,
                                                         .shards = plan_.shards,
                                                         .first_sample = range.first,
                                                         .samples = range.size(),
                                                         .dataset_samples = plan_.samples,
                                                         .chunk_samples = even_chunk(range.size(), plan_.chunk_samples),
                                                         .classes = plan_.classes,
                                                         .fields = plan_.fields,
                                                         .checksum = 0});
    chunk_index_ = 0;
  }

  void close_shard() {
    current_->finish();
    const ShardHeader& header = current_->header();
    manifest_.shards.push_back({.file = current_->file().filename().string(),
                                .first_sample = header.first_sample,
                                .samples = header.samples,
                                .chunk_samples = header.chunk_samples,
                                .checksum = header.checksum});
    complete_.push_back(std::move(current_));
  }

  // Moves samples from `first` on, at most `count`, into the chunk being filled, and writes it once it is full. Returns
  // how many.
  std::uint64_t fill_chunk(std::uint64_t first, std::uint64_t count, std::span<const std::span<const std::byte>> data) {
    if (current_ == nullptr) open_shard();
    const std::uint64_t wanted = current_->header().samples_in_chunk(chunk_index_);
    const std::uint64_t taken = std::min(count, wanted - chunk_fill_);
    for (std::size_t f = 0; f < data.size(); ++f) {
      const std::size_t bytes = plan_.fields[f].sample_bytes();
      const auto piece = data[f].subspan(first * bytes, taken * bytes);
      chunk_[f].insert(chunk_[f].end(), piece.begin(), piece.end());
    }
    chunk_fill_ += taken;
    received_ += taken;
    if (chunk_fill_ == wanted) {
      for (std::size_t f = 0; f < data.size(); ++f) {
        current_->write_chunk(chunk_index_, f, chunk_[f]);
        chunk_[f].clear();
      }
      chunk_fill_ = 0;
      if (++chunk_index_ == current_->header().chunks()) close_shard();
    }
    return taken;
  }

  void require_labels(std::uint64_t samples, std::span<const std::span<const std::byte>> data) const {
    if (plan_.classes == 0) return;
    for (std::size_t f = 0; f < data.size(); ++f) {
      const Field& field = plan_.fields[f];
      if (field.name != kLabelField) continue;
      const std::size_t bad = first_bad_label(field, data[f], plan_.classes);
      if (bad < samples)
        throw DataError(fmt::format("{}: sample {}: label {} is not in 0 .. {}", folder_.string(), received_ + bad,
                                    label_text(field, data[f], bad), plan_.classes - 1));
    }
  }

  fs::path folder_;
  DatasetPlan plan_;
  FolderLock lock_;
  Manifest manifest_;
  std::vector<std::unique_ptr<ShardWriter>> complete_;  // closed, under their temporary names
  std::unique_ptr<ShardWriter> current_;
  std::uint64_t received_ = 0;
  std::uint64_t chunk_index_ = 0;
  std::uint64_t chunk_fill_ = 0;               // samples in chunk_
  std::vector<std::vector<std::byte>> chunk_;  // per field
};

DatasetWriter::DatasetWriter(const std::filesystem::path& folder, const DatasetPlan& plan) {
  require_valid(plan);
  impl_ = std::make_unique<Impl>(folder, plan);
}

DatasetWriter::~DatasetWriter() = default;

void DatasetWriter::append(std::uint64_t samples, std::span<const std::span<const std::byte>> data) {
  impl_->append(samples, data);
}

void DatasetWriter::finish() { impl_->finish(); }

}  // namespace tutti::io
