#include <tutti/io/importers/cifar.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <tutti/io/importers/byte_source.hpp>
#include <tutti/io/importers/name_list.hpp>
#include <tutti/kernels/dtype.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti::io {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kPixels = std::size_t{3} * 32 * 32;

struct CifarKind {
  std::size_t number;
  std::size_t label_bytes;
  std::uint8_t largest[2];  // of the bytes of labels
  std::size_t record() const { return label_bytes + kPixels; }
};

constexpr CifarKind kCifar10{10, 1, {9, 0}};
constexpr CifarKind kCifar100{100, 2, {19, 99}};

// What the bytes of a file are if they are taken for records of one kind.
struct Fit {
  const CifarKind* kind;
  std::uint64_t bytes = 0;
  std::optional<std::uint64_t> wrong_record = {};  // the first with a label out of range
  unsigned wrong_label = 0;

  std::uint64_t records() const { return bytes / kind->record(); }
  bool even() const { return bytes % kind->record() == 0; }
  bool fits() const { return even() && !wrong_record; }

  // Looks at the labels among the bytes that follow those before.
  void see(std::span<const std::byte> piece) {
    const std::size_t record = kind->record();
    for (std::size_t b = 0; b < kind->label_bytes; ++b)
      for (std::uint64_t at = (b + record - bytes % record) % record; at < piece.size(); at += record) {
        const auto label = std::to_integer<std::uint8_t>(piece[at]);
        const std::uint64_t index = (bytes + at) / record;
        if (label <= kind->largest[b] || (wrong_record && *wrong_record <= index)) continue;
        wrong_record = index;
        wrong_label = label;
      }
    bytes += piece.size();
  }
};

struct Fits {
  Fit of10{&kCifar10};
  Fit of100{&kCifar100};
  const Fit& of(const CifarKind& kind) const { return &kind == &kCifar10 ? of10 : of100; }
};

// The archives that CIFAR is handed out in, and the pickles of the "python version", are told by their first bytes.
void refuse_archive(const ByteSource& file, std::span<const std::byte> start) {
  const std::string_view text(reinterpret_cast<const char*>(start.data()), start.size());
  const std::string_view member = text.substr(0, std::min(text.find('\0'), std::size_t{100}));
  const bool tar = text.size() >= 512 && (text.substr(257, 5) == "ustar" || member.substr(0, 6) == "cifar-");
  if (tar && member.find("python") == std::string_view::npos && member.find("-py") == std::string_view::npos &&
      member.find("cifar-100-python") == std::string_view::npos)
    file.fail("is a tar archive; unpack it, and give its .bin files");
  if (tar)
    file.fail(
        "is the archive of the python version, which holds pickles; the binary version is wanted, unpacked "
        "(cifar-10-binary.tar.gz, cifar-100-binary.tar.gz)");
  if (text.substr(0, 2) == "\x80\x02" || text.substr(0, 2) == "\x80\x03")
    file.fail(
        "is a pickle, of the python version; the binary version is wanted (cifar-10-binary.tar.gz, "
        "cifar-100-binary.tar.gz)");
}

Fits look_through(const fs::path& path) {
  ByteSource file(path);
  Fits fits;
  std::vector<std::byte> buffer(std::size_t{1} << 18);
  for (std::size_t got = buffer.size(); got == buffer.size();) {
    got = file.read(buffer);
    const auto piece = std::span<const std::byte>(buffer).first(got);
    if (fits.of10.bytes == 0) refuse_archive(file, piece);
    fits.of10.see(piece);
    fits.of100.see(piece);
  }
  if (fits.of10.bytes == 0) file.fail("is empty");
  return fits;
}

std::string looks_like(const Fits& fits, const CifarKind& kind) {
  if (!fits.of(kind).fits()) return {};
  return fmt::format("; it looks like CIFAR-{} ({} records of {} bytes)", kind.number, fits.of(kind).records(),
                     kind.record());
}

