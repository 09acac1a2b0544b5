// What the importers of text have in common: files one after another, cut into records, a sample each.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <tutti/io/import.hpp>
#include <tutti/io/importers/record_index.hpp>
#include <tutti/io/importers/record_reader.hpp>

namespace tutti::io {

/// How much of samples read() makes at once, about.
constexpr std::size_t kTextBlockBytes = std::size_t{4} << 20;

/// Plain files are surveyed by all ranks together, so the number of samples is known and each rank reads its own. If
/// one is a pipe or compressed, rank 0 reads all of them once, in order.
class TextSource : public SampleSource {
 public:
  /// \throws InvalidArgument if there are no files, or standard input ("-") is among several.
  TextSource(std::vector<std::filesystem::path> files, RecordForm form);

  void survey(Ranks& ranks) override;
  const std::vector<Field>& fields() const override { return fields_; }
  std::optional<std::uint64_t> samples() const override { return samples_; }
  void skip_to(std::uint64_t first) override;
  std::uint64_t read(std::uint64_t most, SampleBlock& block) override;
  std::uint64_t bytes_read() const override { return bytes_ + (reader_ ? reader_->bytes() : 0); }
  std::optional<std::uint64_t> bytes_total() const override { return bytes_total_; }

  /// For tests: the size of the blocks that ranks look through.
  void use_blocks_of(std::size_t bytes) noexcept { block_bytes_ = bytes; }

 protected:
  /// Reads the records in front of the first sample, and describes the file by them and by the first sample, which is
  /// left to be read. Called for each file that a rank opens, for the first one on rank 0 before anything else.
  struct Head {
    std::uint64_t records = 0;  ///< in front of the first sample
    std::string description;    ///< what all ranks get to know of the first file
  };
  virtual Head read_head(RecordReader& reader) = 0;

  /// Fills fields_. Called once on all ranks, with what the head of the first file says.
  virtual void use_head(const std::string& description) = 0;

  /// \throws DataError if another file does not go with the first.
  virtual void require_alike(const std::string& /*first*/, const std::string& /*other*/, const RecordReader&) const {}

  /// Called for each record of this rank's part while the records are counted, for a form without quotes.
  virtual void inspect(const RecordReader& /*record*/) {}

  /// Collective, at the end of survey(); files_are_plain() says whether inspect() was called.
  virtual void finish_survey(Ranks& /*ranks*/) {}

  /// Adds up to `most` samples to a block, calling next_record() for each.
  virtual std::uint64_t read_samples(std::uint64_t most, SampleBlock& block) = 0;

  /// Goes to the next record, in the next file if need be; false after the last.
  bool next_record() { return (reader_ && reader_->next()) || next_in_another_file(); }
  const RecordReader& record() const { return *reader_; }
  void put_back() { reader_->back(); }  ///< next_record() gives the same record again

  /// Starts anew from `first`. Requires files_are_plain().
  void restart(std::uint64_t first);
  bool files_are_plain() const noexcept { return index_ != nullptr; }

  std::vector<Field> fields_;

 private:
  bool next_in_another_file();
  std::uint64_t open(std::size_t file);
  void count_samples(Ranks& ranks);

  std::vector<std::filesystem::path> files_;
  RecordForm form_;
  std::size_t block_bytes_ = std::size_t{1} << 20;
  std::string head_;  // of the first file
  bool headed_ = false;
  std::unique_ptr<RecordIndex> index_;
  std::vector<std::uint64_t> lead_;  // records that are no samples, by file
  std::optional<std::uint64_t> samples_;
  std::optional<std::uint64_t> bytes_total_;
  std::unique_ptr<RecordReader> reader_;  // of the file before next_file_
  std::size_t next_file_ = 0;
  std::uint64_t bytes_ = 0;  // of the readers before
};

/// Collective: what rank 0 has.
std::string from_first_rank(Ranks& ranks, const std::string& text);

/// Collective: what all have, by rank.
std::vector<std::string> from_all_ranks(Ranks& ranks, const std::string& text);

/// A piece of the input as messages quote it: printable, in quotes and not too long.
std::string quoted_piece(std::string_view text);

}  // namespace tutti::io
