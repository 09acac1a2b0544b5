#include <tutti/io/importers/tfrecord.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include <tutti/io/importers/byte_source.hpp>
#include <tutti/io/importers/example.hpp>
#include <tutti/io/importers/label_field.hpp>
#include <tutti/io/importers/tf_records.hpp>
#include <tutti/kernels/dtype.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::io {

namespace {

namespace fs = std::filesystem;

using Kind = ExampleFeature::Kind;

const char* name_of(Feature::Kind kind) {
  switch (kind) {
    case Feature::Kind::bytes:
      return "a list of bytes";
    case Feature::Kind::floats:
      return "a list of floats";
    case Feature::Kind::integers:
      return "a list of integers";
    default:
      return "nothing";
  }
}

Feature::Kind wanted_kind(const ExampleFeature& feature) {
  if (feature.kind != Kind::values) return Feature::Kind::bytes;
  return feature.field.dtype == DType::f32 ? Feature::Kind::floats : Feature::Kind::integers;
}

class TfRecordSource final : public SampleSource {
 public:
  explicit TfRecordSource(const TfRecordFiles& files)
      : files_(files.files), features_(files.features), pictures_(files.pictures), classes_(files.classes) {
    if (files_.empty()) throw InvalidArgument("no TFRecord file is given");
    if (features_.empty()) throw InvalidArgument("no feature of the examples is named");
    if (pictures_.height == 0 && pictures_.fit == PictureFit::crop)
      throw InvalidArgument("pictures can be cropped only to a size that is stated");
    survey_records();
    if (pictures_.height == 0 && std::any_of(features_.begin(), features_.end(), is_picture)) take_size_of_first();
    for (std::size_t f = 0; f < features_.size(); ++f) {
      Field& field = features_[f].field;
      if (is_picture(features_[f])) field.shape = {pictures_.channels, pictures_.height, pictures_.width};
      if (holds_class_labels(field, fmt::format("{}: feature '{}'", files_[0].string(), features_[f].key))) label_ = f;
      fields_.push_back(label_ == f ? class_label_field() : field);
    }
  }

  const std::vector<Field>& fields() const override { return fields_; }
  std::optional<std::uint64_t> samples() const override { return samples_; }
  const ClassLabels* labels() const override { return label_ ? &classes_ : nullptr; }

  void skip_to(std::uint64_t first) override {
    for (; first > 0 && (open_ || open_next()); --first)
      while (!open_->skip()) {
        bytes_ += open_->bytes();
        if (!open_next()) return;
      }
  }

  std::uint64_t read(std::uint64_t most, SampleBlock& block) override {
    constexpr std::uint64_t kRecordStepBytes = std::uint64_t{1} << 20;
    std::uint64_t count = 0;
    for (std::uint64_t bytes = 0; count < most && bytes < kRecordStepBytes && (open_ || open_next());) {
      const std::optional<std::vector<std::byte>> record = open_->read();
      if (!record) {
        bytes_ += open_->bytes();
        open_.reset();
        continue;
      }
      append(*record, block);
      bytes += record->size();
      ++count;
    }
    block.samples += count;
    return count;
  }

  std::uint64_t bytes_read() const override { return bytes_ + (open_ ? open_->bytes() : 0); }
  std::optional<std::uint64_t> bytes_total() const override { return bytes_total_; }

 private:
  static bool is_picture(const ExampleFeature& feature) { return feature.kind == Kind::picture; }

  // Hops over the records of plain files to count them.
  void survey_records() {
    if (!std::all_of(files_.begin(), files_.end(), ByteSource::may_open_twice)) return;
    std::uint64_t samples = 0;
    std::uint64_t bytes = 0;
    for (const fs::path& file : files_) {
      TfRecordReader reader(file);
      if (!reader.can_skip()) return;
      while (reader.skip()) continue;
      samples += reader.records();
      bytes += reader.bytes();
    }
    samples_ = samples;
    bytes_total_ = bytes;
  }

  bool open_next() {
    open_.reset();
    if (next_file_ == files_.size()) return false;
    open_ = std::make_unique<TfRecordReader>(files_[next_file_++]);
    return true;
  }

