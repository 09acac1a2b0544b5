#include <tutti/io/importers/zip.hpp>

#include <fmt/core.h>
#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <new>
#include <set>
#include <utility>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::io {

namespace {

constexpr std::uint32_t kMemberMark = 0x04034b50;
constexpr std::uint32_t kDirectoryMark = 0x02014b50;
constexpr std::uint32_t kEndMark = 0x06054b50;
constexpr std::uint32_t kLargeEndMark = 0x06064b50;
constexpr std::uint32_t kLargeLocatorMark = 0x07064b50;
constexpr std::size_t kMemberHeader = 30;
constexpr std::size_t kDirectoryHeader = 46;
constexpr std::size_t kEndRecord = 22;
constexpr std::size_t kLargeLocator = 20;
constexpr std::size_t kLargeEndRecord = 56;
constexpr std::uint64_t kMostDeflated = 1032;  // that deflate makes from a byte

// Numbers of zip archives are little-endian, as this machine's.
template <class T>
T number(std::span<const std::byte> bytes, std::size_t at) {
  T value{};
  std::memcpy(&value, bytes.data() + at, sizeof(T));
  return value;
}

// Sizes that did not fit 32 bits are in the extra field 1, in this order, only those that did not.
bool read_large_sizes(std::span<const std::byte> extra, ZipMember& member) {
  constexpr std::uint32_t kLarge = std::numeric_limits<std::uint32_t>::max();
  while (extra.size() >= 4) {
    const auto id = number<std::uint16_t>(extra, 0);
    const auto size = number<std::uint16_t>(extra, 2);
    if (size > extra.size() - 4) return false;
    std::span<const std::byte> values = extra.subspan(4, size);
    extra = extra.subspan(4 + std::size_t{size});
    if (id != 1) continue;
    for (std::uint64_t* value : {&member.size, &member.stored, &member.header}) {
      if (*value != kLarge) continue;
      if (values.size() < 8) return false;
      *value = number<std::uint64_t>(values, 0);
      values = values.subspan(8);
    }
  }
  return true;
}

}  // namespace

class ZipStream::Inflater {
 public:
  Inflater() : buffer(std::size_t{1} << 16) {
    constexpr int kRawWithLargestWindow = -15;
    if (inflateInit2(&stream, kRawWithLargestWindow) != Z_OK) throw std::bad_alloc();
  }
  ~Inflater() { inflateEnd(&stream); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  z_stream stream = {};
  std::vector<std::byte> buffer;
  bool ended = false;
};

ZipStream::ZipStream(const RandomFile& file, const ZipMember& member, std::uint64_t begin)
    : file_(file), member_(member), next_(begin), end_(begin + member.stored) {
  if (member.deflated) inflater_ = std::make_unique<Inflater>();
}

ZipStream::~ZipStream() = default;

void ZipStream::fail(const std::string& what) const {
  file_.fail(fmt::format("member '{}' {}", printable(member_.name), what));
}

// Fills `out`, or stops at the end of the compressed data.
void ZipStream::inflate(std::span<std::byte> out) {
  z_stream& stream = inflater_->stream;
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  while (stream.avail_out > 0 && !inflater_->ended) {
    if (stream.avail_in == 0) {
      const std::size_t piece = std::min<std::uint64_t>(inflater_->buffer.size(), end_ - next_);
      if (piece == 0) fail("is truncated: its compressed data has no end");
      file_.read(next_, std::span(inflater_->buffer).first(piece));
      next_ += piece;
      stream.next_in = reinterpret_cast<Bytef*>(inflater_->buffer.data());
      stream.avail_in = static_cast<uInt>(piece);
    }
    const int status = ::inflate(&stream, Z_NO_FLUSH);
    if (status == Z_STREAM_END) inflater_->ended = true;
    if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR)
      fail(fmt::format("is damaged: {}", stream.msg != nullptr ? stream.msg : "out of memory"));
  }
}

void ZipStream::finish() {
  finished_ = true;
  if (inflater_) {
    std::byte more{};
    inflate(std::span(&more, 1));
    if (inflater_->stream.avail_out == 0) fail("is longer than the archive's directory says");
    if (inflater_->stream.avail_in > 0 || next_ != end_) fail("has other bytes after the end of its compressed data");
  }
  if (crc32_ != member_.crc32)
    fail(fmt::format("is damaged: its CRC-32 is {:08x} instead of {:08x}", crc32_, member_.crc32));
}

std::size_t ZipStream::read(std::span<std::byte> out) {
  constexpr std::size_t kMost = std::size_t{1} << 24;  // a count of zlib's
  const std::size_t wanted = std::min<std::uint64_t>(out.size(), member_.size - done_);
  for (std::size_t at = 0; at < wanted;) {
    const auto piece = out.subspan(at, std::min(wanted - at, kMost));
    if (inflater_) {
      inflate(piece);
      if (inflater_->stream.avail_out > 0) fail("is shorter than the archive's directory says");
    } else {
      file_.read(next_, piece);
      next_ += piece.size();
    }
    const auto bytes = static_cast<uInt>(piece.size());
    crc32_ = static_cast<std::uint32_t>(::crc32(crc32_, reinterpret_cast<const Bytef*>(piece.data()), bytes));
    at += piece.size();
    done_ += piece.size();
  }
  if (done_ == member_.size && !finished_) finish();
  return wanted;
}

ZipFile::ZipFile(const std::filesystem::path& file) : file_(file) { read_directory(find_directory()); }

