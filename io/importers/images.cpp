#include <tutti/io/importers/images.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <tutti/io/importers/byte_source.hpp>
#include <tutti/io/importers/label_field.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::io {

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMostFileBytes = std::uint64_t{1} << 28;

// What is in a folder, sorted by name; hidden files are not.
std::vector<fs::directory_entry> list(const fs::path& folder) {
  std::error_code error;
  fs::directory_iterator entries(folder, error);
  std::vector<fs::directory_entry> listed;
  for (; !error && entries != fs::directory_iterator(); entries.increment(error))
    if (entries->path().filename().native().front() != '.') listed.push_back(*entries);
  if (error)
    throw DataError(fmt::format("{}: cannot be read as a folder: {}", ByteSource::name_of(folder), error.message()));
  std::sort(listed.begin(), listed.end(),
            [](const auto& a, const auto& b) { return a.path().filename().native() < b.path().filename().native(); });
  return listed;
}

// What an entry is, through links. Whatever is no folder has to be a file: from a pipe nothing might ever come.
bool is_folder(const fs::directory_entry& entry) {
  std::error_code error;
  const fs::file_type type = entry.status(error).type();
  if (type == fs::file_type::directory) return true;
  if (type == fs::file_type::regular) return false;
  throw DataError(fmt::format("{}: is no file{}{}", ByteSource::name_of(entry.path()), error ? ": " : "",
                              error ? error.message() : ""));
}

class ImageSource final : public SampleSource {
 public:
  explicit ImageSource(const ImageFolder& images) : options_(images.pictures), skip_damaged_(images.skip_damaged) {
    if (options_.channels != 1 && options_.channels != 3)
      throw InvalidArgument(fmt::format("pictures have 1 or 3 channels, not {}", options_.channels));
    if (options_.height == 0 && options_.fit == PictureFit::crop)
      throw InvalidArgument("pictures can be cropped only to a size that is stated");
    find_pictures(images.folder);
    classes_ = ClassLabels(images.classes > 0 ? images.classes : names_.size());
    if (options_.height == 0) take_size_of_first();
    fields_ = {{"image", DType::u8, {options_.channels, options_.height, options_.width}}, class_label_field()};
  }

  const std::vector<Field>& fields() const override { return fields_; }
  std::optional<std::uint64_t> samples() const override {
    return skip_damaged_ ? std::nullopt : std::optional<std::uint64_t>(files_.size());
  }
  const ClassLabels* labels() const override { return &classes_; }
  std::vector<std::string> class_names() const override {
    return classes_.classes() == names_.size() ? names_ : std::vector<std::string>{};
  }

  void skip_to(std::uint64_t first) override { next_ = first; }

  std::uint64_t read(std::uint64_t most, SampleBlock& block) override {
    constexpr std::size_t kStepBytes = std::size_t{1} << 22;
    const std::uint64_t step =
        std::min<std::uint64_t>(most, std::max<std::uint64_t>(1, kStepBytes / fields_[0].sample_bytes()));
    std::uint64_t count = 0;
    for (; count < step && next_ < files_.size(); ++next_)
      if (append(files_[next_], block)) ++count;
    block.samples += count;
    return count;
  }

  std::vector<std::string> notes(Ranks& ranks) override {
    std::uint64_t turned = 0;
    for (const auto& numbers : ranks.all_gather({turned_})) turned += numbers[0];
    std::vector<std::string> notes = skipped_;
    if (!skipped_.empty())
      notes.push_back(fmt::format("{} of {} pictures were left out", skipped_.size(), files_.size()));
    if (turned > 0)
      notes.push_back(fmt::format("{} pictures have an EXIF orientation, which was {}", turned,
                                  options_.apply_orientation ? "applied" : "not applied (--exif-orientation apply)"));
    return notes;
  }

  std::uint64_t bytes_read() const override { return bytes_; }
  std::optional<std::uint64_t> bytes_total() const override { return std::nullopt; }

 private:
  struct File {
    fs::path path;
    std::size_t label = 0;
  };

  void find_pictures(const fs::path& folder) {
    for (const fs::directory_entry& entry : list(folder)) {
      if (!is_folder(entry))
        throw DataError(fmt::format("{}: lies beside the folders of classes; only folders may be in {}",
                                    ByteSource::name_of(entry.path()), folder.string()));
      const std::string name = entry.path().filename().string();
      if (!is_utf8(name))
        throw DataError(fmt::format("{}: the name of the folder '{}', a class, is not valid UTF-8", folder.string(),
                                    printable(name)));
      for (const fs::directory_entry& file : list(entry.path())) {
        if (is_folder(file))
          throw DataError(fmt::format("{}: is a folder within that of a class; only pictures may be there",
                                      ByteSource::name_of(file.path())));
        files_.push_back({file.path(), names_.size()});
      }
      names_.push_back(name);
    }
    if (files_.empty())
      throw DataError(fmt::format("{}: holds no folders of pictures, one per class", folder.string()));
  }

  std::optional<Picture> decode(const fs::path& file) {
    ByteSource source(file);
    const std::vector<std::byte> bytes = source.take(kMostFileBytes);
    if (bytes.size() == kMostFileBytes) source.fail(fmt::format("is no picture: {} bytes and more", kMostFileBytes));
    bytes_ += bytes.size();
    const std::string place = ByteSource::name_of(file);
    if (!skip_damaged_) return decode_picture(bytes, place);
    try {
      return decode_picture(bytes, place);
    } catch (const DataError& error) {
      skipped_.push_back(fmt::format("left out: {}", error.what()));
      return std::nullopt;
    }
  }

  void take_size_of_first() {
    for (const File& file : files_) {
      std::optional<Picture> picture = decode(file.path);
      if (!picture) continue;
      const bool swapped = options_.apply_orientation && picture->orientation >= 5;
      options_.height = swapped ? picture->width : picture->height;
      options_.width = swapped ? picture->height : picture->width;
      break;
    }
    if (options_.height == 0)
      throw DataError(fmt::format("{}: cannot be decoded, nor any other", ByteSource::name_of(files_[0].path)));
    skipped_.clear();
    bytes_ = 0;
  }

  bool append(const File& file, SampleBlock& block) {
    std::optional<Picture> picture = decode(file.path);
    if (!picture) return false;
    if (picture->orientation > 1) ++turned_;
    const std::vector<std::byte> pixels = fit_picture(std::move(*picture), options_, ByteSource::name_of(file.path));
    block.data[0].insert(block.data[0].end(), pixels.begin(), pixels.end());
    const auto label = static_cast<std::int64_t>(file.label);
    classes_.see(label, [&] { return ByteSource::name_of(file.path); });
    const auto bytes = std::as_bytes(std::span(&label, 1));
    block.data[1].insert(block.data[1].end(), bytes.begin(), bytes.end());
    return true;
  }

  PictureOptions options_;
  bool skip_damaged_;
  std::vector<File> files_;
  std::vector<std::string> names_;  // of the classes
  ClassLabels classes_;
  std::vector<Field> fields_;
  std::uint64_t next_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t turned_ = 0;  // pictures with an orientation
  std::vector<std::string> skipped_;
};

}  // namespace

std::unique_ptr<SampleSource> open_images(const ImageFolder& images) { return std::make_unique<ImageSource>(images); }

}  // namespace tutti::io
