#include <tutti/io/importers/record_reader.hpp>

#include <fmt/core.h>

#include <cstring>
#include <span>
#include <utility>

#include <tutti/kernels/error.hpp>

namespace tutti::io {

namespace {

constexpr std::size_t kFirstBuffer = std::size_t{1} << 18;
constexpr std::size_t kMostRecordBytes = std::size_t{64} << 20;

}  // namespace

RecordReader::RecordReader(std::filesystem::path file, RecordForm form)
    : source_(std::move(file)), form_(form), buffer_(kFirstBuffer) {
  if (!form_.binary) skip_mark();
}

void RecordReader::skip_mark() {
  while (filled_ < 3 && more()) continue;
  const std::string_view start(buffer_.data(), filled_);
  if (start.starts_with("\xff\xfe") || start.starts_with("\xfe\xff"))
    source_.fail("is text in UTF-16, which is not read; `iconv -f UTF-16 -t UTF-8` converts it");
  if (start.starts_with("\xef\xbb\xbf")) next_ = 3;
}

std::string RecordReader::place() const {
  return fmt::format("{}: line {}", ByteSource::name_of(source_.file()), line_);
}

void RecordReader::fail(const std::string& what) const { throw DataError(place() + ": " + what); }

// Reads on behind what is there, of which everything before begin_ is dropped; false at the end of the file.
bool RecordReader::more() {
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, filled_ - begin_);
    filled_ -= begin_;
    next_ -= begin_;
    buffer_offset_ += begin_;
    begin_ = 0;
  }
  if (filled_ == buffer_.size()) {
    if (filled_ >= kMostRecordBytes)
      fail(fmt::format("a record longer than {} MiB begins here{}", kMostRecordBytes >> 20,
                       form_.quotes ? " (is a quote missing?)" : ""));
    buffer_.resize(2 * filled_);
  }
  const std::size_t got = source_.read(std::as_writable_bytes(std::span(buffer_).subspan(filled_)));
  filled_ += got;
  bytes_ += got;
  return got > 0;
}

void RecordReader::seek(std::uint64_t offset, std::uint64_t line, bool inside_quotes) {
  source_.seek(offset);
  buffer_.resize(kFirstBuffer);  // after a long record it would be filled by a long way beyond the place
  buffer_offset_ = offset;
  begin_ = end_ = next_ = filled_ = 0;
  bytes_ = 0;
  again_ = false;
  line_ = line + 1;
  bool inside = inside_quotes;
  while (this->offset() <= stop_ && (begin_ < filled_ || more())) {
    const char byte = buffer_[begin_++];
    next_ = begin_;
    if (form_.quotes && byte == '"') inside = !inside;
    if (byte != '\n') continue;
    ++line_;
    if (!inside) break;
  }
  next_line_ = line_;
}

// Finds where the record ends that begins at begin_; false if nothing is left.
bool RecordReader::find_end() {
  std::size_t at = 0;  // from begin_ on
  bool inside = false;
  quoted_ = false;
  while (true) {
    const char* text = buffer_.data() + begin_;
    const std::size_t size = filled_ - begin_;
    const auto* line_end = static_cast<const char*>(std::memchr(text + at, '\n', size - at));
    const std::size_t stop = line_end == nullptr ? size : static_cast<std::size_t>(line_end - text);
    if (form_.quotes) {
      const char* quote = text + at;
      while ((quote = static_cast<const char*>(
                  std::memchr(quote, '"', static_cast<std::size_t>(text + stop - quote)))) != nullptr) {
        inside = !inside;
        quoted_ = true;
        ++quote;
      }
    }
    at = stop;
    if (line_end != nullptr) {
      ++next_line_;
      ++at;
      if (inside) continue;
      end_ = begin_ + stop;
      next_ = begin_ + at;
      break;
    }
    if (more()) continue;
    if (filled_ == begin_) return false;
    end_ = next_ = filled_;
    break;
  }
  if (!form_.binary && end_ > begin_ && buffer_[end_ - 1] == '\r') --end_;
  return true;
}

bool RecordReader::is_no_record() const noexcept {
  const std::size_t first = text().find_first_not_of(" \t");
  return first == std::string_view::npos || text()[first] == '#';
}

bool RecordReader::next() {
  if (std::exchange(again_, false)) return true;
  do {
    begin_ = end_ = next_;
    line_ = next_line_;
    if (offset() > stop_ || !find_end()) return false;
  } while (form_.comments && is_no_record());
  if (!form_.binary && std::memchr(buffer_.data() + begin_, '\0', end_ - begin_) != nullptr)
    fail("has a NUL byte (is the text UTF-16, or no text at all?)");
  return true;
}

}  // namespace tutti::io
