#include <tutti/io/importers/text.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <span>
#include <utility>

#include <tutti/io/importers/byte_source.hpp>
#include <tutti/io/importers/text_source.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti::io {

namespace {

class LineSource final : public TextSource {
 public:
  explicit LineSource(const TextOptions& options) : TextSource(options.files, {}), options_(options) {}

 private:
  Head read_head(RecordReader&) override { return {}; }
  void use_head(const std::string&) override { fields_ = {{options_.field, DType::u8, {options_.length}}}; }

  std::uint64_t read_samples(std::uint64_t most, SampleBlock& block) override {
    std::vector<std::byte>& out = block.data[0];
    std::uint64_t count = 0;
    for (; count < most && out.size() < kTextBlockBytes && next_record(); ++count) {
      const std::string_view line = record().text();
      if (line.size() > options_.length && !options_.cut)
        record().fail(fmt::format("has {} bytes, more than the {} of a sample; --cut cuts such lines", line.size(),
                                  options_.length));
      const std::size_t row = out.size();
      out.resize(row + options_.length);
      if (!line.empty()) std::memcpy(out.data() + row, line.data(), std::min(line.size(), options_.length));
    }
    return count;
  }

  TextOptions options_;
};

class WindowSource final : public SampleSource {
 public:
  explicit WindowSource(const TextOptions& options)
      : options_(options), fields_{{options.field, DType::u8, {options.length}}} {
    if (options_.stride == 0) options_.stride = options_.length;
  }

  // A pipe is read by rank 0 alone, so only that may look at it.
  void survey(Ranks& ranks) override {
    std::vector<std::uint64_t> sizes;
    bool plain = true;
    agree(ranks, [&] {
      if (ranks.rank() != 0) return;
      plain = std::all_of(options_.files.begin(), options_.files.end(), ByteSource::may_open_twice);
      for (const auto& file : options_.files) {
        if (!plain) return;
        const ByteSource source(file);
        plain = source.seekable();
        sizes.push_back(source.most_bytes().value_or(0));
        if (plain && windows_in(sizes.back()) == 0) fail_short(source, sizes.back());
      }
    });
    if (!plain) sizes.clear();
    sizes_ = ranks.all_gather(sizes).front();
    if (sizes_.empty()) return;
    samples_ = total_ = 0;
    for (const std::uint64_t size : sizes_) {
      *samples_ += windows_in(size);
      *total_ += size;
      left_out_ += left_of(size);
    }
  }

  const std::vector<Field>& fields() const override { return fields_; }
  std::optional<std::uint64_t> samples() const override { return samples_; }

  void skip_to(std::uint64_t first) override {
    while (next_file_ + 1 < sizes_.size() && first >= windows_in(sizes_[next_file_]))
      first -= windows_in(sizes_[next_file_++]);
    open_next();
    if (first > 0) source_->seek(first * options_.stride);
  }

  std::uint64_t read(std::uint64_t most, SampleBlock& block) override {
    std::vector<std::byte>& out = block.data[0];
    std::uint64_t count = 0;
    while (count < most && out.size() < kTextBlockBytes && next_window()) {
      out.insert(out.end(), window_.begin(), window_.end());
      ++count;
    }
    block.samples += count;
    return count;
  }

  std::vector<std::string> notes(Ranks&) override {
    if (left_out_ == 0) return {};
    const char* const place = options_.files.size() == 1 ? "the file" : "files";
    if (left_out_ == 1) return {fmt::format("1 byte at the end of {} fills no window and was left out", place)};
    return {fmt::format("{} bytes at the end of {} fill no window and were left out", left_out_, place)};
  }

  std::uint64_t bytes_read() const override { return bytes_; }
  std::optional<std::uint64_t> bytes_total() const override { return total_; }

 private:
  // Bytes of a file behind its last window.
  std::uint64_t left_of(std::uint64_t size) const {
    return size - (windows_in(size) - 1) * options_.stride - options_.length;
  }

  std::uint64_t windows_in(std::uint64_t size) const {
    return size < options_.length ? 0 : (size - options_.length) / options_.stride + 1;
  }

  [[noreturn]] void fail_short(const ByteSource& source, std::uint64_t size) const {
    source.fail(fmt::format("has {} bytes, fewer than the {} of a sample", size, options_.length));
  }

  void open_next() {
    source_ = std::make_unique<ByteSource>(options_.files[next_file_++]);
    window_.clear();
    began_ = false;
  }

  // Brings the next window into window_, in the next file if need be.
  bool next_window() {
    while (true) {
      if (!source_) {
        if (next_file_ == options_.files.size()) return false;
        open_next();
      }
      if (fill_window()) return true;
      if (!began_) fail_short(*source_, window_.size());
      source_.reset();
    }
  }

  bool fill_window() {
    std::uint64_t gap = 0;
    if (began_) {
      const std::size_t kept = options_.length - std::min<std::uint64_t>(options_.stride, options_.length);
      window_.erase(window_.begin(), window_.end() - static_cast<std::ptrdiff_t>(kept));
      gap = options_.stride - (options_.length - kept);
      const std::uint64_t passed = source_->skip(gap);
      bytes_ += passed;
      if (passed < gap) return end_file(passed);
    }
    const std::vector<std::byte> more = source_->take(options_.length - window_.size());
    window_.insert(window_.end(), more.begin(), more.end());
    bytes_ += more.size();
    if (window_.size() < options_.length) return end_file(gap + more.size());
    began_ = true;
    return true;
  }

  // What is left out of plain files is known before they are read.
  bool end_file(std::uint64_t left) {
    if (sizes_.empty() && began_) left_out_ += left;
    return false;
  }

  TextOptions options_;
  std::vector<Field> fields_;
  std::vector<std::uint64_t> sizes_;  // of files, if all are plain
  std::optional<std::uint64_t> samples_;
  std::optional<std::uint64_t> total_;
  std::uint64_t left_out_ = 0;  // bytes at the end of files
  std::size_t next_file_ = 0;
  std::unique_ptr<ByteSource> source_;
  std::vector<std::byte> window_;
  bool began_ = false;  // whether a window of this file has been read
  std::uint64_t bytes_ = 0;
};

}  // namespace

std::unique_ptr<SampleSource> open_text(const TextOptions& options) {
  if (options.length == 0) throw InvalidArgument("samples of text have a length of 0 bytes");
  if (options.files.empty()) throw InvalidArgument("no file is given");
  if (options.lines) return std::make_unique<LineSource>(options);
  return std::make_unique<WindowSource>(options);
}

}  // namespace tutti::io
