#include <tutti/io/importers/csv.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <set>
#include <type_traits>
#include <utility>

#include <tutti/io/importers/csv_cells.hpp>
#include <tutti/io/importers/numbers.hpp>
#include <tutti/io/sampler.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::io {

namespace {

constexpr std::size_t kMostNames = 100000;

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  return first == std::string_view::npos ? std::string_view{}
                                         : text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

class CsvSource final : public TextSource {
 public:
  explicit CsvSource(const CsvOptions& options)
      : TextSource(options.files, {.quotes = true}), options_(options), labels_(options.classes) {
    if (options_.dtype != DType::f32 && options_.dtype != DType::f64)
      throw InvalidArgument("numbers of CSV are read as f32 or f64");
    if (options_.label.empty() && (options_.sort_label_names || !options_.label_names.empty()))
      throw InvalidArgument("names of labels are given, but no column of labels");
    if (options_.delimiter && !is_csv_delimiter(*options_.delimiter))
      throw InvalidArgument(
          fmt::format("{} cannot be between values, which may have it", quoted_piece({&*options_.delimiter, 1})));
    if (options_.missing && options_.dtype == DType::f32 &&
        std::fabs(*options_.missing) > std::numeric_limits<float>::max())
      throw InvalidArgument(
          fmt::format("{} cannot stand for missing values: it is beyond the range of f32", *options_.missing));
    for (const std::string& token : options_.missing_tokens) {
      double number = 0;
      if (read_number(token.data(), token.data() + token.size(), number).problem != NumberProblem::no_number)
        a_number_may_be_missing_ = true;
    }
  }

  const ClassLabels* labels() const override { return options_.label.empty() ? nullptr : &labels_; }
  std::vector<std::string> class_names() const override { return options_.label_names; }

 private:
  enum class Role : std::uint8_t { none, input, target, label };
  struct Column {
    Role role = Role::none;
    std::size_t slot = 0;
  };

  // ---- Before the first sample

  Head read_head(RecordReader& reader) override {
    Head head;
    char delimiter = options_.delimiter.value_or(',');
    if (!reader.next()) reader.fail("the file is empty");
    if (reader.text().starts_with("sep=") && reader.text().size() == 5) {
      const char said = reader.text()[4];
      if (options_.delimiter && *options_.delimiter != said)
        reader.fail(fmt::format("says that {} is between values, not {}", quoted_piece({&said, 1}),
                                quoted_piece({&*options_.delimiter, 1})));
      if (!is_csv_delimiter(said))
        reader.fail(fmt::format("says that {} is between values, which may have it", quoted_piece({&said, 1})));
      delimiter = said;
      ++head.records;
      if (!reader.next()) reader.fail("the file ends after 'sep='");
    }
    const std::vector<std::string> cells = cells_of(reader, delimiter);
    if (options_.header == CsvOptions::Header::checked) require_header(reader, cells);
    head.description = delimiter;
    for (const std::string& cell : cells) head.description += '\0' + cell;
    if (options_.header == CsvOptions::Header::no)
      reader.back();
    else
      ++head.records;
    return head;
  }

  static void require_header(const RecordReader& reader, const std::vector<std::string>& cells) {
    for (std::size_t c = 0; c < cells.size(); ++c) {
      const std::string_view cell = trimmed(cells[c]);
      double number = 0;
      const char* end = cell.data() + cell.size();
      const NumberRead read = read_number(cell.data(), end, number);
      if (!cell.empty() && (read.problem == NumberProblem::no_number || read.end != end)) continue;
      reader.fail(
          fmt::format("column {} of the first record {}: is this line a header? --header yes takes it for "
                      "one, --header no for data",
                      c + 1, cell.empty() ? "is empty" : fmt::format("is {}", quoted_piece(cell))));
    }
  }

  static std::vector<std::string> cells_in(const std::string& description) {
    std::vector<std::string> cells;
    for (std::size_t at = 1; at < description.size();) {
      const std::size_t end = std::min(description.find('\0', at + 1), description.size());
      cells.push_back(description.substr(at + 1, end - at - 1));
      at = end;
    }
    return cells;
  }