[[noreturn]] void refuse(const fs::path& file, const Fit& fit, const std::string& hint) {
  const CifarKind& kind = *fit.kind;
  if (!fit.even())
    throw DataError(fmt::format("{}: is not CIFAR-{}: {} bytes are {} records of {} bytes and {} bytes{}",
                                file.string(), kind.number, fit.bytes, fit.records(), kind.record(),
                                fit.bytes % kind.record(), hint));
  throw DataError(fmt::format("{}: record {}: {} is no label of CIFAR-{}{}", file.string(), *fit.wrong_record,
                              fit.wrong_label, kind.number, hint));
}

void require_kind(const fs::path& file, const Fits& fits, const CifarKind& kind) {
  if (fits.of(kind).fits()) return;
  refuse(file, fits.of(kind), looks_like(fits, &kind == &kCifar10 ? kCifar100 : kCifar10));
}

[[noreturn]] void refuse_both(const fs::path& file, const Fits& fits) {
  if (fits.of10.even()) refuse(file, fits.of10, {});
  if (fits.of100.even()) refuse(file, fits.of100, {});
  throw DataError(fmt::format(
      "{}: {} bytes are neither records of 3073 bytes (CIFAR-10; {} bytes would be left) nor of "
      "3074 (CIFAR-100; {} left): cut short, or something else",
      file.string(), fits.of10.bytes, fits.of10.bytes % kCifar10.record(), fits.of100.bytes % kCifar100.record()));
}

// The kind that all files are of.
const CifarKind& find_kind(const std::vector<fs::path>& files, const std::vector<Fits>& fits) {
  bool all10 = true;
  bool all100 = true;
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (!fits[i].of10.fits() && !fits[i].of100.fits()) refuse_both(files[i], fits[i]);
    all10 = all10 && fits[i].of10.fits();
    all100 = all100 && fits[i].of100.fits();
  }
  if (all10 && all100)
    throw DataError(fmt::format("{}: can be read as CIFAR-10 and as CIFAR-100; --kind says which", files[0].string()));
  if (all10) return kCifar10;
  if (all100) return kCifar100;
  const CifarKind& first = fits[0].of10.fits() ? kCifar10 : kCifar100;
  for (std::size_t i = 0; i < files.size(); ++i)
    if (!fits[i].of(first).fits())
      throw DataError(fmt::format("{}: is CIFAR-{}, but {} is CIFAR-{}", files[i].string(), 110 - first.number,
                                  files[0].string(), first.number));
  throw DataError(fmt::format("{}: is of another kind than {}", files[0].string(), files.back().string()));
}

class CifarSource final : public SampleSource {
 public:
  explicit CifarSource(const CifarFiles& files) : files_(files.files), coarse_(files.labels == CifarLabels::coarse) {
    if (files_.empty()) throw InvalidArgument("no CIFAR file is given");
    settle_kind(files.kind);
    if (coarse_ && kind_ != &kCifar100) throw InvalidArgument("coarse labels are those of CIFAR-100 only");
    const std::size_t own_classes = coarse_ ? 20 : kind_->number;
    classes_ = ClassLabels(files.classes > 0 ? files.classes : own_classes);
    if (classes_.classes() == own_classes) read_names(files.names, own_classes);
  }

  const std::vector<Field>& fields() const override { return fields_; }
  std::optional<std::uint64_t> samples() const override { return samples_; }
  const ClassLabels* labels() const override { return &classes_; }
  std::vector<std::string> class_names() const override { return names_; }

  void skip_to(std::uint64_t first) override {
    while (first > 0 && open_next()) {
      const std::uint64_t passed = open_->skip(first * kind_->record()) / kind_->record();
      first -= passed;
      record_ = passed;
      bytes_ += passed * kind_->record();
      if (first > 0) open_.reset();
    }
  }

