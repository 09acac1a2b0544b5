// The file is a sequence of blocks, in the byte order of this machine:
//
//   block := u64 samples; per field: u64 bytes of data, u64 rows, u64 elements; then per field what these count:
//            data, row ends (u64, within the block), columns (u32), values
#include <tutti/io/importers/spool.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <optional>
#include <span>
#include <utility>

#include <tutti/io/importers/byte_source.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/whole_file.hpp>

namespace tutti::io {

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kBlockSamples = 4096;
constexpr std::uint64_t kBlockBytes = std::uint64_t{4} << 20;

template <class T>
std::string_view characters(const std::vector<T>& values) {
  const auto bytes = std::as_bytes(std::span(values));
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

class SpoolSource final : public SampleSource {
 public:
  SpoolSource(const fs::path& file, std::vector<Field> fields, std::uint64_t samples)
      : file_(file, ByteSource::Content::as_it_is),
        fields_(std::move(fields)),
        samples_(samples),
        block_(fields_.size()) {}

  const std::vector<Field>& fields() const override { return fields_; }
  std::optional<std::uint64_t> samples() const override { return samples_; }

  void skip_to(std::uint64_t first) override {
    while (next_ + block_.samples - used_ < first && read_block()) continue;
    used_ += first - next_;
    next_ = first;
  }

  std::uint64_t read(std::uint64_t most, SampleBlock& out) override {
    if (used_ == block_.samples && !read_block()) return 0;
    const std::uint64_t count = std::min(most, block_.samples - used_);
    for (std::size_t f = 0; f < fields_.size(); ++f) {
      if (fields_[f].sparse)
        append_rows(block_.sparse[f], used_, count, size_of(fields_[f].dtype), out.sparse[f]);
      else
        copy_samples(f, count, out.data[f]);
    }
    out.samples += count;
    used_ += count;
    next_ += count;
    return count;
  }

  std::uint64_t bytes_read() const override { return bytes_; }
  std::optional<std::uint64_t> bytes_total() const override { return file_.most_bytes(); }

 private:
  void copy_samples(std::size_t field, std::uint64_t count, std::vector<std::byte>& out) const {
    const std::size_t bytes = fields_[field].sample_bytes();
    const auto piece = std::span(block_.data[field]).subspan(used_ * bytes, count * bytes);
    out.insert(out.end(), piece.begin(), piece.end());
  }

  // What is left of the block before is dropped.
  bool read_block() {
    next_ += block_.samples - used_;
    used_ = 0;
    block_.clear();
    std::vector<std::uint64_t> sizes(1 + 3 * fields_.size());
    if (!fill(sizes)) return false;
    block_.samples = sizes[0];
    for (std::size_t f = 0; f < fields_.size(); ++f) {
      block_.data[f].resize(sizes[1 + 3 * f]);
      SparseRows& rows = block_.sparse[f];
      rows.row_ends.resize(sizes[2 + 3 * f]);
      rows.columns.resize(sizes[3 + 3 * f]);
      rows.values.resize(sizes[3 + 3 * f] * size_of(fields_[f].dtype));
      if (!fill(block_.data[f]) || !fill(rows.row_ends) || !fill(rows.columns) || !fill(rows.values))
        file_.fail("is cut short");
    }
    return true;
  }

  template <class T>
  bool fill(std::vector<T>& values) {
    const auto bytes = std::as_writable_bytes(std::span(values));
    const std::size_t got = file_.read(bytes);
    bytes_ += got;
    if (got != 0 && got < bytes.size()) file_.fail("is cut short");
    return got == bytes.size();
  }

  ByteSource file_;
  std::vector<Field> fields_;
  std::uint64_t samples_;
  SampleBlock block_;
  std::uint64_t used_ = 0;  // samples of the block
  std::uint64_t next_ = 0;
  std::uint64_t bytes_ = 0;
};

void append_block(WholeFile& file, const SampleBlock& block) {
  std::vector<std::uint64_t> sizes{block.samples};
  sizes.reserve(1 + 3 * block.data.size());
  for (std::size_t f = 0; f < block.data.size(); ++f)
    sizes.insert(sizes.end(), {block.data[f].size(), block.sparse[f].row_ends.size(), block.sparse[f].columns.size()});
  file.append(characters(sizes));
  for (std::size_t f = 0; f < block.data.size(); ++f) {
    file.append(characters(block.data[f]));
    file.append(characters(block.sparse[f].row_ends));
    file.append(characters(block.sparse[f].columns));
    file.append(characters(block.sparse[f].values));
  }
}

}  // namespace

std::uint64_t write_spool(SampleSource& source, const fs::path& file,
                          const std::function<void(std::uint64_t samples)>& seen) {
  WholeFile spool(file.string(), Writers::one);
  SampleBlock block(source.fields().size());
  std::uint64_t samples = 0;
  std::uint64_t sample_bytes = 0;
  for (const Field& field : source.fields()) sample_bytes += field.sparse ? 0 : field.sample_bytes();
  const std::uint64_t step =
      std::clamp<std::uint64_t>(kBlockBytes / std::max<std::uint64_t>(1, sample_bytes), 1, kBlockSamples);
  while (true) {
    block.clear();
    while (block.samples < step && source.read(step - block.samples, block) > 0) continue;
    if (block.samples == 0) break;
    append_block(spool, block);
    samples += block.samples;
    seen(samples);
  }
  spool.publish();
  return samples;
}

std::unique_ptr<SampleSource> open_spool(const fs::path& file, std::vector<Field> fields, std::uint64_t samples) {
  return std::make_unique<SpoolSource>(file, std::move(fields), samples);
}

}  // namespace tutti::io
