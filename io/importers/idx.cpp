#include <tutti/io/importers/idx.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <vector>

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
  const fs::path& file() const { return source_.file(); }

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

std::vector<std::int64_t> read_labels(IdxReader& file, ClassLabels& classes) {
  if (!file.shape().empty())
    file.fail("has more than one label per sample (were the files of images and labels exchanged?)");
  if (is_floating(file.dtype())) file.fail("has labels that are no integers");
  const std::vector<std::byte> bytes = file.read(file.samples());
  file.require_end();
  std::vector<std::int64_t> labels(file.samples());
  for (std::size_t i = 0; i < labels.size(); ++i) {
    labels[i] = load_label(file.dtype(), bytes.data() + i * file.sample_bytes());
    classes.see(labels[i], [&] { return fmt::format("{}: sample {}", file.file().string(), i); });
  }
  return labels;
}

class IdxSource final : public SampleSource {
 public:
  explicit IdxSource(const IdxFiles& files) : images_(files.images), classes_(files.classes) {
    IdxReader label_file(files.labels);
    if (images_.samples() != label_file.samples())
      images_.fail(fmt::format("holds {} samples, but {} holds {} labels", images_.samples(), files.labels.string(),
                               label_file.samples()));
    std::vector<std::size_t> shape = images_.shape();
    if (shape.size() == 2) shape.insert(shape.begin(), 1);
    if (shape.size() != 3)
      images_.fail(fmt::format("has samples of {} dimensions; images have 2 or 3{}", images_.shape().size(),
                               images_.shape().empty() ? " (were the files of images and labels exchanged?)" : ""));
    labels_ = read_labels(label_file, classes_);
    fields_ = {{"image", images_.dtype(), shape}, {"label", DType::i64, {}}};
  }

  const std::vector<Field>& fields() const override { return fields_; }
  std::optional<std::uint64_t> samples() const override { return images_.samples(); }
  const ClassLabels* labels() const override { return &classes_; }

  void skip_to(std::uint64_t first) override {
    while (next_ < first) {
      const std::uint64_t count = std::min(first - next_, step());
      static_cast<void>(images_.read(count));
      next_ += count;
    }
  }

  std::uint64_t read(std::uint64_t most, SampleBlock& block) override {
    const std::uint64_t count = std::min({most, step(), images_.samples() - next_});
    if (count == 0) {
      images_.require_end();
      return 0;
    }
    const std::vector<std::byte> pixels = images_.read(count);
    block.data[0].insert(block.data[0].end(), pixels.begin(), pixels.end());
    const auto labels = std::as_bytes(std::span(labels_).subspan(next_, count));
    block.data[1].insert(block.data[1].end(), labels.begin(), labels.end());
    block.samples += count;
    next_ += count;
    return count;
  }

  std::uint64_t bytes_read() const override { return next_ * images_.sample_bytes(); }
  std::optional<std::uint64_t> bytes_total() const override { return images_.samples() * images_.sample_bytes(); }

 private:
  std::uint64_t step() const { return std::max<std::uint64_t>(1, (std::uint64_t{1} << 20) / images_.sample_bytes()); }

  IdxReader images_;
  ClassLabels classes_;
  std::vector<std::int64_t> labels_;
  std::vector<Field> fields_;
  std::uint64_t next_ = 0;
};

}  // namespace

std::unique_ptr<SampleSource> open_idx(const IdxFiles& files) { return std::make_unique<IdxSource>(files); }

}  // namespace tutti::io
