#include <tutti/io/importers/npy_array.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::io {

namespace {

constexpr std::uint64_t kMostSampleBytes = std::uint64_t{1} << 32;
constexpr std::size_t kStep = std::size_t{1} << 20;

void reverse_elements(std::span<std::byte> bytes, std::size_t size) {
  if (size > 1)
    for (std::size_t i = 0; i < bytes.size(); i += size) std::reverse(bytes.data() + i, bytes.data() + i + size);
}

// Walks the elements of a sample in C order (last dimension fastest) and tells the index that each has in Fortran order
// (first one fastest).
class FortranPositions {
 public:
  explicit FortranPositions(const std::vector<std::size_t>& shape) : shape_(shape), index_(shape.size(), 0) {}

  std::size_t next() {
    std::size_t position = 0;
    for (std::size_t d = shape_.size(); d-- > 0;) position = position * shape_[d] + index_[d];
    for (std::size_t d = shape_.size(); d-- > 0;) {
      if (++index_[d] < shape_[d]) break;
      index_[d] = 0;
    }
    return position;
  }

 private:
  const std::vector<std::size_t>& shape_;
  std::vector<std::size_t> index_;
};

}  // namespace

NpyArray::NpyArray(const std::filesystem::path& file)
    : place_(file.string()), file_(std::make_unique<ByteSource>(file)), most_bytes_(file_->most_bytes()) {
  open();
}

NpyArray::NpyArray(const std::shared_ptr<const ZipFile>& archive, const ZipMember& member)
    : place_(fmt::format("{}: member '{}'", archive->file().string(), printable(member.name))),
      archive_(archive),
      member_(archive->open(member)),
      most_bytes_(member.size) {
  open();
}

void NpyArray::fail(const std::string& what) const { throw DataError(fmt::format("{}: {}", place_, what)); }

std::size_t NpyArray::read_bytes(std::span<std::byte> out) { return file_ ? file_->read(out) : member_->read(out); }

void NpyArray::open() {
  const std::string text = read_header_text();
  header_ = parse_npy_header(text, place_);
  check_shape();
  const std::uint64_t begin = 6 + 2 + (wide_ ? 4 : 2) + text.size();
  require_room(begin);
  if (header_.fortran_order && header_.shape.size() > 1) open_columns(begin);
}

// In front of the text: a mark, the version and the length of the text, of 2 bytes in version 1 and of 4 later.
std::string NpyArray::read_header_text() {
  constexpr std::uint32_t kLongest = 1U << 20;
  std::array<std::byte, 8> start{};
  const std::size_t got = read_bytes(start);
  if (got == 0) fail("is empty");
  if (got < start.size() || std::memcmp(start.data(), "\x93NUMPY", 6) != 0) {
    const std::string_view seen(reinterpret_cast<const char*>(start.data()), got);
    fail(fmt::format("is not an NPY file (it starts with \"{}\"{})", printable(seen),
                     seen.substr(0, 4) == "PK\3\4" ? ", as an NPZ file does: --npz reads that" : ""));
  }
  const auto major = std::to_integer<unsigned>(start[6]);
  if (major < 1 || major > 3) fail(fmt::format("is NPY of version {}; known are 1 to 3", major));
  wide_ = major > 1;
  std::array<std::byte, 4> length_bytes{};
  const std::size_t length_size = wide_ ? 4 : 2;
  if (read_bytes(std::span(length_bytes).first(length_size)) < length_size) fail("is truncated within its header");
  std::uint32_t length = 0;
  std::memcpy(&length, length_bytes.data(), sizeof(length));
  if (length > kLongest) fail(fmt::format("has an NPY header of {} bytes; at most {} are read", length, kLongest));
  std::string text(length, '\0');
  if (read_bytes(std::as_writable_bytes(std::span(text))) < text.size()) fail("is truncated within its header");
  return text;
}

