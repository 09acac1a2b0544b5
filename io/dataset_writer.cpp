#include <tutti/io/dataset_writer.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <optional>

#include <tutti/io/detail/dataset_plan.hpp>
#include <tutti/io/detail/manifest.hpp>
#include <tutti/io/detail/shard.hpp>
#include <tutti/io/files.hpp>
#include <tutti/io/sampler.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/whole_file.hpp>

namespace tutti::io {

namespace {

namespace fs = std::filesystem;

std::vector<fs::path> shards_in(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder))
    if (is_shard_name(entry.path().filename().string())) files.push_back(entry.path());
  return files;
}

}  // namespace

void prepare_folder(const fs::path& folder, bool replace) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw DataError(fmt::format("{}: cannot be created: {}", folder.string(), error.message()));
  if (!replace && (fs::exists(folder / kManifestName, error) || !shards_in(folder).empty()))
    throw DataError(
        fmt::format("{}: already holds a data set, which is replaced only on demand (--force)", folder.string()));
}

class DatasetWriter::Impl {
 public:
  Impl(const fs::path& folder, const DatasetPlan& plan, Ranks& ranks, std::optional<FolderLock> lock)
      : ranks_(ranks), folder_(folder), plan_(plan), lock_(std::move(lock)), chunk_(plan.fields.size()) {
    agree(ranks_, [&] {
      require_valid(plan_, folder_);
      if (ranks_.rank() == 0) prepare_folder(folder_, plan_.replace);
      if (ranks_.rank() == 0 && !lock_) lock_.emplace(folder_);
    });
    own_shards_ = part_of({0, plan_.shards}, ranks_.rank(), ranks_.size());
    own_samples_ = samples_of_shards(plan_, own_shards_);
    manifest_ = {.name = plan_.name,
                 .samples = plan_.samples,
                 .classes = plan_.classes,
                 .class_names = plan_.class_names,
                 .fields = plan_.fields,
                 .compression = plan_.compression,
                 .linked = {},
                 .shards = {}};
    for (std::size_t f = 0; f < plan_.fields.size(); ++f)
      if (is_linked(plan_, f)) manifest_.linked.push_back(plan_.fields[f].name);
    agree(ranks_, [&] {
      if (own_shards_.size() > 0) open_shard();
    });
  }

  Range own_samples() const noexcept { return own_samples_; }

  // `sparse` may be empty if no field is.
  void append(std::uint64_t samples, std::span<const std::span<const std::byte>> data,
              std::span<const SparseRows> sparse) {
    if (samples > own_samples_.size() - received_)
      throw InvalidArgument(fmt::format("more than the {} samples planned", own_samples_.size()));
    if (data.size() != plan_.fields.size() || (!sparse.empty() && sparse.size() != data.size()))
      throw InvalidArgument(fmt::format("{} fields instead of {}", data.size(), plan_.fields.size()));
    for (std::size_t f = 0; f < data.size(); ++f) {
      const Field& field = plan_.fields[f];
      if (field.sparse)
        require_rows(field, samples, sparse.empty() ? SparseRows{} : sparse[f]);
      else if (data[f].size() != samples * field.sample_bytes())
        throw InvalidArgument(
            fmt::format("field '{}': {} bytes are not {} samples", field.name, data[f].size(), samples));
    }
    require_labels(samples, data);
    for (std::uint64_t taken = 0; taken < samples;) taken += fill_chunk(taken, samples - taken, data, sparse);
  }

  void finish(std::size_t classes) {
    agree(ranks_, [&] {
      if (received_ != own_samples_.size())
        throw InvalidArgument(fmt::format("{} samples instead of the {} planned", received_, own_samples_.size()));
      if (classes == plan_.classes || classes == 0) return;
      if (plan_.classes != 0) throw InvalidArgument(fmt::format("{} classes instead of {}", classes, plan_.classes));
      manifest_.classes = classes;
      for (const auto& shard : complete_) shard->set_classes(classes);
    });
    gather_shards();
    std::optional<WholeFile> manifest;
    agree(ranks_, [&] {
      if (ranks_.rank() != 0) return;
      const std::string content = to_text(manifest_);
      manifest.emplace(folder_ / kManifestName, Writers::one);
      manifest->write(0, std::as_bytes(std::span(content)));
      manifest->finish(content.size());
      // Everything is on the disk under temporary names: what follows only removes and renames. Until the new manifest
      // stands the folder holds no data set, and every single step is atomic.
      remove(folder_ / kManifestName);
    });
    agree(ranks_, [&] {
      for (const auto& shard : complete_) shard->publish();  // over an old shard of the same name
    });
    agree(ranks_, [&] {
      if (ranks_.rank() != 0) return;
      manifest->publish();
      remove_other_shards();
      sync_folder(folder_);
    });
  }

 private:
  // What every rank has written, in the order of the shards.
  void gather_shards() {
    std::vector<std::uint64_t> mine;
    for (const auto& shard : complete_) {
      const ShardHeader& header = shard->header();
      mine.insert(mine.end(),
                  {header.shard, header.first_sample, header.samples, header.chunk_samples, header.checksum});
    }
    manifest_.shards.clear();
    manifest_.shards.reserve(plan_.shards);
    for (const std::vector<std::uint64_t>& numbers : ranks_.all_gather(mine))
      for (std::size_t i = 0; i + 4 < numbers.size(); i += 5)
        manifest_.shards.push_back({.file = shard_file_name(numbers[i], plan_.shards),
                                    .first_sample = numbers[i + 1],
                                    .samples = numbers[i + 2],
                                    .chunk_samples = numbers[i + 3],
                                    .checksum = static_cast<std::uint32_t>(numbers[i + 4])});
  }