  void use_head(const std::string& description) override {
    delimiter_ = description.front();
    std::vector<std::string> cells = cells_in(description);
    columns_.assign(cells.size(), {});
    const bool header = options_.header != CsvOptions::Header::no;
    names_ = CsvColumns(ByteSource::name_of(options_.files.front()), columns_.size(),
                        header ? std::move(cells) : std::vector<std::string>{});
    if (!options_.label.empty()) assign({options_.label}, Role::label);
    const std::size_t targets = assign(options_.targets, Role::target);
    inputs_ = options_.columns.empty() ? assign_rest() : assign(options_.columns, Role::input);
    if (inputs_ == 0)
      throw DataError(fmt::format("{}: there is no column for the input besides those to predict",
                                  ByteSource::name_of(options_.files.front())));
    fields_ = {{options_.field, options_.dtype, {inputs_}}};
    if (!options_.label.empty()) fields_.push_back({"label", DType::i64, {}});
    if (targets > 0)
      fields_.push_back(
          {"target", options_.dtype, targets == 1 ? std::vector<std::size_t>{} : std::vector<std::size_t>{targets}});
    name_classes();
  }

  std::size_t assign(const std::vector<std::string>& wanted, Role role) {
    const std::vector<std::size_t> found = names_.find(wanted);
    if (role == Role::label && found.size() != 1) throw InvalidArgument("the label is not one column");
    for (std::size_t i = 0; i < found.size(); ++i) {
      Column& column = columns_[found[i]];
      if (column.role != Role::none)
        throw DataError(fmt::format("{}: {} is wanted for two things", ByteSource::name_of(options_.files.front()),
                                    names_.name(found[i])));
      column = {.role = role, .slot = i};
    }
    return found.size();
  }

  std::size_t assign_rest() {
    std::size_t count = 0;
    for (Column& column : columns_)
      if (column.role == Role::none) column = {.role = Role::input, .slot = count++};
    return count;
  }

  void require_alike(const std::string& first, const std::string& other, const RecordReader& reader) const override {
    const std::vector<std::string> mine = cells_in(other);
    const std::vector<std::string> theirs = cells_in(first);
    const std::string file = ByteSource::name_of(options_.files.front());
    if (other.front() != first.front()) reader.fail("has another delimiter than " + file);
    if (mine.size() != theirs.size())
      reader.fail(fmt::format("has {} columns, but {} has {}", mine.size(), file, theirs.size()));
    if (options_.header == CsvOptions::Header::no) return;
    for (std::size_t c = 0; c < mine.size(); ++c)
      if (mine[c] != theirs[c])
        reader.fail(fmt::format("the header calls column {} {}, but in {} it is {}", c + 1, quoted_piece(mine[c]), file,
                                quoted_piece(theirs[c])));
  }

  // ---- Labels that are words

  void name_classes() {
    if (options_.label_names.empty()) return;
    sorted_names_.clear();
    for (std::size_t i = 0; i < options_.label_names.size(); ++i)
      sorted_names_.emplace_back(options_.label_names[i], static_cast<std::int64_t>(i));
    std::sort(sorted_names_.begin(), sorted_names_.end());
    for (std::size_t i = 1; i < sorted_names_.size(); ++i)
      if (sorted_names_[i].first == sorted_names_[i - 1].first)
        throw InvalidArgument(fmt::format("the name of class '{}' is given twice", printable(sorted_names_[i].first)));
    if (options_.classes == 0) labels_ = ClassLabels(options_.label_names.size());
  }