// The end record is last, but for a comment of any length up to 65,535 bytes, which it states.
ZipFile::Directory ZipFile::find_directory() const {
  const std::uint64_t size = file_.size();
  std::vector<std::byte> tail(std::min<std::uint64_t>(size, kEndRecord + 65535));
  file_.read(size - tail.size(), tail);
  std::size_t at = tail.size() < kEndRecord ? tail.size() : tail.size() - kEndRecord + 1;
  while (at > 0) {
    if (tail.size() < kEndRecord) break;
    --at;
    if (number<std::uint32_t>(tail, at) == kEndMark &&
        at + kEndRecord + number<std::uint16_t>(tail, at + 20) == tail.size()) {
      const auto end = std::span<const std::byte>(tail).subspan(at);
      const std::uint64_t offset = size - tail.size() + at;
      Directory directory{number<std::uint32_t>(end, 16), number<std::uint32_t>(end, 12),
                          number<std::uint16_t>(end, 10)};
      if (number<std::uint16_t>(end, 4) != 0) file_.fail("is one part of an archive in several; join them");
      std::vector<std::byte> large(kLargeEndRecord);
      if (offset < kLargeLocator) return directory;
      file_.read(offset - kLargeLocator, std::span(large).first(kLargeLocator));
      if (number<std::uint32_t>(large, 0) != kLargeLocatorMark) return directory;
      const auto where = number<std::uint64_t>(large, 8);
      if (where > offset || offset - where < kLargeEndRecord) file_.fail("is damaged: its end record lies outside");
      file_.read(where, large);
      if (number<std::uint32_t>(large, 0) != kLargeEndMark) file_.fail("is damaged: its end record is none");
      return {number<std::uint64_t>(large, 48), number<std::uint64_t>(large, 40), number<std::uint64_t>(large, 32)};
    }
  }
  file_.fail("is not a zip archive, or is truncated: it has no end record");
}

void ZipFile::read_directory(const Directory& directory) {
  if (directory.begin > file_.size() || directory.size > file_.size() - directory.begin)
    file_.fail("is truncated: its directory lies outside");
  members_end_ = directory.begin;
  std::vector<std::byte> bytes(directory.size);
  file_.read(directory.begin, bytes);
  std::set<std::string> names;
  for (std::span<const std::byte> rest = bytes; !rest.empty();) {
    if (rest.size() < kDirectoryHeader || number<std::uint32_t>(rest, 0) != kDirectoryMark)
      file_.fail(fmt::format("is damaged: entry {} of its directory is none", members_.size()));
    const std::size_t name = number<std::uint16_t>(rest, 28);
    const std::size_t extra = number<std::uint16_t>(rest, 30);
    const std::size_t entry = kDirectoryHeader + name + extra + number<std::uint16_t>(rest, 32);
    if (entry > rest.size()) file_.fail(fmt::format("is damaged: entry {} is cut short", members_.size()));
    ZipMember member{.name = {reinterpret_cast<const char*>(rest.data()) + kDirectoryHeader, name},
                     .header = number<std::uint32_t>(rest, 42),
                     .stored = number<std::uint32_t>(rest, 20),
                     .size = number<std::uint32_t>(rest, 24),
                     .crc32 = number<std::uint32_t>(rest, 16),
                     .deflated = number<std::uint16_t>(rest, 10) == 8};
    const std::string shown = printable(member.name);
    if ((number<std::uint16_t>(rest, 8) & 1U) != 0) file_.fail(fmt::format("member '{}' is encrypted", shown));
    if (const auto method = number<std::uint16_t>(rest, 10); method != 0 && method != 8)
      file_.fail(
          fmt::format("member '{}' is compressed by method {}; known are 0 (stored) and 8 (deflate)", shown, method));
    if (!read_large_sizes(rest.subspan(kDirectoryHeader + name, extra), member))
      file_.fail(fmt::format("is damaged: the sizes of member '{}' are cut short", shown));
    check(member);
    if (!names.insert(member.name).second) file_.fail(fmt::format("member '{}' is there twice", shown));
    members_.push_back(std::move(member));
    rest = rest.subspan(entry);
  }
  if (members_.size() != directory.members)
    file_.fail(
        fmt::format("is damaged: its directory has {} entries instead of {}", members_.size(), directory.members));
}

void ZipFile::check(const ZipMember& member) const {
  const auto fail = [&](const char* what) { file_.fail(fmt::format("member '{}' {}", printable(member.name), what)); };
  if (member.header > members_end_ || members_end_ - member.header < kMemberHeader ||
      member.stored > members_end_ - member.header - kMemberHeader)
    fail("lies outside of the archive: damaged or truncated");
  if (!member.deflated && member.stored != member.size) fail("is stored in another size than its own");
  if (member.deflated && member.size / kMostDeflated > member.stored) fail("claims more bytes than it can hold");
}

std::unique_ptr<ZipStream> ZipFile::open(const ZipMember& member) const {
  std::vector<std::byte> header(kMemberHeader);
  file_.read(member.header, header);
  const std::uint64_t begin = member.header + kMemberHeader + number<std::uint16_t>(header, 26) +
                              std::uint64_t{number<std::uint16_t>(header, 28)};
  if (number<std::uint32_t>(header, 0) != kMemberMark || begin > members_end_ || member.stored > members_end_ - begin)
    file_.fail(fmt::format("member '{}' is not where the directory says: damaged", printable(member.name)));
  return std::unique_ptr<ZipStream>(new ZipStream(file_, member, begin));
}

}  // namespace tutti::io
