// Reading rules; see rules.hpp.
#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <functional>
#include <iterator>
#include <optional>
#include <utility>

#include <tutti/collectives/schedule/algorithm_table.hpp>
#include <tutti/collectives/selection/rules.hpp>
#include <tutti/collectives/selection/spelling.hpp>
#include <tutti/kernels/byte_size.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/names.hpp>
#include <tutti/kernels/text.hpp>
#include <tutti/kernels/whole_file.hpp>

namespace tutti {
namespace {

constexpr std::string_view kAllreduceNames[] = {
    "ring",   "two_way_ring", "recursive_doubling", "halving_doubling", "circulant", "swing",
    "bucket", "knomial",      "double_tree",        "hierarchical"};
constexpr std::string_view kAuto = "auto";
const std::string kKeys[] = {"radix", "segment", "ranks", "nodes", "ranks_per_node"};
constexpr std::string_view kForm = "COLLECTIVE[:BYTES]:ALGORITHM[:KEY=VALUE]...";

std::string said(const char* variable) {
  const char* const value = std::getenv(variable);
  return value == nullptr ? "" : value;
}

std::string_view trimmed(std::string_view words) noexcept {
  constexpr std::string_view kBlanks = " \t\r\n";
  const std::size_t first = words.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return words.substr(first, words.find_last_not_of(kBlanks) - first + 1);
}

std::vector<std::string_view> split(std::string_view words, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t end = std::min(words.find(separator), words.size());
    parts.push_back(trimmed(words.substr(0, end)));
    if (end == words.size()) return parts;
    words.remove_prefix(end + 1);
  }
}

std::vector<std::string_view> algorithm_names(Collective collective) {
  if (collective == Collective::allreduce) return allreduce_algorithm_names();
  std::vector<std::string_view> names;
  for (const Algorithm* row : collective_algorithms()) {
    if (row->collective == collective) names.push_back(row->name);
  }
  return names;
}

/// One rule while it is read: all that is wrong names its place and the whole of it.
class RuleText {
 public:
  RuleText(std::string_view words, const std::string& place) : words_(words), place_(place) {}

  void read_into(AlgorithmRules& rules) {
    std::vector<std::string_view> names;
    for (const std::string_view field : split(words_, ':')) {
      if (field.empty()) refuse(text("a field is empty; a rule is ", kForm));
      if (field.find('=') != std::string_view::npos) {
        set(field);
      } else if (has_keys_) {
        refuse(text("'", field, "' follows a KEY=VALUE; a rule is ", kForm));
      } else {
        names.push_back(field);
      }
    }
    if (names.empty() || names.size() > 3) refuse(text("a rule is ", kForm));
    rule_.words = words_;
    rule_.place = place_;
    if (names.size() == 1) return add_for_all(names.front(), rules);
    set_collective(names.front());
    if (names.size() == 3) rule_.bytes = range(names[1], "bytes", true);
    set_algorithm(names.back());
    rules.push_back(std::move(rule_));
  }

 private:
  [[noreturn]] void refuse(const std::string& why) const {
    throw InvalidArgument(text(place_, ": rule '", words_, "': ", why));
  }

  std::size_t number(std::string_view word, std::string_view what, bool is_bytes) const {
    if (is_bytes) {
      if (const auto bytes = byte_size_from_text(word)) return *bytes;
      refuse(text("'", word, "' is not a number of bytes, such as 64K"));
    }
    std::size_t value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc() || end != word.data() + word.size())
      refuse(text("'", word, "' is not a number of ", what));
    return value;
  }

  RuleRange range(std::string_view word, std::string_view what, bool is_bytes) const {
    RuleRange range;
    const std::size_t dash = word.find('-');
    const std::string_view least = word.substr(0, dash);
    if (!least.empty()) range.least = number(least, what, is_bytes);
    if (dash == std::string_view::npos) {
      range.most = range.least;
    } else if (dash + 1 < word.size()) {
      range.most = number(word.substr(dash + 1), what, is_bytes);
    }
    if (range.least > range.most) refuse(text("the range of ", what, " '", word, "' is empty"));
    return range;
  }