  void finish_survey(Ranks& ranks) override {
    if (!options_.sort_label_names) return;
    std::set<std::string> names;
    agree(ranks, [&] {
      if (!files_are_plain())
        throw InvalidArgument(
            "the names of classes can be gathered from plain files only, not from pipes or compressed ones; give them "
            "in a list");
      const Range own = part_of({0, *samples()}, ranks.rank(), ranks.size());
      if (own.size() > 0) restart(own.first);
      for (std::uint64_t i = 0; i < own.size() && next_record(); ++i) {
        names.insert(label_word());
        if (names.size() > kMostNames) fail(label_column(), "has more than 100000 different labels");
      }
      restart(0);
    });
    std::string mine;
    for (const std::string& name : names) mine += name + '\0';
    for (const std::string& theirs : from_all_ranks(ranks, mine))
      for (std::size_t at = 0; at < theirs.size(); at = theirs.find('\0', at) + 1)
        names.insert(theirs.substr(at, theirs.find('\0', at) - at));
    options_.label_names.assign(names.begin(), names.end());
    name_classes();
  }

  std::size_t label_column() const {
    const auto is_label = [](const Column& column) { return column.role == Role::label; };
    return static_cast<std::size_t>(std::find_if(columns_.begin(), columns_.end(), is_label) - columns_.begin());
  }

  std::string label_word() {
    const std::vector<std::string> cells = cells_of(record(), delimiter_);
    const std::size_t column = label_column();
    if (column >= cells.size()) fail_length(cells.size());
    const std::string_view word = options_.trim ? trimmed(cells[column]) : std::string_view(cells[column]);
    if (is_missing(word)) fail(column, "the label is missing");
    if (!is_utf8(word)) fail(column, fmt::format("{} is no UTF-8", quoted_piece(word)));
    return std::string(word);
  }

  // ---- Samples

  std::uint64_t read_samples(std::uint64_t most, SampleBlock& block) override {
    return options_.dtype == DType::f32 ? read_as<float>(most, block) : read_as<double>(most, block);
  }

  template <class T>
  std::uint64_t read_as(std::uint64_t most, SampleBlock& block) {
    std::vector<std::size_t> before(fields_.size());
    most = std::min<std::uint64_t>(most, std::max<std::size_t>(1, kTextBlockBytes / fields_[0].sample_bytes()));
    for (std::size_t f = 0; f < fields_.size(); ++f) {
      before[f] = block.data[f].size();
      block.data[f].resize(before[f] + most * fields_[f].sample_bytes());
    }
    std::uint64_t count = 0;
    for (; count < most && next_record(); ++count) {
      std::byte* rows[3] = {};
      for (std::size_t f = 0; f < fields_.size(); ++f)
        rows[f] = block.data[f].data() + before[f] + count * fields_[f].sample_bytes();
      parse<T>(rows[0], rows[1], rows[fields_.size() - 1]);
    }
    for (std::size_t f = 0; f < fields_.size(); ++f)
      block.data[f].resize(before[f] + count * fields_[f].sample_bytes());
    return count;
  }

  template <class T>
  void parse(std::byte* input, std::byte* label, std::byte* target) {
    const char* at = record().text().data();
    const char* const end = at + record().text().size();
    if (at == end && columns_.size() > 1) record().fail("is empty");
    const bool quoted = record().quoted();
    for (std::size_t c = 0; c < columns_.size(); ++c) {
      const Column column = columns_[c];
      if (column.role == Role::input || column.role == Role::target) {
        T value{};
        const NumberRead number = read_number(at, end, value);
        if (number.problem == NumberProblem::none && !a_number_may_be_missing_ &&
            (number.end == end || *number.end == delimiter_))
          at = number.end;
        else
          value = slow_number<T>(c, at, end);
        std::memcpy((column.role == Role::input ? input : target) + column.slot * sizeof(T), &value, sizeof(T));
      } else if (column.role == Role::label) {
        const std::int64_t value = label_in(c, at, end);
        std::memcpy(label, &value, sizeof(value));
      } else if (quoted) {
        static_cast<void>(cell(c, at, end));
      } else {
        const void* found = at == end ? nullptr : std::memchr(at, delimiter_, static_cast<std::size_t>(end - at));
        at = found == nullptr ? end : static_cast<const char*>(found);
      }
      if (c + 1 == columns_.size()) break;
      if (at == end) fail_length(c + 1);
      ++at;
    }
    if (at != end) fail_length(cells_of(record(), delimiter_).size());
  }

