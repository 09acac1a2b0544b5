#include <tutti/io/importers/byte_source.hpp>

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <new>
#include <system_error>
#include <utility>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::io {

namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 18;
constexpr std::uint64_t kMostPerByte = 1032;

bool begins_like_gzip(std::span<const std::byte> bytes) {
  return bytes.size() >= 2 && bytes[0] == std::byte{0x1f} && bytes[1] == std::byte{0x8b};
}

}  // namespace

// zlib's own reading of files (gzread) is not used: it passes over whatever follows the compressed data.
class ByteSource::Inflater {
 public:
  Inflater() {
    constexpr int kGzipWithLargestWindow = 15 + 16;
    if (inflateInit2(&stream_, kGzipWithLargestWindow) != Z_OK) throw std::bad_alloc();
  }
  ~Inflater() { inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  /// Whether the last member has come to its end, and the next byte would begin another.
  bool between_members() const noexcept { return between_; }
  void begin_member() {
    inflateReset(&stream_);
    between_ = false;
  }

  /// Decompresses from the front of `in` to the front of `out`, shortening both; the words of zlib where that fails.
  const char* inflate_some(std::span<const std::byte>& in, std::span<std::byte>& out) {
    const auto limited = [](std::size_t size) { return static_cast<uInt>(std::min(size, std::size_t{1} << 30)); };
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(in.data()));
    stream_.avail_in = limited(in.size());
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = limited(out.size());
    const int status = inflate(&stream_, Z_NO_FLUSH);
    in = in.subspan(limited(in.size()) - stream_.avail_in);
    out = out.subspan(limited(out.size()) - stream_.avail_out);
    between_ = status == Z_STREAM_END;
    if (status == Z_OK || status == Z_STREAM_END || status == Z_BUF_ERROR) return nullptr;
    return stream_.msg != nullptr ? stream_.msg : "out of memory";
  }

 private:
  z_stream stream_ = {};
  bool between_ = false;
};

ByteSource::ByteSource(std::filesystem::path file, Content content) : file_(std::move(file)), buffer_(kBufferBytes) {
  const bool standard_input = is_standard_input(file_);
  std::error_code unknown;  // opening it tells more
  if (!standard_input && std::filesystem::is_directory(file_, unknown)) fail("is a folder");
  descriptor_ =
      standard_input ? ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0) : ::open(file_.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor_ < 0) fail("cannot be opened: " + std::generic_category().message(errno));
  try {
    fill();
    if (content == Content::decompressed && begins_like_gzip(unread_)) inflater_ = std::make_unique<Inflater>();
  } catch (...) {
    ::close(descriptor_);
    throw;
  }
  struct stat status = {};
  if (::fstat(descriptor_, &status) == 0 && S_ISREG(status.st_mode)) {
    const auto size = static_cast<std::uint64_t>(status.st_size);
    most_bytes_ = compressed() ? size * kMostPerByte : size;
  }
}

bool ByteSource::may_open_twice(const std::filesystem::path& file) {
  if (is_standard_input(file)) return false;
  using Type = std::filesystem::file_type;
  std::error_code error;
  const Type type = std::filesystem::status(file, error).type();
  return type != Type::fifo && type != Type::character && type != Type::socket && type != Type::block;
}

ByteSource::~ByteSource() { ::close(descriptor_); }

std::string ByteSource::name_of(const std::filesystem::path& file) {
  if (is_standard_input(file)) return "standard input";
  const std::string& name = file.native();
  return std::any_of(name.begin(), name.end(), [](unsigned char c) { return c < ' '; }) ? printable(name) : name;
}

void ByteSource::fail(const std::string& what) const { throw DataError(fmt::format("{}: {}", name_of(file_), what)); }

/// Reads on into the buffer, behind what is unread of it, until there are two bytes to look at.
void ByteSource::fill() {
  std::copy(unread_.begin(), unread_.end(), buffer_.begin());  // to the front, so that overlapping does no harm
  std::size_t filled = unread_.size();
  while (filled < 2 && !ended_) {
    const ssize_t got = ::read(descriptor_, buffer_.data() + filled, buffer_.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail("cannot be read: " + std::generic_category().message(errno));
    if (got == 0) ended_ = true;
    filled += static_cast<std::size_t>(got);
  }
  unread_ = std::span(buffer_).first(filled);
}

std::size_t ByteSource::read_plain(std::span<std::byte> out) {
  std::size_t done = 0;
  while (done < out.size()) {
    if (unread_.empty()) fill();
    if (unread_.empty()) break;
    const std::size_t piece = std::min(unread_.size(), out.size() - done);
    std::memcpy(out.data() + done, unread_.data(), piece);
    unread_ = unread_.subspan(piece);
    done += piece;
  }
  return done;
}

std::size_t ByteSource::read(std::span<std::byte> out) {
  if (!inflater_) return read_plain(out);
  std::span<std::byte> rest = out;
  while (!rest.empty()) {
    if (unread_.size() < 2) fill();
    if (unread_.empty()) {
      if (!inflater_->between_members()) fail("is truncated: its compressed data has no end");
      break;
    }
    if (inflater_->between_members()) {
      if (!begins_like_gzip(unread_)) fail("has other bytes after the end of its compressed data");
      inflater_->begin_member();
    }
    if (const char* problem = inflater_->inflate_some(unread_, rest); problem != nullptr)
      fail(fmt::format("is damaged: {}", problem));
  }
  return out.size() - rest.size();
}

void ByteSource::seek(std::uint64_t offset) {
  if (::lseek(descriptor_, static_cast<off_t>(offset), SEEK_SET) < 0)
    fail("cannot be read: " + std::generic_category().message(errno));
  unread_ = {};
  ended_ = false;
}

std::vector<std::byte> ByteSource::take(std::uint64_t bytes) {
  constexpr std::uint64_t kStep = std::uint64_t{1} << 20;
  std::vector<std::byte> taken;
  while (taken.size() < bytes) {
    const std::size_t before = taken.size();
    const std::size_t step =
        std::min({bytes - before, std::max<std::uint64_t>(before, kStep), most_bytes_.value_or(bytes) + 1});
    taken.resize(before + step);
    const std::size_t got = read(std::span(taken).subspan(before));
    taken.resize(before + got);
    if (got < step) break;
  }
  return taken;
}

std::uint64_t ByteSource::skip(std::uint64_t bytes) {
  if (most_bytes_ && !compressed()) {
    const std::size_t held = std::min<std::uint64_t>(bytes, unread_.size());
    unread_ = unread_.subspan(held);
    const off_t here = ::lseek(descriptor_, 0, SEEK_CUR);
    if (here < 0) fail("cannot be read: " + std::generic_category().message(errno));
    const std::uint64_t left = *most_bytes_ - std::min<std::uint64_t>(*most_bytes_, static_cast<std::uint64_t>(here));
    const std::uint64_t step = std::min(bytes - held, left);
    if (step > 0 && ::lseek(descriptor_, static_cast<off_t>(step), SEEK_CUR) < 0)
      fail("cannot be read: " + std::generic_category().message(errno));
    return held + step;
  }
  constexpr std::uint64_t kStep = std::uint64_t{1} << 16;
  std::vector<std::byte> passed(std::min(bytes, kStep));
  std::uint64_t done = 0;
  while (done < bytes) {
    const std::size_t step = std::min(bytes - done, kStep);
    const std::size_t got = read(std::span(passed).first(step));
    done += got;
    if (got < step) break;
  }
  return done;
}

}  // namespace tutti::io
