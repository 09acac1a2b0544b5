// JSON whose mistakes are told with their lines; see json_reader.hpp.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include <tutti/collectives/system/json_reader.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::detail {
namespace {

/// Reads text and tells the parser's place in it, which nlohmann-json's events do not.
class TrackedIterator {
 public:
  using difference_type = std::ptrdiff_t;
  using value_type = char;
  using pointer = const char*;
  using reference = const char&;
  using iterator_category = std::input_iterator_tag;

  TrackedIterator(const char* at, const char** place) : at_(at), place_(place) {}
  reference operator*() const { return *at_; }
  TrackedIterator& operator++() {
    *place_ = ++at_;
    return *this;
  }
  bool operator==(const TrackedIterator& other) const { return at_ == other.at_; }
  bool operator!=(const TrackedIterator& other) const { return at_ != other.at_; }

 private:
  const char* at_;
  const char** place_;
};

[[noreturn]] void refuse_line(const std::string& file, int line, const std::string& why) {
  throw DataError(text(file, ":", line, ": ", why));
}

/// Collects every key with its value and line.
class Collector {
 public:
  Collector(std::string_view content, const std::string& file, const char** place)
      : content_(content), file_(file), place_(place) {}

  std::vector<JsonReader::Entry> entries;

  // ---- Events of nlohmann::json::sax_parse
  bool null() { return put({}); }
  bool boolean(bool value) { return put(value); }
  bool number_integer(std::int64_t value) { return put(static_cast<double>(value), std::to_string(value)); }
  bool number_unsigned(std::uint64_t value) { return put(static_cast<double>(value), std::to_string(value)); }
  bool number_float(double value, const std::string& literal) { return put(value, literal); }
  bool string(std::string& value) { return put(std::move(value)); }
  bool binary(std::vector<std::uint8_t>&) { return put({}); }
  bool start_object(std::size_t) {
    if (scopes_.empty() && entries.empty()) {
      scopes_.emplace_back();
      return true;
    }
    put({});
    entries.back().object = true;
    scopes_.push_back(key_ + ".");
    return true;
  }
  bool key(std::string& key) {
    key_ = scopes_.back() + key;
    const auto same = [&](const JsonReader::Entry& entry) { return entry.key == key_; };
    const auto before = std::find_if(entries.begin(), entries.end(), same);
    if (before != entries.end())
      refuse_line(file_, line(), text('"', key_, "\" is there for the second time, after line ", before->line));
    return true;
  }
  bool end_object() {
    scopes_.pop_back();
    return true;
  }
  bool start_array(std::size_t) {
    if (scopes_.empty()) refuse_line(file_, line(), "not a JSON object");
    refuse_line(file_, line(), text("\"", key_, "\" is an array, which nothing in this format is"));
  }
  bool end_array() { return true; }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& error) {
    const std::string what = error.what();
    const auto begin = what.find("syntax error");
    const auto end = std::min(content_.size(), position == 0 ? 0 : position - 1);
    refuse_line(file_, line_at(end), text("not JSON: ", begin == std::string::npos ? what : what.substr(begin)));
  }

 private:
  bool put(JsonReader::Scalar value, std::string literal = {}) {
    if (scopes_.empty()) refuse_line(file_, line(), "not a JSON object");
    entries.push_back({key_, line(), std::move(value), std::move(literal)});
    return true;
  }

  int line_at(std::size_t end) const {
    return 1 +
           static_cast<int>(std::count(content_.begin(), content_.begin() + static_cast<std::ptrdiff_t>(end), '\n'));
  }

  /// Of the token just read. The parser reads one character behind a number, which may be the end of its line.
  int line() const {
    const auto read = static_cast<std::size_t>(*place_ - content_.data());
    return line_at(read == 0 ? 0 : read - 1);
  }

  std::string_view content_;
  const std::string& file_;
  const char** place_;
  std::vector<std::string> scopes_;  ///< what precedes the keys of each open object
  std::string key_;
};

}  // namespace

JsonReader::JsonReader(std::string_view content, const std::string& file)
    : file_(file), last_line_(1 + static_cast<int>(std::count(content.begin(), content.end(), '\n'))) {
  const char* place = content.data();
  const char* end = content.data() + content.size();
  Collector collector(content, file, &place);
  nlohmann::json::sax_parse(TrackedIterator(content.data(), &place), TrackedIterator(end, &place), &collector);
  entries_ = std::move(collector.entries);
}

template <class T>
const T& JsonReader::get(const Entry& entry, const char* wanted) const {
  const T* value = std::get_if<T>(&entry.value);
  if (value == nullptr) be_told(entry, wanted);
  return *value;
}

const std::string& JsonReader::string(const std::string& key) { return get<std::string>(take(key), "a string"); }

bool JsonReader::boolean(const std::string& key) { return get<bool>(take(key), "true or false"); }

double JsonReader::number(const std::string& key) {
  const Entry& entry = take(key);
  const double value = get<double>(entry, "a number of at least 0");
  if (!(value >= 0 && std::isfinite(value))) be_told(entry, "a number of at least 0");
  return value;
}

int JsonReader::integer(const std::string& key) {
  const Entry& entry = take(key);
  const double value = get<double>(entry, "a whole number");
  if (!(value >= 0 && value <= std::numeric_limits<int>::max() && value == std::floor(value)))
    be_told(entry, "a whole number of at least 0");
  return static_cast<int>(value);
}

void JsonReader::object(const std::string& key) {
  const Entry& entry = take(key);
  if (!entry.object) be_told(entry, "an object");
}

void JsonReader::require_all_taken() const {
  for (const Entry& entry : entries_) {
    if (!entry.taken) refuse_line(file_, entry.line, text("unknown key \"", entry.key, '"'));
  }
}

void JsonReader::refuse(const std::string& key, const std::string& why) const {
  refuse_line(file_, find(key)->line, why);
}

std::vector<JsonReader::Entry>::const_iterator JsonReader::find(const std::string& key) const {
  return std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.key == key; });
}

const JsonReader::Entry& JsonReader::take(const std::string& key) {
  const auto found = find(key);
  if (found == entries_.end()) {
    // The object that lacks it is the nearest place there is to point at.
    const auto owner = find(key.substr(0, key.find('.')));
    refuse_line(file_, owner == entries_.end() ? last_line_ : owner->line, text('"', key, "\" is missing"));
  }
  Entry& entry = entries_[static_cast<std::size_t>(found - entries_.begin())];
  entry.taken = true;
  return entry;
}

void JsonReader::be_told(const Entry& entry, const char* wanted) const {
  std::string found = entry.object ? "an object" : "null";
  if (const auto* flag = std::get_if<bool>(&entry.value)) found = *flag ? "true" : "false";
  if (std::holds_alternative<double>(entry.value)) found = entry.literal;
  if (const auto* words = std::get_if<std::string>(&entry.value)) found = text('"', *words, '"');
  refuse_line(file_, entry.line, text('"', entry.key, "\" is ", found, ", not ", wanted));
}

}  // namespace tutti::detail
