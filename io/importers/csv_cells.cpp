#include <tutti/io/importers/csv_cells.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/names.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::io {

namespace {

std::string_view take_quoted(const char*& at, const char* end, char delimiter, std::string& scratch,
                             const char*& problem) {
  const char* begin = ++at;
  bool doubled = false;
  while (true) {
    const void* found = at == end ? nullptr : std::memchr(at, '"', static_cast<std::size_t>(end - at));
    if (found == nullptr) {
      problem = "the quote that begins the value is not closed";
      return {};
    }
    at = static_cast<const char*>(found) + 1;
    if (at == end || *at != '"') break;
    ++at;
    doubled = true;
  }
  const std::string_view inside(begin, static_cast<std::size_t>(at - 1 - begin));
  if (at != end && *at != delimiter) problem = "text follows the quote that closes the value";
  if (!doubled) return inside;
  scratch.clear();
  for (std::size_t i = 0; i < inside.size(); ++i) {
    scratch += inside[i];
    if (inside[i] == '"') ++i;
  }
  return scratch;
}

}  // namespace

std::string_view take_cell(const char*& at, const char* end, char delimiter, std::string& scratch,
                           const char*& problem) {
  if (at != end && *at == '"') return take_quoted(at, end, delimiter, scratch, problem);
  const char* begin = at;
  const void* found = at == end ? nullptr : std::memchr(at, delimiter, static_cast<std::size_t>(end - at));
  at = found == nullptr ? end : static_cast<const char*>(found);
  const std::string_view cell(begin, static_cast<std::size_t>(at - begin));
  if (cell.find('"') != std::string_view::npos) problem = "a quote is inside a value that does not begin with one";
  if (cell.find('\r') != std::string_view::npos)
    problem = "a carriage return (CR) stands without a line feed (LF); lines end with LF or CRLF";
  return cell;
}

std::vector<std::string> cells_of(const RecordReader& record, char delimiter) {
  std::vector<std::string> cells;
  std::string scratch;
  const char* at = record.text().data();
  const char* end = at + record.text().size();
  while (true) {
    const char* problem = nullptr;
    const std::string_view cell = take_cell(at, end, delimiter, scratch, problem);
    if (problem != nullptr)
      throw DataError(fmt::format("{}, column {}: {}", record.place(), cells.size() + 1, problem));
    cells.emplace_back(cell);
    if (at == end) return cells;
    ++at;
  }
}

CsvColumns::CsvColumns(std::string file, std::size_t count, std::vector<std::string> names)
    : file_(std::move(file)), count_(count), names_(std::move(names)) {}

std::string CsvColumns::name(std::size_t column) const {
  return column < names_.size() ? fmt::format("column {} ('{}')", column + 1, printable(names_[column]))
                                : fmt::format("column {}", column + 1);
}

// 0 if they are no number of a column.
std::size_t CsvColumns::by_number(std::string_view digits) const {
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return error == std::errc() && end == digits.data() + digits.size() && number <= count_ ? number : 0;
}

void CsvColumns::find_one(const std::string& wanted, std::vector<std::size_t>& found) const {
  const auto named = std::find(names_.begin(), names_.end(), wanted);
  if (named != names_.end()) {
    if (std::find(named + 1, names_.end(), wanted) != names_.end())
      throw DataError(fmt::format("{}: several columns have the name '{}'; columns can be given by numbers from 1 on",
                                  file_, printable(wanted)));
    found.push_back(static_cast<std::size_t>(named - names_.begin()));
    return;
  }
  const std::size_t dash = wanted.find('-');
  const std::size_t first = by_number(std::string_view(wanted).substr(0, dash));
  const std::size_t last = dash == std::string::npos ? first : by_number(std::string_view(wanted).substr(dash + 1));
  if (first == 0 || last < first)
    throw DataError(fmt::format("{}: there is no column '{}'; columns are {}the numbers 1 to {}{}", file_,
                                printable(wanted), names_.empty() ? "" : "the names in the header and ", count_,
                                did_you_mean(wanted, names_)));
  for (std::size_t column = first; column <= last; ++column) found.push_back(column - 1);
}

std::vector<std::size_t> CsvColumns::find(const std::vector<std::string>& wanted) const {
  std::vector<std::size_t> found;
  found.reserve(wanted.size());
  for (const std::string& one : wanted) find_one(one, found);
  std::vector<bool> seen(count_);
  for (const std::size_t column : found) {
    if (seen[column]) throw DataError(fmt::format("{}: {} is given twice", file_, name(column)));
    seen[column] = true;
  }
  return found;
}

}  // namespace tutti::io
