// Reading and writing tuning files; see tuning.hpp.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>
#include <variant>
#include <vector>

#include <tutti/collectives/tuning.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti {
namespace {

constexpr std::string_view kFormat = "tutti tuning";
constexpr int kVersion = 1;

/// The costs of a level, by name.
struct Field {
  const char* name;
  double TransportCosts::*value;
};
constexpr Field kFields[] = {
    {"latency", &TransportCosts::latency}, {"overhead", &TransportCosts::overhead}, {"gap", &TransportCosts::gap},
    {"byte", &TransportCosts::byte},       {"distance", &TransportCosts::distance}, {"reduce", &TransportCosts::reduce},
    {"copy", &TransportCosts::copy},
};

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

/// null, objects and arrays are monostate.
using Scalar = std::variant<std::monostate, bool, double, std::string>;

struct Entry {
  std::string key;  ///< "node.latency"
  int line = 0;
  Scalar value;
  std::string literal;  ///< a number as it is written
  bool object = false;
  bool taken = false;
};

[[noreturn]] void refuse(const std::string& file, int line, const std::string& why) {
  throw DataError(text(file, ":", line, ": ", why));
}

/// Collects every key with its value and line.
class Collector {
 public:
  Collector(std::string_view content, const std::string& file, const char** place)
      : content_(content), file_(file), place_(place) {}

  std::vector<Entry> entries;

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
    const auto same = [&](const Entry& entry) { return entry.key == key_; };
    const auto before = std::find_if(entries.begin(), entries.end(), same);
    if (before != entries.end())
      refuse(file_, line(), text('"', key_, "\" is there for the second time, after line ", before->line));
    return true;
  }
  bool end_object() {
    scopes_.pop_back();
    return true;
  }
  bool start_array(std::size_t) {
    if (scopes_.empty()) refuse(file_, line(), "not a JSON object");
    refuse(file_, line(), text("\"", key_, "\" is an array, which nothing in this format is"));
  }
  bool end_array() { return true; }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& error) {
    const std::string what = error.what();
    const auto begin = what.find("syntax error");
    const auto end = std::min(content_.size(), position == 0 ? 0 : position - 1);
    refuse(file_, line_at(end), text("not JSON: ", begin == std::string::npos ? what : what.substr(begin)));
  }

 private:
  bool put(Scalar value, std::string literal = {}) {
    if (scopes_.empty()) refuse(file_, line(), "not a JSON object");
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

/// What was collected, to be taken key by key.
class Contents {
 public:
  Contents(std::vector<Entry> entries, const std::string& file, int last_line)
      : entries_(std::move(entries)), file_(file), last_line_(last_line) {}

  const std::string& string(const std::string& key) { return get<std::string>(take(key), "a string"); }
  bool boolean(const std::string& key) { return get<bool>(take(key), "true or false"); }

  /// At least 0 and finite.
  double number(const std::string& key) {
    const Entry& entry = take(key);
    const double value = get<double>(entry, "a number of at least 0");
    if (!(value >= 0 && std::isfinite(value))) be_told(entry, "a number of at least 0");
    return value;
  }

  int integer(const std::string& key) {
    const Entry& entry = take(key);
    const double value = get<double>(entry, "a whole number");
    if (!(value >= 0 && value <= std::numeric_limits<int>::max() && value == std::floor(value)))
      be_told(entry, "a whole number of at least 0");
    return static_cast<int>(value);
  }

  void object(const std::string& key) {
    const Entry& entry = take(key);
    if (!entry.object) be_told(entry, "an object");
  }

  int line_of(const std::string& key) const { return find(key)->line; }

  void require_all_taken() const {
    for (const Entry& entry : entries_) {
      if (!entry.taken) refuse(file_, entry.line, text("unknown key \"", entry.key, '"'));
    }
  }

 private:
  std::vector<Entry>::const_iterator find(const std::string& key) const {
    return std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.key == key; });
  }

  const Entry& take(const std::string& key) {
    const auto found = find(key);
    if (found == entries_.end()) {
      // The object that lacks it is the nearest place there is to point at.
      const auto owner = find(key.substr(0, key.find('.')));
      refuse(file_, owner == entries_.end() ? last_line_ : owner->line, text('"', key, "\" is missing"));
    }
    Entry& entry = entries_[static_cast<std::size_t>(found - entries_.begin())];
    entry.taken = true;
    return entry;
  }

  template <class T>
  const T& get(const Entry& entry, const char* wanted) const {
    const T* value = std::get_if<T>(&entry.value);
    if (value == nullptr) be_told(entry, wanted);
    return *value;
  }

  [[noreturn]] void be_told(const Entry& entry, const char* wanted) const {
    std::string found = entry.object ? "an object" : "null";
    if (const auto* flag = std::get_if<bool>(&entry.value)) found = *flag ? "true" : "false";
    if (std::holds_alternative<double>(entry.value)) found = entry.literal;
    if (const auto* words = std::get_if<std::string>(&entry.value)) found = text('"', *words, '"');
    refuse(file_, entry.line, text('"', entry.key, "\" is ", found, ", not ", wanted));
  }

  std::vector<Entry> entries_;
  const std::string& file_;
  int last_line_;
};

