#include <tutti/io/importers/record_index.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>
#include <memory>
#include <optional>
#include <span>

#include <tutti/io/importers/byte_source.hpp>
#include <tutti/io/sampler.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti::io {

namespace {

namespace fs = std::filesystem;

// What a rank finds in a block, as numbers that ranks exchange.
struct Count {
  std::uint64_t lines = 0;                        // that end
  std::array<std::uint64_t, 2> records = {0, 0};  // that begin; the first if the block begins outside of quotes
  std::uint64_t quotes = 0;                       // modulo 2
};
constexpr std::size_t kWords = 4;

std::uint64_t occurrences(std::string_view text, char byte) {
  return static_cast<std::uint64_t>(std::count(text.begin(), text.end(), byte));
}

void add(Count& count, std::string_view text, bool quotes) {
  constexpr std::size_t kPiece = 4096;  // one without quotes is counted several times as fast
  for (; !text.empty(); text.remove_prefix(std::min(kPiece, text.size()))) {
    std::string_view piece = text.substr(0, kPiece);
    while (true) {
      const std::size_t quote = quotes ? piece.find('"') : std::string_view::npos;
      const std::uint64_t lines = occurrences(piece.substr(0, quote), '\n');
      count.lines += lines;
      count.records[count.quotes] += lines;
      if (quote == std::string_view::npos) break;
      count.quotes ^= 1;
      piece.remove_prefix(quote + 1);
    }
  }
}

// Line ends from `begin` to before `end`; those that are no line ends, lying between quotes, begin no record.
Count count_line_ends(ByteSource& source, std::uint64_t begin, std::uint64_t end, bool quotes,
                      std::vector<char>& buffer) {
  buffer.resize(std::max(buffer.size(), end - begin));
  source.seek(begin);
  const auto block = std::span(buffer).first(end - begin);
  if (source.read(std::as_writable_bytes(block)) < block.size()) source.fail("became shorter while it was read");
  Count count;
  add(count, {block.data(), block.size()}, quotes);
  return count;
}

// Records that begin behind the line ends from `begin` to before `end`.
Count count_records(RecordReader& reader, std::uint64_t begin, std::uint64_t end, const RecordIndex::Inspect& inspect) {
  reader.stop_behind(end);
  if (begin > 0) reader.seek(begin, 0, false);
  Count count;
  while (reader.next()) {
    ++count.records[0];
    inspect(reader);
  }
  return count;
}

}  // namespace

RecordIndex::RecordIndex(const std::vector<fs::path>& files, RecordForm form, Ranks& ranks, const Inspect& inspect,
                         std::size_t block_bytes) {
  constexpr std::size_t kLeast = 4;  // more than a UTF-8 mark, and only the first block begins at 0
  block_bytes = std::max(block_bytes, kLeast);
  std::uint64_t blocks = 0;
  for (const fs::path& file : files) {
    const std::uint64_t bytes = agree(ranks, [&] { return ByteSource(file).most_bytes().value_or(0); });
    files_.push_back({.bytes = bytes, .records = 0, .blocks = {}});
    for (std::uint64_t at = 0; at < bytes; at += block_bytes, ++blocks)
      files_.back().blocks.push_back({.begin = at == 0 ? 0 : at - 1});
  }
  const Range own = part_of({0, blocks}, ranks.rank(), ranks.size());
  std::vector<std::uint64_t> counts;
  counts.reserve(own.size() * kWords);
  agree(ranks, [&] {
    std::vector<char> buffer;
    std::uint64_t next = 0;
    for (std::size_t f = 0; f < files.size(); ++f) {
      const File& file = files_[f];
      std::optional<ByteSource> source;
      std::optional<RecordReader> reader;
      for (std::size_t b = 0; b < file.blocks.size(); ++b, ++next) {
        if (next < own.first || next >= own.last) continue;
        const std::uint64_t begin = file.blocks[b].begin;
        // The last byte is not counted: a line end there is that of the last record.
        const std::uint64_t end = b + 1 < file.blocks.size() ? file.blocks[b + 1].begin : file.bytes - 1;
        if (!source) source.emplace(files[f], ByteSource::Content::as_it_is);
        Count count = count_line_ends(*source, begin, end, form.quotes, buffer);
        if (form.comments) {
          if (!reader || begin == 0) reader.emplace(files[f], form);
          count.records = count_records(*reader, begin, end, inspect).records;
        } else if (begin == 0 && RecordReader(files[f], form).next()) {  // more than a UTF-8 mark is in it
          ++count.records[0];
        }
        counts.insert(counts.end(), {count.lines, count.records[0], count.records[1], count.quotes});
      }
    }
  });
  std::vector<std::uint64_t> all;
  for (const auto& part : ranks.all_gather(counts)) all.insert(all.end(), part.begin(), part.end());
  const std::uint64_t* count = all.data();
  for (File& file : files_) {
    Block state;
    for (Block& block : file.blocks) {
      state.begin = block.begin;
      block = state;
      state.lines += count[0];
      state.records += count[state.inside_quotes ? 2 : 1];
      if (count[3] != 0) state.inside_quotes = !state.inside_quotes;
      count += kWords;
    }
    file.records = state.records;
  }
}

void RecordIndex::seek(std::size_t file, RecordReader& reader, std::uint64_t record, std::uint64_t consumed) const {
  const std::vector<Block>& blocks = files_[file].blocks;
  const auto after = std::upper_bound(blocks.begin(), blocks.end(), record,
                                      [](std::uint64_t value, const Block& block) { return value < block.records; });
  const Block& block = *std::prev(after);
  // A block may begin with the rest of a record in which other blocks lie: all of them have the same count, and the
  // last of them is the one that the record begins behind.
  if (block.begin > 0) reader.seek(block.begin, block.lines, block.inside_quotes);
  for (std::uint64_t at = block.begin > 0 ? block.records : consumed; at < record; ++at)
    static_cast<void>(reader.next());
}

}  // namespace tutti::io
