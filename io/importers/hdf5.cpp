#include <tutti/io/importers/hdf5.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <tutti/io/detail/hdf5.hpp>
#include <tutti/io/importers/hdf5_array.hpp>
#include <tutti/io/importers/label_field.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti::io {

namespace {

namespace fs = std::filesystem;

// Class labels are converted and checked, so they are copied.
bool is_linked(const Hdf5Files& files, const Hdf5Files::Array& array) {
  return files.in_place && array.field != class_label_field().name;
}

// A file and the datasets of it that are wanted.
struct OpenHdf5 {
  OpenHdf5(const fs::path& path, const Hdf5Files& files) : file(path) {
    const std::vector<Hdf5Files::Array>& wanted = files.arrays;
    arrays.reserve(wanted.size());
    for (const Hdf5Files::Array& array : wanted) {
      if (is_linked(files, array))
        add_linked(array.dataset);
      else
        add_copied(array.dataset);
    }
    for (std::size_t i = 1; i < arrays.size(); ++i)
      if (arrays[i]->samples() != arrays[0]->samples())
        throw DataError(fmt::format("{}: dataset '{}' holds {} samples, but '{}' holds {}", path.string(),
                                    wanted[i].dataset, arrays[i]->samples(), wanted[0].dataset, arrays[0]->samples()));
  }

  void add_copied(const std::string& dataset) {
    if (!root.valid()) root = h5::open_read_only(file);
    arrays.push_back(std::make_unique<Hdf5Array>(root.get(), file, dataset));
  }

  void add_linked(const std::string& dataset) {
    if (!linked) linked.emplace(bytes.emplace(file));
    auto array = std::make_unique<LinkedArray>(*linked, *bytes, dataset);
    together.push_back(array->samples_together());
    arrays.push_back(std::move(array));
  }

  fs::path file;
  h5::Id root;                        // for what is copied
  std::optional<ReadOnlyFile> bytes;  // for what is linked
  std::optional<LinkedFile> linked;
  std::vector<std::uint64_t> together;  // of the linked ones
  std::vector<std::unique_ptr<SampleArray>> arrays;
};

// Samples per group, so that groups hold whole chunks of all datasets: unless a group became large.
std::uint64_t joined_groups(const std::vector<std::uint64_t>& together, std::uint64_t sample_bytes) {
  constexpr std::uint64_t kMostBytes = std::uint64_t{4} << 20;
  const std::uint64_t largest = *std::max_element(together.begin(), together.end());
  std::uint64_t joined = 1;
  for (const std::uint64_t samples : together) {
    joined = std::lcm(joined, samples);
    if (joined > kMostBytes / sample_bytes) return largest;
  }
  return joined;
}

class Hdf5Source final : public SampleSource {
 public:
  explicit Hdf5Source(const Hdf5Files& files) : files_(files), classes_(files.classes) {
    if (files.files.empty()) throw InvalidArgument("no HDF5 file is given");
    if (files.arrays.empty()) throw InvalidArgument("no dataset of the HDF5 files is named as a field");
    if (files.in_place) begin_links();
    const h5::Session session;
    for (const fs::path& path : files.files) {
      const OpenHdf5 file(path, files_);
      std::vector<Field> fields;
      for (std::size_t i = 0; i < file.arrays.size(); ++i) {
        if (!file.arrays[i]->surely_written()) note_reserved(counts_.size(), i);
        fields.push_back({files.arrays[i].field, file.arrays[i]->dtype(), file.arrays[i]->shape()});
      }
      if (stored_.empty()) stored_ = fields;
      for (std::size_t i = 0; i < fields.size(); ++i)
        if (fields[i] != stored_[i])
          throw DataError(fmt::format("{}: dataset '{}' has samples of another type or shape than in {}", path.string(),
                                      files.arrays[i].dataset, files.files[0].string()));
      counts_.push_back(file.arrays[0]->samples());
      samples_ += counts_.back();
      if (!links_) continue;
      std::uint64_t bytes = 0;
      for (const Field& field : stored_) bytes += field.sample_bytes();
      links_->files.push_back({path, counts_.back(), joined_groups(file.together, bytes)});
    }
    for (const Field& field : stored_) {
      sample_bytes_ += field.sample_bytes();
      if (holds_class_labels(field, place(0, fields_.size()))) label_ = fields_.size();
      fields_.push_back(label_ == fields_.size() ? class_label_field() : field);
    }
  }

