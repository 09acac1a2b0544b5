#include <tutti/io/importers/idx.hpp>

#include <fmt/core.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <span>
#include <system_error>
#include <vector>

#include <tutti/io/dataset_writer.hpp>
#include <tutti/kernels/dtype.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti::io {

namespace {

namespace fs = std::filesystem;

// Reads one IDX file in order. zlib's gzread passes plain files through unchanged.
class IdxReader {
 public:
  explicit IdxReader(fs::path file) : file_(std::move(file)) {
    if (fs::is_directory(file_)) fail("is a folder");
    errno = 0;
    in_ = gzopen(file_.c_str(), "rb");
    if (in_ == nullptr) fail("cannot be opened: " + std::generic_category().message(errno != 0 ? errno : ENOMEM));
    try {
      gzbuffer(in_, 1U << 18);
      read_header();
    } catch (...) {
      gzclose(in_);
      throw;
    }
  }
  ~IdxReader() { gzclose(in_); }
  IdxReader(const IdxReader&) = delete;
  IdxReader& operator=(const IdxReader&) = delete;

  DType dtype() const { return dtype_; }
  std::uint64_t samples() const { return samples_; }
  const std::vector<std::size_t>& shape() const { return shape_; }  // of one sample
  std::size_t sample_bytes() const {
    std::size_t bytes = size_of(dtype_);
    for (const std::size_t extent : shape_) bytes *= extent;
    return bytes;
  }

  // The next samples, in the byte order of this machine.
  void read(std::span<std::byte> out) {
    read_bytes(out);
    const std::size_t size = size_of(dtype_);
    if (size > 1)
      for (std::size_t i = 0; i < out.size(); i += size) std::reverse(out.data() + i, out.data() + i + size);
  }

  void require_end() {
    std::byte more{};
    if (gzread(in_, &more, 1) > 0) fail("is longer than its header says");
    int error = Z_OK;
    gzerror(in_, &error);
    if (error != Z_OK && error != Z_STREAM_END) fail_reading();
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw DataError(fmt::format("{}: {}", file_.string(), what));
  }

 private:
  [[noreturn]] void fail_reading() const {
    int error = Z_OK;
    const char* message = gzerror(in_, &error);
    if (error == Z_OK || error == Z_BUF_ERROR) fail("is truncated");
    if (error == Z_ERRNO) fail("cannot be read: " + std::generic_category().message(errno));
    fail(fmt::format("is damaged: {}", message));
  }

  void read_bytes(std::span<std::byte> out) {
    while (!out.empty()) {
      const auto wanted = static_cast<unsigned>(std::min(out.size(), std::size_t{1} << 24));
      const int got = gzread(in_, out.data(), wanted);
      if (got <= 0) fail_reading();
      out = out.subspan(static_cast<std::size_t>(got));
    }
  }

  std::uint32_t read_u32() {
    std::array<std::byte, 4> bytes{};
    read_bytes(bytes);
    std::uint32_t value = 0;
    for (const std::byte b : bytes) value = (value << 8) | std::to_integer<std::uint32_t>(b);
    return value;
  }

  void read_header() {
    const std::uint32_t magic = read_u32();
    const std::uint32_t dimensions = magic & 0xff;
    if ((magic >> 16) != 0 || dimensions == 0) fail(fmt::format("is not an IDX file (it starts with {:08x})", magic));
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
    samples_ = read_u32();
    if (samples_ == 0) fail("holds no samples");
    std::uint64_t elements = 1;
    for (std::uint32_t d = 1; d < dimensions; ++d) {
      shape_.push_back(read_u32());
      elements *= shape_.back();
      if (elements == 0 || elements > (std::uint64_t{1} << 32)) fail("has samples of no or of absurd size");
    }
  }

  fs::path file_;
  gzFile in_ = nullptr;
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

// All labels, checked: their largest value decides the number of classes before the first shard is written.
std::vector<std::int64_t> read_labels(IdxReader& file, std::size_t& classes) {
  if (!file.shape().empty()) file.fail("has more than one label per sample");
  if (is_floating(file.dtype())) file.fail("has labels that are no integers");
  std::vector<std::byte> bytes(file.samples() * file.sample_bytes());
  file.read(bytes);
  file.require_end();
  std::vector<std::int64_t> labels(file.samples());
  for (std::size_t i = 0; i < labels.size(); ++i)
    labels[i] = load_label(file.dtype(), bytes.data() + i * file.sample_bytes());
  if (classes == 0) {
    const std::int64_t largest = *std::max_element(labels.begin(), labels.end());
    classes = largest < 0 ? 1 : static_cast<std::size_t>(largest) + 1;
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
  IdxReader images(import.images);
  IdxReader label_file(import.labels);
  if (images.samples() != label_file.samples())
    images.fail(fmt::format("holds {} samples, but {} holds {} labels", images.samples(), import.labels.string(),
                            label_file.samples()));
  std::vector<std::size_t> shape = images.shape();
  if (shape.size() == 2) shape.insert(shape.begin(), 1);
  if (shape.size() != 3)
    images.fail(fmt::format("has samples of {} dimensions; images have 2 or 3", images.shape().size()));
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
  std::vector<std::byte> buffer(std::min(step, images.samples()) * sample_bytes);
  for (std::uint64_t first = 0; first < images.samples();) {
    const std::uint64_t count = std::min(step, images.samples() - first);
    const std::span<std::byte> pixels(buffer.data(), count * sample_bytes);
    images.read(pixels);
    const std::array<std::span<const std::byte>, 2> data{pixels,
                                                         std::as_bytes(std::span(labels).subspan(first, count))};
    writer.append(count, data);
    first += count;
  }
  images.require_end();
  writer.finish();
}

}  // namespace tutti::io