  std::string_view cell(std::size_t column, const char*& at, const char* end) {
    const char* problem = nullptr;
    const std::string_view value = take_cell(at, end, delimiter_, scratch_, problem);
    if (problem != nullptr) fail(column, problem);
    return options_.trim ? trimmed(value) : value;
  }

  bool is_missing(std::string_view value) const {
    return value.empty() || std::find(options_.missing_tokens.begin(), options_.missing_tokens.end(), value) !=
                                options_.missing_tokens.end();
  }

  template <class T>
  T slow_number(std::size_t column, const char*& at, const char* end) {
    const std::string_view text = cell(column, at, end);
    if (is_missing(text)) {
      const bool input = columns_[column].role == Role::input;
      if (options_.missing && input) return static_cast<T>(*options_.missing);
      fail(column, (text.empty() ? "is empty" : fmt::format("{} says that it is missing", quoted_piece(text))) +
                       (input ? "; --missing says what it becomes" : ""));
    }
    T value{};
    const NumberRead number = read_number(text.data(), text.data() + text.size(), value);
    const bool whole = number.end == text.data() + text.size();
    if (number.problem == NumberProblem::none && whole) return value;
    const NumberProblem problem = whole ? number.problem : NumberProblem::no_number;
    fail(column, fmt::format("{} {}{}", quoted_piece(text), words_of(problem, std::is_same_v<T, float>), hint(text)));
  }

  // What the user may not have thought of.
  std::string hint(std::string_view text) const {
    if (trimmed(text).size() < text.size() && !options_.trim) return "; --trim leaves out spaces around values";
    if (options_.header == CsvOptions::Header::no && record().line() == 1) return "; --header yes, if it is a header";
    return {};
  }

  std::int64_t label_in(std::size_t column, const char*& at, const char* end) {
    const std::string_view text = cell(column, at, end);
    if (is_missing(text)) fail(column, "the label is missing");
    std::int64_t value = -1;
    if (!sorted_names_.empty()) {
      const auto found = std::lower_bound(sorted_names_.begin(), sorted_names_.end(), text,
                                          [](const auto& name, std::string_view word) { return name.first < word; });
      if (found == sorted_names_.end() || found->first != text)
        fail(column,
             fmt::format("label {} is none of the {} names of classes", quoted_piece(text), sorted_names_.size()));
      value = found->second;
    } else if (read_integer(text, value) != NumberProblem::none) {
      fail(column, fmt::format("label {} is no integer; --label-names reads words{}", quoted_piece(text), hint(text)));
    }
    labels_.see(value, [&] { return record().place() + ", " + names_.name(column); });
    return value;
  }

  [[noreturn]] void fail(std::size_t column, const std::string& what) const {
    throw DataError(fmt::format("{}, {}: {}", record().place(), names_.name(column), what));
  }

  [[noreturn]] void fail_length(std::size_t cells) const {
    record().fail(fmt::format("has {} columns instead of {}", cells, columns_.size()));
  }

  CsvOptions options_;
  ClassLabels labels_;
  bool a_number_may_be_missing_ = false;  // "-999"
  char delimiter_ = ',';
  CsvColumns names_;
  std::vector<Column> columns_;
  std::size_t inputs_ = 0;
  std::vector<std::pair<std::string, std::int64_t>> sorted_names_;
  std::string scratch_;
};

}  // namespace

bool is_csv_delimiter(char character) {
  const bool letter = (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z');
  const bool digit = character >= '0' && character <= '9';
  constexpr std::string_view kOthers("+-.\"\r\n\0", 7);
  return !letter && !digit && kOthers.find(character) == std::string_view::npos;
}

std::unique_ptr<TextSource> open_csv(const CsvOptions& options) { return std::make_unique<CsvSource>(options); }

}  // namespace tutti::io