  ~Hdf5Source() override {
    const h5::Session session;
    open_.reset();
  }
  Hdf5Source(const Hdf5Source&) = delete;
  Hdf5Source& operator=(const Hdf5Source&) = delete;

  const std::vector<Field>& fields() const override { return fields_; }
  std::optional<std::uint64_t> samples() const override { return samples_; }
  const ClassLabels* labels() const override { return label_ ? &classes_ : nullptr; }
  const DatasetLinks* links() const override { return links_ ? &*links_ : nullptr; }

  void skip_to(std::uint64_t first) override {
    done_ = first;
    while (file_ < counts_.size() && first >= counts_[file_]) first -= counts_[file_++];
    next_ = first;
  }

  std::uint64_t read(std::uint64_t most, SampleBlock& block) override {
    const h5::Session session;
    while (file_ < counts_.size() && next_ == counts_[file_]) {
      open_.reset();
      ++file_;
      next_ = 0;
    }
    if (file_ == counts_.size()) return 0;
    if (!open_) open_.emplace(files_.files[file_], files_);
    if (open_->arrays[0]->samples() != counts_[file_])
      throw DataError(fmt::format("{}: has changed while it was imported", open_->file.string()));
    constexpr std::uint64_t kStepBytes = std::uint64_t{1} << 20;
    const std::uint64_t count =
        std::min({most, std::max<std::uint64_t>(1, kStepBytes / sample_bytes_), counts_[file_] - next_});
    for (std::size_t f = 0; f < fields_.size(); ++f) {
      if (label_ == f)
        read_labels(f, count, block.data[f]);
      else
        open_->arrays[f]->read(next_, count, block.data[f]);
    }
    block.samples += count;
    next_ += count;
    done_ += count;
    return count;
  }

  std::vector<std::string> notes(Ranks& /*ranks*/) override {
    std::vector<std::string> notes;
    if (reserved_ > 0)
      notes.push_back(fmt::format(
          "{}{}: space was reserved when the dataset was created; what was never written since, if anything, "
          "is read as zeros or the fill value",
          first_reserved_, reserved_ == 1 ? "" : fmt::format(" and {} more", reserved_ - 1)));
    return notes;
  }

  std::uint64_t bytes_read() const override { return done_ * sample_bytes_; }
  std::optional<std::uint64_t> bytes_total() const override { return samples_ * sample_bytes_; }

 private:
  std::string place(std::size_t file, std::size_t array) const {
    return fmt::format("{}: dataset '{}'", files_.files[file].string(), files_.arrays[array].dataset);
  }

  void begin_links() {
    links_.emplace();
    links_->datasets.reserve(files_.arrays.size());
    bool any = false;
    for (const Hdf5Files::Array& array : files_.arrays) {
      any = any || is_linked(files_, array);
      links_->datasets.push_back(is_linked(files_, array) ? array.dataset : "");
    }
    if (!any) throw InvalidArgument("--in-place: there is no field but the labels, which are copied");
  }

  void note_reserved(std::size_t file, std::size_t array) {
    if (reserved_++ == 0) first_reserved_ = place(file, array);
  }

  void read_labels(std::size_t field, std::uint64_t count, std::vector<std::byte>& out) {
    std::vector<std::byte> found;
    open_->arrays[field]->read(next_, count, found);
    append_class_labels(
        stored_[field].dtype, found, classes_,
        [&](std::size_t i) { return fmt::format("{}, sample {}", place(file_, field), next_ + i); }, out);
  }

  Hdf5Files files_;
  std::vector<Field> stored_;  // as the files have them
  std::vector<Field> fields_;
  std::optional<std::size_t> label_;  // the field of class labels
  ClassLabels classes_;
  std::optional<DatasetLinks> links_;  // if samples stay where they are
  std::vector<std::uint64_t> counts_;  // samples per file
  std::uint64_t samples_ = 0;
  std::uint64_t sample_bytes_ = 0;
  std::uint64_t reserved_ = 0;  // datasets whose space was reserved, of all files
  std::string first_reserved_;
  std::size_t file_ = 0;
  std::uint64_t next_ = 0;  // in the file
  std::uint64_t done_ = 0;
  std::optional<OpenHdf5> open_;
};

}  // namespace

std::unique_ptr<SampleSource> open_hdf5(const Hdf5Files& files) { return std::make_unique<Hdf5Source>(files); }

}  // namespace tutti::io