  std::uint64_t read(std::uint64_t most, SampleBlock& block) override {
    constexpr std::uint64_t kMostRecords = 256;
    while (open_ || open_next()) {
      const std::vector<std::byte> bytes = open_->take(std::min(most, kMostRecords) * kind_->record());
      if (bytes.empty()) {
        open_.reset();
        continue;
      }
      const std::size_t records = bytes.size() / kind_->record();
      for (std::size_t r = 0; r < records; ++r)
        append(std::span(bytes).subspan(r * kind_->record(), kind_->record()), block);
      if (const std::size_t left = bytes.size() % kind_->record(); left != 0)
        open_->fail(fmt::format("record {} has only {} of {} bytes", record_, left, kind_->record()));
      bytes_ += bytes.size();
      return records;
    }
    return 0;
  }

  std::uint64_t bytes_read() const override { return bytes_; }
  std::optional<std::uint64_t> bytes_total() const override {
    return samples_ ? std::optional(*samples_ * kind_->record()) : std::nullopt;
  }

 private:
  void settle_kind(std::size_t number) {
    if (number != 0 && number != 10 && number != 100)
      throw InvalidArgument(fmt::format("there is no CIFAR-{}; known are 10 and 100", number));
    const bool pipe = !std::all_of(files_.begin(), files_.end(), ByteSource::may_open_twice);
    if (pipe && number == 0)
      throw InvalidArgument("a pipe is read only once: whether it is CIFAR-10 or CIFAR-100 must be said by --kind");
    if (number != 0) kind_ = number == 10 ? &kCifar10 : &kCifar100;
    if (pipe) return;
    std::vector<Fits> fits;
    fits.reserve(files_.size());
    for (const fs::path& file : files_) fits.push_back(look_through(file));
    if (number == 0) kind_ = &find_kind(files_, fits);
    samples_ = 0;
    for (std::size_t i = 0; i < files_.size(); ++i) {
      require_kind(files_[i], fits[i], *kind_);
      *samples_ += fits[i].of(*kind_).records();
    }
  }

  void read_names(const fs::path& stated, std::size_t classes) {
    fs::path file = stated;
    if (file.empty() && ByteSource::is_standard_input(files_[0])) return;
    if (file.empty()) {
      file = files_[0].parent_path() / (kind_ == &kCifar10 ? "batches.meta.txt"
                                        : coarse_          ? "coarse_label_names.txt"
                                                           : "fine_label_names.txt");
      if (!fs::exists(file)) return;
    }
    names_ = read_class_names(file, classes);
  }

  bool open_next() {
    if (next_file_ == files_.size()) return false;
    open_ = std::make_unique<ByteSource>(files_[next_file_++]);
    record_ = 0;
    return true;
  }

  void append(std::span<const std::byte> record, SampleBlock& block) {
    for (std::size_t b = 0; b < kind_->label_bytes; ++b)
      if (std::to_integer<std::uint8_t>(record[b]) > kind_->largest[b])
        open_->fail(fmt::format("record {}: {} is no label of CIFAR-{}", record_, std::to_integer<unsigned>(record[b]),
                                kind_->number));
    const auto label = std::to_integer<std::int64_t>(record[coarse_ ? 0 : kind_->label_bytes - 1]);
    classes_.see(label, [&] { return fmt::format("{}: record {}", ByteSource::name_of(open_->file()), record_); });
    const auto pixels = record.subspan(kind_->label_bytes);
    block.data[0].insert(block.data[0].end(), pixels.begin(), pixels.end());
    const auto bytes = std::as_bytes(std::span(&label, 1));
    block.data[1].insert(block.data[1].end(), bytes.begin(), bytes.end());
    ++block.samples;
    ++record_;
  }

  std::vector<fs::path> files_;
  bool coarse_;
  const CifarKind* kind_ = nullptr;
  ClassLabels classes_;
  std::vector<std::string> names_;
  std::vector<Field> fields_{{"image", DType::u8, {3, 32, 32}}, {"label", DType::i64, {}}};
  std::optional<std::uint64_t> samples_;
  std::size_t next_file_ = 0;
  std::unique_ptr<ByteSource> open_;
  std::uint64_t record_ = 0;  // of the open file, the next
  std::uint64_t bytes_ = 0;
};

}  // namespace

std::unique_ptr<SampleSource> open_cifar(const CifarFiles& files) { return std::make_unique<CifarSource>(files); }

}  // namespace tutti::io