void NpyArray::check_shape() {
  if (header_.shape.empty()) fail("is a scalar; the first dimension of an array counts samples");
  if (header_.shape.size() > 31) fail(fmt::format("has {} dimensions; at most 31 are kept", header_.shape.size()));
  if (header_.shape[0] == 0) fail("holds no samples: its first dimension is 0");
  sample_bytes_ = size_of(header_.dtype);
  for (std::size_t d = 1; d < header_.shape.size(); ++d) {
    const std::uint64_t extent = header_.shape[d];
    if (extent == 0) fail(fmt::format("has samples without elements: its dimension {} is 0", d));
    if (extent > kMostSampleBytes / sample_bytes_)
      fail(fmt::format("has samples of more than {} bytes", kMostSampleBytes));
    sample_bytes_ *= extent;
    shape_.push_back(extent);
  }
}

// A header may claim anything; what the file cannot hold is refused before memory or disk is claimed for it.
void NpyArray::require_room(std::uint64_t header_bytes) {
  if (!most_bytes_) return;
  const std::uint64_t room = *most_bytes_ - std::min(*most_bytes_, header_bytes);
  if (samples() > room / sample_bytes_)
    fail(fmt::format("is truncated: its header says {} samples of {} bytes", samples(), sample_bytes_));
}

// The samples of an array in Fortran order lie across the whole file, which is read here and there then. What can be
// read in order only is copied to a file without a name before.
void NpyArray::open_columns(std::uint64_t begin) {
  if (file_ && most_bytes_ && !file_->compressed()) {
    columns_.emplace(file_->file());
    columns_begin_ = begin;
    if (columns_->size() - begin != samples() * sample_bytes_) fail("is longer than its header says");
    return;
  }
  columns_.emplace(RandomFile::temporary());
  std::vector<std::byte> buffer(kStep);
  for (std::size_t got = kStep; got == kStep;) {
    got = read_bytes(buffer);
    columns_->append(std::span(buffer).first(got));
    if (columns_->size() / sample_bytes_ > samples()) break;
  }
  if (columns_->size() < samples() * sample_bytes_) fail("is truncated");
  if (columns_->size() > samples() * sample_bytes_) fail("is longer than its header says");
}

void NpyArray::skip(std::uint64_t samples) {
  next_ += samples;
  if (columns_) return;
  if (file_) {
    if (file_->skip(samples * sample_bytes_) < samples * sample_bytes_) fail("is truncated");
    return;
  }
  // Read, so that the rank that comes to the end has seen the checksum.
  std::vector<std::byte> passed(std::min<std::uint64_t>(kStep, samples * sample_bytes_));
  for (std::uint64_t left = samples * sample_bytes_; left > 0;) {
    const std::size_t piece = std::min<std::uint64_t>(passed.size(), left);
    if (read_bytes(std::span(passed).first(piece)) < piece) fail("is truncated");
    left -= piece;
  }
}

void NpyArray::read(std::uint64_t samples, std::vector<std::byte>& out) {
  const std::size_t before = out.size();
  // Memory grows with what is there: a single sample may be large, and a compressed file may lie about it.
  for (std::uint64_t left = samples * sample_bytes_; left > 0 && !columns_;) {
    const std::size_t piece = std::min<std::uint64_t>(left, std::max(kStep, out.size() - before));
    out.resize(out.size() + piece);
    if (read_bytes(std::span(out).last(piece)) < piece) fail(fmt::format("is truncated within sample {}", next_));
    left -= piece;
  }
  if (columns_) {
    out.resize(before + samples * sample_bytes_);
    read_columns(samples, std::span(out).subspan(before));
  }
  if (header_.big_endian) reverse_elements(std::span(out).subspan(before), size_of(header_.dtype));
  next_ += samples;
}

void NpyArray::read_columns(std::uint64_t samples, std::span<std::byte> out) {
  const std::size_t size = size_of(header_.dtype);
  std::vector<std::byte> column(samples * size);
  FortranPositions positions(shape_);
  for (std::size_t e = 0; e < sample_bytes_ / size; ++e) {
    columns_->read(columns_begin_ + (positions.next() * this->samples() + next_) * size, column);
    for (std::uint64_t s = 0; s < samples; ++s)
      std::memcpy(out.data() + s * sample_bytes_ + e * size, column.data() + s * size, size);
  }
}

void NpyArray::require_end() {
  std::byte more{};
  if (!columns_ && read_bytes(std::span(&more, 1)) != 0) fail("is longer than its header says");
}

}  // namespace tutti::io
