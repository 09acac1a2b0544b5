#include <tutti/io/importers/idx.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <vector>

#include <tutti/io/dataset_writer.hpp>
#include <tutti/io/importers/byte_source.hpp>
#include <tutti/kernels/dtype.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti::io {

namespace {

namespace fs = std::filesystem;

// Reads one IDX file in order.
class IdxReader {
 public:
  explicit IdxReader(fs::path file) : source_(std::move(file)) { read_header(); }

  DType dtype() const { return dtype_; }
  std::uint64_t samples() const { return samples_; }
  const std::vector<std::size_t>& shape() const { return shape_; }  // of one sample
  std::size_t sample_bytes() const {
    std::size_t bytes = size_of(dtype_);
    for (const std::size_t extent : shape_) bytes *= extent;
    return bytes;
  }

  // The next samples, in the byte order of this machine.
  std::vector<std::byte> read(std::uint64_t samples) {
    std::vector<std::byte> bytes = read_bytes(samples * sample_bytes());
    const std::size_t size = size_of(dtype_);
    if (size > 1)
      for (std::size_t i = 0; i < bytes.size(); i += size) std::reverse(bytes.data() + i, bytes.data() + i + size);
    return bytes;
  }

  void require_end() {
    if (!source_.take(1).empty()) fail("is longer than its header says");
  }

  [[noreturn]] void fail(const std::string& what) const { source_.fail(what); }

 private:
  std::vector<std::byte> read_bytes(std::uint64_t count) {
    std::vector<std::byte> bytes = source_.take(count);
    if (bytes.size() < count) fail("is truncated");
    return bytes;
  }

  static std::uint32_t big_endian(std::span<const std::byte> bytes) {
    std::uint32_t value = 0;
    for (const std::byte b : bytes) value = (value << 8) | std::to_integer<std::uint32_t>(b);
    return value;
  }

  void read_header() {
    const std::vector<std::byte> start = source_.take(4);
    if (start.empty()) fail("is empty");
    if (start.size() < 4) fail("is truncated");
    require_magic(start);
    const std::uint32_t dimensions = std::to_integer<std::uint32_t>(start[3]);
    samples_ = big_endian(read_bytes(4));
    if (samples_ == 0) fail("holds no samples");
    std::uint64_t elements = 1;
    for (std::uint32_t d = 1; d < dimensions; ++d) {
      shape_.push_back(big_endian(read_bytes(4)));
      elements *= shape_.back();
      if (elements == 0 || elements > (std::uint64_t{1} << 32)) fail("has samples of no or of absurd size");
    }
    require_room(4 + 4 * std::uint64_t{dimensions});
  }

  void require_magic(std::span<const std::byte> start) {
    const std::uint32_t magic = big_endian(start);
    if ((magic >> 16) == 0x1f8b) fail("is compressed twice");
    if ((magic >> 16) != 0 || (magic & 0xff) == 0) {
      const std::string letters(reinterpret_cast<const char*>(start.data()), start.size());
      const bool readable = std::all_of(letters.begin(), letters.end(), [](char c) { return c >= ' ' && c <= '~'; });
      fail(fmt::format("is not an IDX file (it starts with {:08x}{})", magic,
                       readable ? fmt::format(", \"{}\"", letters) : ""));
    }
    switch ((magic >> 8) & 0xff) {
      case 0x08:
        dtype_ = DType::u8;
        break;
      case 0x09:
        dtype_ = DType::i8;
        break;
      case 0x0B:
        dtype_ = DType::i16;
        break;
      case 0x0C:
        dtype_ = DType::i32;
        break;
      case 0x0D:
        dtype_ = DType::f32;
        break;
      case 0x0E:
        dtype_ = DType::f64;
        break;
      default:
        fail(fmt::format("has the unknown IDX type code {:02x}", (magic >> 8) & 0xff));
    }
  }

  // A header may claim anything; what the file cannot hold is refused before memory or disk is claimed for it.
  void require_room(std::uint64_t header_bytes) {
    if (!source_.most_bytes()) return;
    const std::uint64_t room = *source_.most_bytes() - std::min(*source_.most_bytes(), header_bytes);
    if (samples_ > room / sample_bytes())
      fail(fmt::format("is truncated: its header says {} samples of {} bytes", samples_, sample_bytes()));
  }