  static void remove(const fs::path& file) {
    std::error_code error;
    fs::remove(file, error);
    if (error) throw DataError(fmt::format("{}: cannot be removed: {}", file.string(), error.message()));
  }

  // Shards of the data set that was here before.
  void remove_other_shards() const {
    for (const fs::path& file : shards_in(folder_)) {
      const auto is_new = [&](const ManifestShard& shard) { return file.filename() == shard.file; };
      if (std::none_of(manifest_.shards.begin(), manifest_.shards.end(), is_new)) remove(file);
    }
  }

  void open_shard() {
    const std::uint64_t index = own_shards_.first + complete_.size();
    current_ = std::make_unique<ShardWriter>(folder_ / shard_file_name(index, plan_.shards),
                                             shard_of_plan(plan_, index, folder_));
    chunk_index_ = 0;
  }

  void close_shard() {
    current_->finish();
    complete_.push_back(std::move(current_));
  }

  // Moves samples from `first` on, at most `count`, into the chunk being filled, and writes it once it is full. Returns
  // how many.
  std::uint64_t fill_chunk(std::uint64_t first, std::uint64_t count, std::span<const std::span<const std::byte>> data,
                           std::span<const SparseRows> sparse) {
    if (current_ == nullptr) open_shard();
    const std::uint64_t wanted = current_->header().samples_in_chunk(chunk_index_);
    const std::uint64_t taken = std::min(count, wanted - chunk_.samples);
    for (std::size_t f = 0; f < data.size(); ++f) {
      const Field& field = plan_.fields[f];
      if (field.sparse) {
        append_rows(sparse[f], first, taken, size_of(field.dtype), chunk_.sparse[f]);
        continue;
      }
      const auto piece = data[f].subspan(first * field.sample_bytes(), taken * field.sample_bytes());
      chunk_.data[f].insert(chunk_.data[f].end(), piece.begin(), piece.end());
    }
    chunk_.samples += taken;
    received_ += taken;
    if (chunk_.samples == wanted) write_chunk();
    return taken;
  }

  void write_chunk() {
    for (std::size_t f = 0; f < plan_.fields.size(); ++f) {
      if (plan_.fields[f].sparse)
        current_->write_sparse_chunk(chunk_index_, f, chunk_.sparse[f]);
      else
        current_->write_chunk(chunk_index_, f, chunk_.data[f]);
    }
    chunk_.clear();
    if (++chunk_index_ == current_->header().chunks()) close_shard();
  }

  void require_rows(const Field& field, std::uint64_t samples, const SparseRows& rows) const {
    if (rows.row_ends.size() != samples)
      throw InvalidArgument(
          fmt::format("sparse field '{}': {} rows are not {} samples", field.name, rows.row_ends.size(), samples));
    if (const InvalidRow invalid = describe_invalid_rows(rows, field); !invalid.what.empty())
      throw DataError(fmt::format("{}: sample {}: field '{}': {}", folder_.string(),
                                  own_samples_.first + received_ + invalid.row, field.name, invalid.what));
  }

  void require_labels(std::uint64_t samples, std::span<const std::span<const std::byte>> data) const {
    if (plan_.classes == 0) return;
    for (std::size_t f = 0; f < data.size(); ++f) {
      const Field& field = plan_.fields[f];
      if (field.name != kLabelField) continue;
      const std::size_t bad = first_bad_label(field, data[f], plan_.classes);
      if (bad < samples)
        throw DataError(fmt::format("{}: sample {}: label {} is not in 0 .. {}", folder_.string(),
                                    own_samples_.first + received_ + bad, label_text(field, data[f], bad),
                                    plan_.classes - 1));
    }
  }

  Ranks& ranks_;
  fs::path folder_;
  DatasetPlan plan_;
  Range own_shards_;
  Range own_samples_;
  std::optional<FolderLock> lock_;  // of rank 0
  Manifest manifest_;
  std::vector<std::unique_ptr<ShardWriter>> complete_;  // closed, under their temporary names
  std::unique_ptr<ShardWriter> current_;
  std::uint64_t received_ = 0;
  std::uint64_t chunk_index_ = 0;
  SampleBlock chunk_;  // being filled
};

DatasetWriter::DatasetWriter(const std::filesystem::path& folder, const DatasetPlan& plan, Ranks& ranks,
                             std::optional<FolderLock> lock)
    : impl_(std::make_unique<Impl>(folder, plan, ranks, std::move(lock))) {}

DatasetWriter::~DatasetWriter() = default;

void DatasetWriter::append(std::uint64_t samples, std::span<const std::span<const std::byte>> data) {
  impl_->append(samples, data, {});
}

void DatasetWriter::append(const SampleBlock& block) {
  const std::vector<std::span<const std::byte>> data(block.data.begin(), block.data.end());
  impl_->append(block.samples, data, block.sparse);
}

Range DatasetWriter::own_samples() const noexcept { return impl_->own_samples(); }

void DatasetWriter::finish(std::size_t classes) { impl_->finish(classes); }

}  // namespace tutti::io
