#include <tutti/io/importers/libsvm.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>

#include <tutti/io/importers/numbers.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti::io {

namespace {

constexpr std::uint64_t kMostFeatures = std::uint64_t{1} << 32;
constexpr std::uint64_t kMostDense = std::uint64_t{1} << 24;  // believed without a word of the user's

bool is_blank(char c) { return c == ' ' || c == '\t'; }

// Where a word ends that begins at `at`.
const char* word_end(const char* at, const char* end) {
  while (at != end && !is_blank(*at)) ++at;
  return at;
}

const char* skip_blanks(const char* at, const char* end) {
  while (at != end && is_blank(*at)) ++at;
  return at;
}

// A comment begins with the first #, wherever it stands.
std::string_view without_comment(std::string_view line) { return line.substr(0, line.find('#')); }

// The last index of a line, which is the largest if the line is in order; nothing if it has none.
std::string_view last_index(std::string_view line) {
  line = without_comment(line);
  const std::size_t colon = line.rfind(':');
  if (colon == std::string_view::npos) return {};
  const std::size_t blank = line.find_last_of(" \t", colon);
  return line.substr(blank + 1, colon - blank - 1);
}

class LibsvmSource final : public TextSource {
 public:
  explicit LibsvmSource(const LibsvmOptions& options)
      : TextSource(options.files, {.comments = true}), options_(options), labels_(options.classes) {
    if (options_.base > 1) throw InvalidArgument("the first index of LIBSVM is 0 or 1");
    if (options_.target && !options_.label_map.empty())
      throw InvalidArgument("labels that are numbers to predict have no classes");
  }

  const ClassLabels* labels() const override { return options_.target ? nullptr : &labels_; }

 private:
  Head read_head(RecordReader& reader) override {
    Head head;
    if (!reader.next()) reader.fail("the file holds no samples");
    const std::string_view line = reader.text();
    const char* end = line.data() + line.size();
    const char* at = skip_blanks(word_end(skip_blanks(line.data(), end), end), end);
    head.description = std::string_view(at, static_cast<std::size_t>(end - at)).starts_with("qid:") ? "qid" : "";
    reader.back();
    return head;
  }

  void use_head(const std::string& description) override { queries_ = description == "qid"; }

  void inspect(const RecordReader& line) override {
    if (options_.features > 0) return;
    const std::string_view digits = last_index(line.text());
    std::uint64_t index = 0;
    if (std::from_chars(digits.data(), digits.data() + digits.size(), index).ec != std::errc()) return;
    if (index < options_.base) return;  // told as an error when the line is read
    if (index - options_.base >= kMostFeatures)
      fail_index(line, static_cast<std::uint64_t>(digits.data() - line.text().data()) + 1, index);
    features_ = std::max(features_, index - options_.base + 1);
  }

  void finish_survey(Ranks& ranks) override {
    if (options_.features > 0) {
      features_ = options_.features;
    } else if (!files_are_plain()) {
      throw InvalidArgument(
          "the number of features is found in plain files only, not in pipes or compressed ones; --features states it");
    }
    for (const auto& theirs : ranks.all_gather({features_})) features_ = std::max(features_, theirs.front());
    if (features_ == 0) agree(ranks, [&] { explain_no_feature(ranks.rank()); });
    if (features_ == 0) throw DataError(fmt::format("{}: no line has a feature", options_.files.front().string()));
    if (options_.dense && options_.features == 0 && features_ > kMostDense)
      throw DataError(
          fmt::format("{}: the largest index would make dense samples of {} features; if so many are meant, "
                      "say so by --features",
                      options_.files.front().string(), features_));
    fields_ = {{options_.field, DType::f32, {features_}, !options_.dense}};
    fields_.push_back(options_.target ? Field{"target", DType::f32, {}} : Field{"label", DType::i64, {}});
    if (queries_) fields_.push_back({"qid", DType::i64, {}});
  }

