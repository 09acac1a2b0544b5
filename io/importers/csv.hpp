// Imports CSV: text of records, one a line, of as many fields each, with commas or another delimiter between (RFC
// 4180).
//
// Read are LF and CRLF as line ends, a missing one at the end, quoted fields with delimiters, line ends and doubled
// quotes in them, a UTF-8 mark and a line "sep=;" in front. Refused are rows of another length, empty lines, quotes
// inside unquoted fields, text behind a closing quote, lone carriage returns, NUL bytes, UTF-16.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <tutti/io/import.hpp>
#include <tutti/io/importers/text_source.hpp>
#include <tutti/kernels/dtype.hpp>

namespace tutti::io {

/// Whether a character may stand between values: none that numbers have, no quote, no line end, no NUL.
bool is_csv_delimiter(char character);

struct CsvOptions {
  std::vector<std::filesystem::path> files = {};  ///< one after another, with equal headers; "-" is standard input
  std::optional<char> delimiter = {};             ///< a comma, or what a line "sep=" says; is_csv_delimiter()

  /// Whether the first record names the columns. `checked`: it must, and is refused if a number or nothing is in it.
  enum class Header : unsigned char { checked, yes, no } header = Header::checked;

  // ---- Columns, by their name in the header or by their number from 1 on; "3-7" is five of them
  std::string label = {};                 ///< of classes; empty: none
  std::vector<std::string> targets = {};  ///< numbers to predict; empty: none
  std::vector<std::string> columns = {};  ///< of the input, in this order; empty: all others, in the order of the file

  // ---- Values
  std::string field = "input";                ///< name of the field that the columns make
  DType dtype = DType::f32;                   ///< f32 or f64
  bool trim = false;                          ///< whether spaces and tabs around values are left out
  std::optional<double> missing = {};         ///< stands for a value that is not there; nothing: that is an error
  std::vector<std::string> missing_tokens{};  ///< what says so, besides an empty field
  std::vector<std::string> label_names = {};  ///< labels are these words, the first being class 0
  bool sort_label_names = false;              ///< labels are words; classes are numbered in their order by bytes
  std::size_t classes = 0;                    ///< 0: largest label + 1
};

/// Samples of the fields `field` (dtype, {columns}), and, if asked for, "label" (i64, {}) and "target" (dtype, {} or
/// {targets}). \throws DataError naming file, line and column.
std::unique_ptr<TextSource> open_csv(const CsvOptions& options);

}  // namespace tutti::io