  ByteSource source_;
  DType dtype_ = DType::u8;
  std::uint64_t samples_ = 0;
  std::vector<std::size_t> shape_;
};

template <class T>
std::int64_t load(const std::byte* bytes) {
  T value{};
  std::memcpy(&value, bytes, sizeof(T));
  return value;
}

std::int64_t load_label(DType dtype, const std::byte* bytes) {
  switch (dtype) {
    case DType::u8:
      return load<std::uint8_t>(bytes);
    case DType::i8:
      return load<std::int8_t>(bytes);
    case DType::i16:
      return load<std::int16_t>(bytes);
    default:
      return load<std::int32_t>(bytes);
  }
}

// Up to so many classes are believed without as many samples.
constexpr std::size_t kPlausibleClasses = 10000;

// All labels, checked: their largest value decides the number of classes before the first shard is written.
std::vector<std::int64_t> read_labels(IdxReader& file, std::size_t& classes) {
  if (!file.shape().empty())
    file.fail("has more than one label per sample (were the files of images and labels exchanged?)");
  if (is_floating(file.dtype())) file.fail("has labels that are no integers");
  const std::vector<std::byte> bytes = file.read(file.samples());
  file.require_end();
  std::vector<std::int64_t> labels(file.samples());
  for (std::size_t i = 0; i < labels.size(); ++i)
    labels[i] = load_label(file.dtype(), bytes.data() + i * file.sample_bytes());
  if (classes == 0) {
    const auto largest = std::max_element(labels.begin(), labels.end());
    classes = *largest < 0 ? 1 : static_cast<std::size_t>(*largest) + 1;
    if (classes > std::max<std::size_t>(kPlausibleClasses, labels.size()))
      file.fail(
          fmt::format("sample {}: label {} would make {} classes for {} samples; if so many are meant, say so by "
                      "--classes",
                      largest - labels.begin(), *largest, classes, labels.size()));
  }
  for (std::size_t i = 0; i < labels.size(); ++i)
    if (labels[i] < 0 || static_cast<std::uint64_t>(labels[i]) >= classes)
      file.fail(fmt::format("sample {}: label {} is not in 0 .. {}", i, labels[i], classes - 1));
  return labels;
}

std::string folder_name(const fs::path& folder) {
  const fs::path normal = fs::absolute(folder).lexically_normal();
  return (normal.has_filename() ? normal : normal.parent_path()).filename().string();
}

}  // namespace

void import_idx(const IdxImport& import) {
  if (import.folder.empty()) throw InvalidArgument("the name of the new data set's folder is empty");
  IdxReader images(import.images);
  IdxReader label_file(import.labels);
  if (images.samples() != label_file.samples())
    images.fail(fmt::format("holds {} samples, but {} holds {} labels", images.samples(), import.labels.string(),
                            label_file.samples()));
  std::vector<std::size_t> shape = images.shape();
  if (shape.size() == 2) shape.insert(shape.begin(), 1);
  if (shape.size() != 3)
    images.fail(fmt::format("has samples of {} dimensions; images have 2 or 3{}", images.shape().size(),
                            images.shape().empty() ? " (were the files of images and labels exchanged?)" : ""));
  std::size_t classes = import.classes;
  const std::vector<std::int64_t> labels = read_labels(label_file, classes);

  DatasetWriter writer(import.folder, {.name = import.name.empty() ? folder_name(import.folder) : import.name,
                                       .fields = {{"image", images.dtype(), shape}, {"label", DType::i64, {}}},
                                       .samples = images.samples(),
                                       .shards = import.shards,
                                       .classes = classes,
                                       .replace = import.replace,
                                       .chunk_samples = import.chunk_samples});
  const std::size_t sample_bytes = images.sample_bytes();
  const std::uint64_t step = std::max<std::uint64_t>(1, (std::uint64_t{1} << 20) / sample_bytes);
  for (std::uint64_t first = 0; first < images.samples();) {
    const std::uint64_t count = std::min(step, images.samples() - first);
    const std::vector<std::byte> pixels = images.read(count);
    const std::array<std::span<const std::byte>, 2> data{pixels,
                                                         std::as_bytes(std::span(labels).subspan(first, count))};
    writer.append(count, data);
    first += count;
  }
  images.require_end();
  writer.finish();
}

}  // namespace tutti::io