  std::uint64_t read_samples(std::uint64_t most, SampleBlock& block) override {
    if (options_.dense)
      most = std::min<std::uint64_t>(most, std::max<std::size_t>(1, kTextBlockBytes / fields_[0].sample_bytes()));
    std::uint64_t count = 0;
    for (; count < most && next_record(); ++count) {
      if (block.sparse[0].columns.size() * sizeof(float) > kTextBlockBytes && count > 0) {
        put_back();
        break;
      }
      parse(block);
    }
    return count;
  }

  void parse(SampleBlock& block) {
    begin_ = record().text().data();
    const std::string_view line = without_comment(record().text());
    const char* at = skip_blanks(line.data(), line.data() + line.size());
    const char* const end = line.data() + line.size();
    at = read_label(at, end, block.data[1]);
    at = skip_blanks(at, end);
    const bool has_query = std::string_view(at, static_cast<std::size_t>(end - at)).starts_with("qid:");
    if (has_query != queries_)
      fail(at, has_query ? "has a qid, which the first line has not" : "has no qid, but the first line has one");
    if (has_query) at = skip_blanks(read_query(at + 4, end, block.data[2]), end);
    options_.dense ? read_dense(at, end, block.data[0]) : read_sparse(at, end, block.sparse[0]);
  }

  template <class T>
  static void append(std::vector<std::byte>& to, const T& value) {
    const std::size_t size = to.size();
    to.resize(size + sizeof(T));
    std::memcpy(to.data() + size, &value, sizeof(T));
  }

  const char* read_label(const char* at, const char* end, std::vector<std::byte>& out) {
    const char* const last = word_end(at, end);
    const std::string_view word(at, static_cast<std::size_t>(last - at));
    if (word.find(':') != std::string_view::npos) fail(at, "the line has no label");
    if (options_.target) {
      float value = 0;
      const NumberRead number = read_number(at, last, value);
      if (number.problem != NumberProblem::none || number.end != last)
        fail(at, fmt::format("target {} {}", quoted_piece(word),
                             words_of(number.end == last ? number.problem : NumberProblem::no_number, true)));
      append(out, value);
      return last;
    }
    std::int64_t label = 0;
    if (read_integer(word, label) != NumberProblem::none)
      fail(at, fmt::format("label {} is no integer{}", quoted_piece(word),
                           word.find(',') != std::string_view::npos ? " (samples of several labels are not read)"
                                                                    : "; --target reads numbers"));
    if (!options_.label_map.empty()) {
      const auto mapped = options_.label_map.find(label);
      if (mapped == options_.label_map.end()) fail(at, fmt::format("label {} has no class in --label-map", label));
      label = mapped->second;
    } else if (label < 0) {
      fail(at,
           fmt::format("label {} is below 0, the first class; --label-map gives labels classes, as -1=0,1=1", label));
    }
    labels_.see(label, [&] { return record().place(); });
    append(out, label);
    return last;
  }

  const char* read_query(const char* at, const char* end, std::vector<std::byte>& out) const {
    const char* const last = word_end(at, end);
    const std::string_view word(at, static_cast<std::size_t>(last - at));
    std::int64_t query = 0;
    if (read_integer(word, query) != NumberProblem::none) fail(at, "qid " + quoted_piece(word) + " is no integer");
    append(out, query);
    return last;
  }

  void read_dense(const char* at, const char* end, std::vector<std::byte>& out) const {
    const std::size_t row = out.size();
    out.resize(row + features_ * sizeof(float));
    read_pairs(at, end, [&](std::uint64_t column, float value) {
      std::memcpy(out.data() + row + column * sizeof(float), &value, sizeof(float));
    });
  }

  void read_sparse(const char* at, const char* end, SparseRows& out) const {
    read_pairs(at, end, [&](std::uint64_t column, float value) {
      out.columns.push_back(static_cast<std::uint32_t>(column));
      append(out.values, value);
    });
    out.row_ends.push_back(out.columns.size());
  }