  void take_size_of_first() {
    for (const fs::path& file : files_) {
      if (!ByteSource::may_open_twice(file))
        throw InvalidArgument("a pipe is read only once: the size of its pictures must be stated (--size)");
      TfRecordReader reader(file);
      const std::optional<std::vector<std::byte>> record = reader.read();
      if (!record) continue;
      const std::vector<Feature> found = find_features(*record, reader.place());
      for (std::size_t f = 0; f < features_.size(); ++f) {
        if (!is_picture(features_[f])) continue;
        const Picture picture = decode_picture(text_of(found[f], f, reader.place()), reader.place());
        const bool swapped = pictures_.apply_orientation && picture.orientation >= 5;
        pictures_.height = swapped ? picture.width : picture.height;
        pictures_.width = swapped ? picture.height : picture.width;
        return;
      }
    }
    throw DataError(fmt::format("{}: holds no records", files_[0].string()));
  }

  // By feature of features_. Of a key that comes again the last counts.
  std::vector<Feature> find_features(std::span<const std::byte> record, const std::string& place) const {
    std::vector<Feature> found(features_.size());
    std::vector<bool> there(features_.size());
    std::string keys;
    visit_features(record, place, [&](std::string_view key, const Feature& feature) {
      if (keys.size() < 200) keys += fmt::format("{}{}", keys.empty() ? "" : ", ", printable(key));
      for (std::size_t f = 0; f < features_.size(); ++f) {
        if (key != features_[f].key) continue;
        found[f] = feature;
        there[f] = true;
      }
    });
    for (std::size_t f = 0; f < features_.size(); ++f) {
      const Feature::Kind wanted = wanted_kind(features_[f]);
      if (!there[f])
        throw DataError(
            fmt::format("{}: has no feature '{}'; it has {}", place, features_[f].key, keys.empty() ? "none" : keys));
      if (found[f].kind != wanted)
        throw DataError(fmt::format("{}: feature '{}' is {}, not {}", place, features_[f].key, name_of(found[f].kind),
                                    name_of(wanted)));
    }
    return found;
  }

  std::span<const std::byte> text_of(const Feature& feature, std::size_t f, const std::string& place) const {
    const auto texts = texts_of(feature, place);
    if (texts.size() != 1)
      throw DataError(fmt::format("{}: feature '{}' has {} texts instead of 1", place, features_[f].key, texts.size()));
    return texts[0];
  }

  void append(std::span<const std::byte> record, SampleBlock& block) {
    const std::string place = open_->place();
    const std::vector<Feature> found = find_features(record, place);
    for (std::size_t f = 0; f < features_.size(); ++f) append_field(found[f], f, place, block.data[f]);
  }

  void append_field(const Feature& feature, std::size_t f, const std::string& place, std::vector<std::byte>& out) {
    const ExampleFeature& wanted = features_[f];
    if (is_picture(wanted)) {
      const std::string where = fmt::format("{}: feature '{}'", place, wanted.key);
      const auto pixels = fit_picture(decode_picture(text_of(feature, f, place), where), pictures_, where);
      out.insert(out.end(), pixels.begin(), pixels.end());
      return;
    }
    if (wanted.kind == Kind::raw_bytes) {
      append_bytes(text_of(feature, f, place), f, place, out);
    } else if (wanted.field.dtype == DType::f32) {
      const std::vector<float> values = floats_of(feature, place);
      append_bytes(std::as_bytes(std::span(values)), f, place, out);
    } else {
      const std::vector<std::int64_t> values = integers_of(feature, place);
      append_bytes(std::as_bytes(std::span(values)), f, place, out);
    }
  }