  void set(std::string_view field) {
    has_keys_ = true;
    const std::size_t equals = field.find('=');
    const std::string_view key = trimmed(field.substr(0, equals));
    const std::string_view value = trimmed(field.substr(equals + 1));
    if (key == "radix") {
      const std::size_t radix = number(value, "branches", false);
      if (radix < 2 || radix > INT32_MAX) refuse(text("radix ", value, " is out of range: the least is 2"));
      rule_.radix = static_cast<int>(radix);
    } else if (key == "segment") {
      rule_.segment_bytes = number(value, "bytes", true);
      if (rule_.segment_bytes == 0) refuse("segment is 0 bytes; the least is 1");
    } else if (key == "ranks") {
      rule_.ranks = range(value, "ranks", false);
    } else if (key == "nodes") {
      rule_.nodes = range(value, "nodes", false);
    } else if (key == "ranks_per_node") {
      rule_.ranks_per_node = range(value, "ranks", false);
    } else {
      refuse(unknown_name("key", key, kKeys));
    }
  }

  /// Whether it is one.
  bool find_collective(std::string_view word) {
    std::string name = spelled_collective(word);
    rule_.only_uneven = name.size() > 2 && name.compare(name.size() - 2, 2, "_v") == 0;
    if (rule_.only_uneven) name.resize(name.size() - 2);
    for (const Collective collective : kAllCollectives) {
      if (tutti::name(collective) != name) continue;
      rule_.collective = collective;
      return true;
    }
    rule_.only_uneven = false;
    return false;
  }

  void set_collective(std::string_view word) {
    if (find_collective(word)) return;
    refuse(unknown_name("collective", word,
                        names_of(kAllCollectives, [](Collective collective) { return tutti::name(collective); })));
  }

  void set_algorithm(std::string_view word) {
    if (word == kAuto) return;
    std::vector<std::string_view> names = algorithm_names(rule_.collective);
    names.push_back(kAuto);
    if (std::find(names.begin(), names.end(), word) == names.end())
      refuse(unknown_name(text(name(rule_.collective), " algorithm"), word, names_of(names, std::identity{})));
    rule_.algorithm = word;
  }

  void add_for_all(std::string_view word, AlgorithmRules& rules) {
    if (find_collective(word)) refuse(text("no algorithm is named; a rule is ", kForm));
    bool any = false;
    for (const Collective collective : kAllCollectives) {
      const std::vector<std::string_view> names = algorithm_names(collective);
      if (word != kAuto && std::find(names.begin(), names.end(), word) == names.end()) continue;
      AlgorithmRule rule = rule_;
      rule.collective = collective;
      if (word != kAuto) rule.algorithm = word;
      rules.push_back(std::move(rule));
      any = true;
    }
    if (!any) refuse(text("no collective has an algorithm '", word, "'; `tutti explain --table` lists them all"));
  }

  std::string_view words_;
  const std::string& place_;
  AlgorithmRule rule_;
  bool has_keys_ = false;
};

void read_list(std::string_view list, const std::string& place, AlgorithmRules& rules) {
  for (const std::string_view words : split(list, ',')) RuleText(words, place).read_into(rules);
}

}  // namespace

std::string rules_of_environment() { return said(kRulesVariable); }
std::string rules_file_of_environment() { return said(kRulesFileVariable); }

AlgorithmRules parse_rules(std::string_view list, const std::string& place) {
  AlgorithmRules rules;
  if (!trimmed(list).empty()) read_list(list, place, rules);
  return rules;
}

AlgorithmRules parse_rules_file(std::string_view content, const std::string& file) {
  AlgorithmRules rules;
  int line = 0;
  for (const std::string_view whole : split(content, '\n')) {
    ++line;
    const std::string_view words = trimmed(whole.substr(0, whole.find('#')));
    if (!words.empty()) read_list(words, text(file, ":", line), rules);
  }
  return rules;
}

std::string read_rules_file(const std::string& file) {
  try {
    return read_whole_file(file);
  } catch (const DataError&) {
    throw InvalidArgument(text(kRulesFileVariable, ": cannot read ", file));
  }
}

std::shared_ptr<const AlgorithmRules> rules_for(const AlgorithmRules& rules, std::size_t ranks, std::size_t nodes,
                                                std::size_t ranks_per_node) {
  auto held = std::make_shared<AlgorithmRules>();
  std::copy_if(rules.begin(), rules.end(), std::back_inserter(*held), [&](const AlgorithmRule& rule) {
    return rule.ranks.holds(ranks) && rule.nodes.holds(nodes) && rule.ranks_per_node.holds(ranks_per_node);
  });
  return held->empty() ? nullptr : held;
}

std::vector<std::string_view> allreduce_algorithm_names() {
  return {std::begin(kAllreduceNames), std::end(kAllreduceNames)};
}

}  // namespace tutti