  template <class Take>
  void read_pairs(const char* at, const char* end, Take take) const {
    std::uint64_t least = options_.base;
    while (at != end) {
      std::uint64_t index = 0;
      const auto [colon, error] = std::from_chars(at, end, index);
      if (error != std::errc() || colon == end || *colon != ':') fail_pair(at, end);
      if (index < least) fail_order(at, index, least);
      if (index - options_.base >= features_) fail_far(at, index);
      float value = 0;
      const NumberRead number = read_number(colon + 1, end, value);
      if (number.problem != NumberProblem::none || (number.end != end && !is_blank(*number.end)))
        fail_value(colon + 1, end);
      take(index - options_.base, value);
      least = index + 1;
      at = skip_blanks(number.end, end);
    }
  }

  // ---- What is wrong

  // Text of another kind has no features either: what is wrong with its first line tells more.
  void explain_no_feature(int rank) {
    if (rank != 0) return;
    restart(0);
    if (!next_record()) return;
    begin_ = record().text().data();
    const std::string_view line = without_comment(record().text());
    const char* const end = line.data() + line.size();
    std::vector<std::byte> ignored;
    read_label(skip_blanks(line.data(), end), end, ignored);
  }

  std::uint64_t column_of(const char* at) const { return static_cast<std::uint64_t>(at - begin_) + 1; }

  [[noreturn]] void fail(const char* at, const std::string& what) const {
    throw DataError(fmt::format("{}, column {}: {}", record().place(), column_of(at), what));
  }

  [[noreturn]] void fail_pair(const char* at, const char* end) const {
    const std::string_view word(at, static_cast<std::size_t>(word_end(at, end) - at));
    if (word.starts_with("qid:")) fail(at, "a qid stands behind features or another qid");
    fail(at, quoted_piece(word) + " is no INDEX:VALUE");
  }

  [[noreturn]] void fail_order(const char* at, std::uint64_t index, std::uint64_t least) const {
    if (index < options_.base) fail(at, "index 0 is below the first one, 1; --base 0 if indices begin at 0");
    fail(at, index + 1 == least ? fmt::format("index {} comes twice", index)
                                : fmt::format("index {} comes after {}; indices ascend", index, least - 1));
  }

  // If the number of features was found, all last indices of lines are in range.
  [[noreturn]] void fail_far(const char* at, std::uint64_t index) const {
    if (options_.features == 0) fail(at, fmt::format("index {} comes before smaller ones; indices ascend", index));
    fail_index(record(), column_of(at), index);
  }

  [[noreturn]] void fail_index(const RecordReader& line, std::uint64_t column, std::uint64_t index) const {
    throw DataError(fmt::format("{}, column {}: index {} is out of range: the last of {} features is {}", line.place(),
                                column, index, features_limit(), features_limit() + options_.base - 1));
  }
  std::uint64_t features_limit() const { return features_ > 0 && !fields_.empty() ? features_ : kMostFeatures; }

  [[noreturn]] void fail_value(const char* at, const char* end) const {
    const char* const last = word_end(at, end);
    if (at == last) fail(at, "a value is missing behind its index");
    float value = 0;
    const NumberRead number = read_number(at, last, value);
    fail(at, fmt::format("value {} {}", quoted_piece({at, static_cast<std::size_t>(last - at)}),
                         words_of(number.end == last ? number.problem : NumberProblem::no_number, true)));
  }

  LibsvmOptions options_;
  ClassLabels labels_;
  bool queries_ = false;
  std::uint64_t features_ = 0;
  const char* begin_ = nullptr;  // of the line
};

}  // namespace

std::unique_ptr<TextSource> open_libsvm(const LibsvmOptions& options) {
  return std::make_unique<LibsvmSource>(options);
}

}  // namespace tutti::io