  void append_bytes(std::span<const std::byte> bytes, std::size_t f, const std::string& place,
                    std::vector<std::byte>& out) {
    const ExampleFeature& wanted = features_[f];
    if (bytes.size() != wanted.field.sample_bytes()) {
      const std::size_t size = wanted.kind == Kind::raw_bytes ? 1 : size_of(wanted.field.dtype);
      throw DataError(fmt::format("{}: feature '{}' has {} {} instead of {}", place, wanted.key, bytes.size() / size,
                                  size == 1 ? "bytes" : "values", wanted.field.sample_bytes() / size));
    }
    if (label_ == f)
      append_class_labels(
          wanted.field.dtype, bytes, classes_, [&](std::size_t) { return place; }, out);
    else
      out.insert(out.end(), bytes.begin(), bytes.end());
  }

  std::vector<fs::path> files_;
  std::vector<ExampleFeature> features_;
  PictureOptions pictures_;
  ClassLabels classes_;
  std::vector<Field> fields_;
  std::optional<std::size_t> label_;  // the field of class labels
  std::optional<std::uint64_t> samples_;
  std::optional<std::uint64_t> bytes_total_;
  std::size_t next_file_ = 0;
  std::unique_ptr<TfRecordReader> open_;
  std::uint64_t bytes_ = 0;  // of files that have been read
};

[[noreturn]] void refuse_feature(std::string_view text, const std::string& what) {
  throw InvalidArgument(
      fmt::format("feature '{}': {}; the form is [FIELD=]KEY:TYPE[:SHAPE[:from-bytes]], as "
                  "image=image/encoded:picture or x=pixels:f32:3x32x32",
                  text, what));
}

std::vector<std::size_t> parse_shape(std::string_view shape, std::string_view text) {
  std::vector<std::size_t> extents;
  while (true) {
    std::size_t extent = 0;
    const auto [end, status] = std::from_chars(shape.data(), shape.data() + shape.size(), extent);
    if (status != std::errc{} || extent == 0 || extent > (std::size_t{1} << 30))
      refuse_feature(text, "the shape is none");
    extents.push_back(extent);
    shape.remove_prefix(static_cast<std::size_t>(end - shape.data()));
    if (shape.empty()) break;
    if (shape.front() != 'x') refuse_feature(text, "the shape is none");
    shape.remove_prefix(1);
  }
  std::uint64_t elements = 1;
  for (const std::size_t extent : extents) {
    elements *= extent;
    if (elements > (std::uint64_t{1} << 30)) refuse_feature(text, "the shape has more than 2^30 elements");
  }
  return extents;
}

}  // namespace

ExampleFeature parse_example_feature(std::string_view text) {
  ExampleFeature feature;
  std::string_view rest = text;
  if (const std::size_t sign = rest.find('='); sign != std::string_view::npos) {
    feature.field.name = rest.substr(0, sign);
    rest.remove_prefix(sign + 1);
  }
  std::vector<std::string_view> parts;
  for (std::size_t begin = 0; begin <= rest.size();) {
    const std::size_t end = std::min(rest.find(':', begin), rest.size());
    parts.push_back(rest.substr(begin, end - begin));
    begin = end + 1;
  }
  if (parts.size() < 2 || parts[0].empty()) refuse_feature(text, "a key and a type are needed");
  if (parts.size() > 4) refuse_feature(text, "it has too many parts");
  feature.key = parts[0];
  if (feature.field.name.empty()) feature.field.name = feature.key;
  if (parts[1] == "picture" || parts[1] == "png" || parts[1] == "jpeg") {
    feature.kind = Kind::picture;
    if (parts.size() > 2) refuse_feature(text, "a picture tells its shape itself");
    return feature;
  }
  feature.field.dtype = dtype_from_name(parts[1]);
  if (parts.size() > 2 && !parts[2].empty()) feature.field.shape = parse_shape(parts[2], text);
  if (parts.size() == 4) {
    if (parts[3] != "from-bytes") refuse_feature(text, "the last part can only be from-bytes");
    feature.kind = Kind::raw_bytes;
  } else if (feature.field.dtype != DType::f32 && feature.field.dtype != DType::i64) {
    refuse_feature(text, "lists hold f32 or i64; other types come from-bytes");
  }
  return feature;
}

std::unique_ptr<SampleSource> open_tfrecord(const TfRecordFiles& files) {
  return std::make_unique<TfRecordSource>(files);
}

}  // namespace tutti::io
