// The records of a text file: its lines, or, where fields may be quoted, the lines that belong together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include <tutti/io/importers/byte_source.hpp>

namespace tutti::io {

/// How text falls into records. They end with LF or CRLF; the end of the last may be missing.
struct RecordForm {
  bool quotes = false;    ///< a line end between quotes ("), of which there is an even number before, ends nothing
  bool comments = false;  ///< lines that are blank, or whose first character is #, are no records
  bool binary = false;    ///< any byte is text; otherwise no NUL, and no UTF-16, and a UTF-8 mark in front is left out
};

/// Reads forward, from the beginning or from a place that was found before. Holds the current record in memory.
class RecordReader {
 public:
  /// \throws DataError naming the file: as ByteSource, or that it is UTF-16.
  RecordReader(std::filesystem::path file, RecordForm form);

  /// Whether seek() can be called.
  bool seekable() const noexcept { return source_.seekable(); }

  /// Goes to `offset`, where `line` lines have ended before, between quotes or not. The next record is the first one
  /// that begins after it.
  void seek(std::uint64_t offset, std::uint64_t line, bool inside_quotes);

  /// Looks for no record that begins behind `offset` from now on: next() returns false then, without having read on to
  /// find one.
  void stop_behind(std::uint64_t offset) noexcept { stop_ = offset; }

  /// Goes to the next record; false after the last. \throws DataError naming the file, and the line.
  bool next();

  /// Lets the next call of next() give the same record again.
  void back() noexcept { again_ = true; }

  // ---- The record, until the next call
  std::string_view text() const noexcept { return {buffer_.data() + begin_, end_ - begin_}; }  ///< without its line end
  bool quoted() const noexcept { return quoted_; }                                             ///< has quotes in it
  std::uint64_t line() const noexcept { return line_; }  ///< where it begins, from 1
  std::uint64_t offset() const noexcept { return buffer_offset_ + begin_; }

  const std::filesystem::path& file() const noexcept { return source_.file(); }
  std::uint64_t bytes() const noexcept { return bytes_; }  ///< read since the last call of seek()

  /// "data.csv: line 7"
  std::string place() const;

  /// Throws DataError "data.csv: line 7: WHAT".
  [[noreturn]] void fail(const std::string& what) const;

 private:
  void skip_mark();
  bool more();
  bool find_end();
  bool is_no_record() const noexcept;

  ByteSource source_;
  RecordForm form_;
  std::vector<char> buffer_;
  std::uint64_t buffer_offset_ = 0;  // of the buffer in the file
  std::size_t begin_ = 0;            // of the record in the buffer
  std::size_t end_ = 0;
  std::size_t next_ = 0;    // where the record after it begins
  std::size_t filled_ = 0;  // of the buffer
  std::uint64_t stop_ = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t line_ = 1;
  std::uint64_t next_line_ = 1;
  std::uint64_t bytes_ = 0;
  bool quoted_ = false;
  bool again_ = false;
};

}  // namespace tutti::io
