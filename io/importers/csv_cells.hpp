// The cells of a record of CSV, and columns by their names.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <tutti/io/importers/record_reader.hpp>

namespace tutti::io {

/// The cell of a record that begins at `at`, which is then where it ends: at a delimiter or at the end of the record.
/// Returns its value, unquoted if need be, in the record or in `scratch`; what is wrong with its quotes in `problem`.
std::string_view take_cell(const char*& at, const char* end, char delimiter, std::string& scratch,
                           const char*& problem);

/// All cells of a record. \throws DataError naming file, line and column.
std::vector<std::string> cells_of(const RecordReader& record, char delimiter);

/// The columns of a file, with or without names.
class CsvColumns {
 public:
  CsvColumns() = default;
  CsvColumns(std::string file, std::size_t count, std::vector<std::string> names);

  std::size_t count() const noexcept { return count_; }

  /// "column 3 ('age')", counted from 1
  std::string name(std::size_t column) const;

  /// Columns, counted from 0, that are named, or given as numbers from 1 on or ranges of them. \throws DataError for
  /// one that does not exist, is ambiguous or comes twice.
  std::vector<std::size_t> find(const std::vector<std::string>& wanted) const;

 private:
  void find_one(const std::string& wanted, std::vector<std::size_t>& found) const;
  std::size_t by_number(std::string_view digits) const;

  std::string file_;
  std::size_t count_ = 0;
  std::vector<std::string> names_;
};

}  // namespace tutti::io
