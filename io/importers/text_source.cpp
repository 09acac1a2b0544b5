#include <tutti/io/importers/text_source.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include <tutti/io/importers/byte_source.hpp>
#include <tutti/io/sampler.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::io {

namespace {

namespace fs = std::filesystem;

}  // namespace

std::vector<std::string> from_all_ranks(Ranks& ranks, const std::string& text) {
  std::vector<std::uint64_t> words(1 + (text.size() + 7) / 8, text.size());
  if (!text.empty()) std::memcpy(words.data() + 1, text.data(), text.size());
  std::vector<std::string> texts;
  for (const auto& theirs : ranks.all_gather(words))
    texts.emplace_back(reinterpret_cast<const char*>(theirs.data() + 1), theirs[0]);
  return texts;
}

std::string from_first_rank(Ranks& ranks, const std::string& text) {
  return from_all_ranks(ranks, ranks.rank() == 0 ? text : "").front();
}

std::string quoted_piece(std::string_view text) {
  constexpr std::size_t kMost = 40;
  return fmt::format("'{}'{}", printable(text.substr(0, kMost)), text.size() > kMost ? "..." : "");
}

TextSource::TextSource(std::vector<fs::path> files, RecordForm form) : files_(std::move(files)), form_(form) {
  if (files_.empty()) throw InvalidArgument("no file is given");
  if (files_.size() > 1 && std::count(files_.begin(), files_.end(), fs::path("-")) > 0)
    throw InvalidArgument("standard input, '-', is among several files; it can only be read alone");
}

void TextSource::survey(Ranks& ranks) {
  bool plain = true;
  agree(ranks, [&] {
    if (ranks.rank() != 0) return;
    plain = std::all_of(files_.begin(), files_.end(), ByteSource::may_open_twice);
    open(0);
    plain = plain && reader_->seekable();
    for (std::size_t f = 1; f < files_.size() && plain; ++f) plain = ByteSource(files_[f]).seekable();
  });
  plain = ranks.all_gather({plain ? 1U : 0U}).front().front() != 0;
  head_ = from_first_rank(ranks, head_);
  headed_ = true;
  agree(ranks, [&] { use_head(head_); });
  if (plain) count_samples(ranks);
  finish_survey(ranks);
}

void TextSource::count_samples(Ranks& ranks) {
  const Range own = part_of({0, files_.size()}, ranks.rank(), ranks.size());
  std::vector<std::uint64_t> lead;
  lead.reserve(own.size());
  agree(ranks, [&] {
    for (std::uint64_t f = own.first; f < own.last; ++f) lead.push_back(open(f));
  });
  for (const auto& part : ranks.all_gather(lead)) lead_.insert(lead_.end(), part.begin(), part.end());
  index_ = std::make_unique<RecordIndex>(
      files_, form_, ranks, [this](const RecordReader& reader) { inspect(reader); }, block_bytes_);
  samples_ = 0;
  bytes_total_ = 0;
  for (std::size_t f = 0; f < files_.size(); ++f) {
    *samples_ += index_->records(f) - lead_[f];
    *bytes_total_ += index_->bytes(f);
  }
  if (*samples_ == 0) throw DataError(fmt::format("{}: there are no samples", files_.front().string()));
  restart(0);
}

// Returns how many of the records are no samples.
std::uint64_t TextSource::open(std::size_t file) {
  if (reader_) bytes_ += reader_->bytes();
  reader_.reset();
  reader_ = std::make_unique<RecordReader>(files_[file], form_);
  next_file_ = file + 1;
  Head head = read_head(*reader_);
  if (!headed_)
    head_ = std::move(head.description);
  else if (file > 0)
    require_alike(head_, head.description, *reader_);
  headed_ = true;
  return head.records;
}

bool TextSource::next_in_another_file() {
  while (next_file_ < files_.size()) {
    open(next_file_);
    if (reader_->next()) return true;
  }
  return false;
}

void TextSource::restart(std::uint64_t first) {
  reader_.reset();
  next_file_ = 0;
  bytes_ = 0;
  if (first == 0) return;
  std::size_t file = 0;
  while (file + 1 < files_.size() && first >= index_->records(file) - lead_[file])
    first -= index_->records(file) - lead_[file], ++file;
  const std::uint64_t lead = open(file);
  index_->seek(file, *reader_, lead + first, lead);
  bytes_ = 0;
}

void TextSource::skip_to(std::uint64_t first) { restart(first); }

std::uint64_t TextSource::read(std::uint64_t most, SampleBlock& block) {
  const std::uint64_t count = read_samples(most, block);
  block.samples += count;
  return count;
}

}  // namespace tutti::io
