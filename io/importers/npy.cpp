#include <tutti/io/importers/npy.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include <tutti/io/importers/label_field.hpp>
#include <tutti/io/importers/npy_array.hpp>
#include <tutti/io/importers/zip.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/names.hpp>

namespace tutti::io {

namespace {

constexpr std::string_view kEnding = ".npy";
constexpr std::uint64_t kStepBytes = std::uint64_t{1} << 20;
constexpr std::uint64_t kColumnStepBytes = std::uint64_t{1} << 24;

std::string array_name(const ZipMember& member) {
  std::string name = member.name;
  if (name.size() > kEnding.size() && std::string_view(name).substr(name.size() - kEnding.size()) == kEnding)
    name.resize(name.size() - kEnding.size());
  return name;
}

const ZipMember& find_array(const ZipFile& archive, const std::string& name) {
  const auto found = std::find_if(archive.members().begin(), archive.members().end(), [&](const ZipMember& member) {
    return member.name == name || array_name(member) == name;
  });
  if (found != archive.members().end()) return *found;
  throw DataError(archive.file().string() + ": " +
                  unknown_name("array", name, names_of(archive.members(), array_name)));
}

class NpySource final : public SampleSource {
 public:
  explicit NpySource(const NpyFiles& files) : classes_(files.classes) {
    files.npz.empty() ? open_files(files) : open_archive(files);
    for (const Array& array : arrays_) {
      if (array.data.samples() != samples_)
        throw DataError(fmt::format("{}: holds {} samples, but {} holds {}", array.data.place(), array.data.samples(),
                                    arrays_[0].data.place(), samples_));
      step_ = std::min(step_, std::max<std::uint64_t>(1, array.step_bytes / array.data.sample_bytes()));
    }
  }

  const std::vector<Field>& fields() const override { return fields_; }
  std::optional<std::uint64_t> samples() const override { return samples_; }
  const ClassLabels* labels() const override { return label_ ? &classes_ : nullptr; }

  void skip_to(std::uint64_t first) override {
    for (Array& array : arrays_) array.data.skip(first);
    next_ = first;
  }

  std::uint64_t read(std::uint64_t most, SampleBlock& block) override {
    const std::uint64_t count = std::min({most, step_, samples_ - next_});
    for (std::size_t f = 0; f < arrays_.size(); ++f) {
      NpyArray& data = arrays_[f].data;
      if (count == 0) {
        data.require_end();
        continue;
      }
      if (label_ != f) {
        data.read(count, block.data[f]);
        continue;
      }
      std::vector<std::byte> found;
      data.read(count, found);
      append_class_labels(
          data.dtype(), found, classes_,
          [&](std::size_t i) { return fmt::format("{}: sample {}", data.place(), next_ + i); }, block.data[f]);
    }
    block.samples += count;
    next_ += count;
    return count;
  }

  std::uint64_t bytes_read() const override { return next_ * sample_bytes_; }
  std::optional<std::uint64_t> bytes_total() const override { return samples_ * sample_bytes_; }

 private:
  struct Array {
    NpyArray data;
    std::uint64_t step_bytes;
  };

  void open_files(const NpyFiles& files) {
    if (files.arrays.empty()) throw InvalidArgument("neither NPY files nor an NPZ file is given");
    for (const NpyFiles::Array& array : files.arrays) add(array.field, NpyArray(array.from));
  }

  void open_archive(const NpyFiles& files) {
    const auto archive = std::make_shared<const ZipFile>(files.npz);
    if (archive->members().empty()) throw DataError(fmt::format("{}: holds no arrays", files.npz.string()));
    for (const NpyFiles::Array& array : files.arrays)
      add(array.field, NpyArray(archive, find_array(*archive, array.from)));
    if (!files.arrays.empty()) return;
    for (const ZipMember& member : archive->members()) add(array_name(member), NpyArray(archive, member));
  }

  void add(const std::string& name, NpyArray array) {
    Field field{name, array.dtype(), array.shape()};
    if (holds_class_labels(field, array.place())) {
      label_ = arrays_.size();
      field = class_label_field();
    }
    fields_.push_back(std::move(field));
    sample_bytes_ += array.sample_bytes();
    if (arrays_.empty()) samples_ = array.samples();
    const std::uint64_t step = array.in_columns() ? kColumnStepBytes : kStepBytes;
    arrays_.push_back({std::move(array), step});
  }

  std::vector<Array> arrays_;
  std::vector<Field> fields_;
  std::optional<std::size_t> label_;  // the field of class labels
  ClassLabels classes_;
  std::uint64_t samples_ = 0;
  std::uint64_t sample_bytes_ = 0;
  std::uint64_t step_ = 4096;  // samples read at once
  std::uint64_t next_ = 0;
};

}  // namespace

std::unique_ptr<SampleSource> open_npy(const NpyFiles& files) { return std::make_unique<NpySource>(files); }

}  // namespace tutti::io