void take_level(Contents& contents, const std::string& level, TransportCosts& costs, bool& measured) {
  contents.object(level);
  measured = contents.boolean(level + ".measured");
  for (const Field& field : kFields) costs.*field.value = contents.number(level + "." + field.name);
  costs.overlaps = contents.boolean(level + ".overlaps");
}

nlohmann::ordered_json to_json(const TransportCosts& costs, bool measured) {
  nlohmann::ordered_json level = {{"measured", measured}};
  for (const Field& field : kFields) level[field.name] = costs.*field.value;
  level["overlaps"] = costs.overlaps;
  return level;
}

}  // namespace

Tuning parse_tuning(std::string_view content, const std::string& file) {
  const char* place = content.data();
  const char* end = content.data() + content.size();
  Collector collector(content, file, &place);
  nlohmann::json::sax_parse(TrackedIterator(content.data(), &place), TrackedIterator(end, &place), &collector);
  const int last_line = 1 + static_cast<int>(std::count(content.begin(), content.end(), '\n'));
  Contents contents(std::move(collector.entries), file, last_line);

  if (const std::string& format = contents.string("format"); format != kFormat)
    refuse(file, contents.line_of("format"), text("\"format\" is \"", format, "\", not \"", kFormat, '"'));
  if (const int version = contents.integer("version"); version != kVersion)
    refuse(file, contents.line_of("version"), text("\"version\" is ", version, ", not ", kVersion));
  Tuning tuning;
  contents.object("measured_on");
  tuning.measured_on.cpu = contents.string("measured_on.cpu");
  tuning.measured_on.cores = contents.integer("measured_on.cores");
  tuning.measured_on.mpi = contents.string("measured_on.mpi");
  const std::string& network = contents.string("measured_on.network");
  if (network != name(NetworkClass::fabric) && network != name(NetworkClass::tcp))
    refuse(file, contents.line_of("measured_on.network"),
           text("\"measured_on.network\" is \"", network, "\", not \"fabric\" or \"tcp\""));
  tuning.measured_on.network = network == name(NetworkClass::fabric) ? NetworkClass::fabric : NetworkClass::tcp;
  tuning.costs.network = built_in_costs(tuning.measured_on.network);  // for the name
  take_level(contents, "node", tuning.costs.node, tuning.node_measured);
  take_level(contents, "network", tuning.costs.network, tuning.network_measured);
  contents.require_all_taken();
  return tuning;
}

Tuning read_tuning(const std::filesystem::path& file) {
  std::string content;
  try {
    std::ifstream in;
    in.exceptions(std::ios::badbit | std::ios::failbit);
    in.open(file, std::ios::binary);
    content.assign(std::istreambuf_iterator<char>(in), {});
  } catch (const std::ios::failure&) {  // a folder opens, and fails when it is read
    throw DataError(text(file.string(), ": cannot be read"));
  }
  return parse_tuning(content, file.string());
}

void require_measured_at(const Tuning& tuning, const Fingerprint& here, const std::string& file) {
  const Fingerprint& there = tuning.measured_on;
  std::string why;
  const auto compare = [&](const char* what, const auto& measured, const auto& found) {
    if (measured != found) why += text(why.empty() ? "" : "; ", what, " is ", found, ", not ", measured);
  };
  compare("the processor here", there.cpu, here.cpu);
  compare("the number of cores", there.cores, here.cores);
  compare("the MPI library", there.mpi, here.mpi);
  compare("the network", name(there.network), name(here.network));
  if (!why.empty()) throw DataError(text(file, ": measured elsewhere: ", why));
}

std::string tuning_text(const Tuning& tuning) {
  const Fingerprint& there = tuning.measured_on;
  const nlohmann::ordered_json all = {
      {"format", kFormat},
      {"version", kVersion},
      {"measured_on",
       {{"cpu", there.cpu}, {"cores", there.cores}, {"mpi", there.mpi}, {"network", name(there.network)}}},
      {"node", to_json(tuning.costs.node, tuning.node_measured)},
      {"network", to_json(tuning.costs.network, tuning.network_measured)}};
  return all.dump(2) + "\n";
}

}  // namespace tutti
