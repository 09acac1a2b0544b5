// What is written from the table of keys: values and ranges, a configuration as TOML, the table of the README.
#include <fmt/core.h>

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <tutti/trainer/config/config.hpp>

namespace tutti::trainer {

namespace {

std::string range_text(const Key& key, const Key::Slot& slot) {
  if (std::holds_alternative<bool*>(slot)) return "true, false";
  if (std::holds_alternative<std::string*>(slot)) {
    std::string choices;
    for (const auto choice : key.choices) choices += fmt::format("{}{}", choices.empty() ? "" : ", ", choice);
    return choices.empty() ? "text" : choices;
  }
  if (std::holds_alternative<std::vector<double>*>(slot)) {
    return key.low == Key::kAboveZero ? fmt::format("above 0, up to {}, or a list", key.high)
                                      : fmt::format("{} to {}, or a list", key.low, key.high);
  }
  if (key.high >= Key::kUnbounded) return fmt::format("at least {}", key.low);
  return key.low == Key::kAboveZero ? fmt::format("above 0, up to {}", key.high)
                                    : fmt::format("{} to {}", key.low, key.high);
}

}  // namespace

std::string range_text(const Key& key) {
  Config config;
  for (const ListedTables& list : listed_tables()) list.append(config);  // where slots of their keys are
  return range_text(key, key.slot(config));
}

std::string value_text(const Key::Slot& slot) {
  struct Visitor {
    std::string operator()(const std::string* s) const {
      std::string quoted = "\"";
      for (const char c : *s) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') quoted += '\\';
        if (byte < 0x20 || byte == 0x7f)
          quoted += fmt::format("\\u{:04X}", byte);
        else
          quoted += c;
      }
      return quoted + '"';
    }
    std::string operator()(const std::int64_t* i) const { return fmt::format("{}", *i); }
    std::string operator()(const bool* b) const { return *b ? "true" : "false"; }
    std::string operator()(const double* d) const {
      std::string number = fmt::format("{}", *d);  // shortest text that reads back to the same bits
      if (number.find_first_of(".en") == std::string::npos) number += ".0";
      return number;
    }
    std::string operator()(const std::vector<double>* values) const {
      if (values->size() == 1) return (*this)(values->data());
      std::string listed;
      for (const double value : *values) listed += fmt::format("{}{}", listed.empty() ? "" : ", ", (*this)(&value));
      return "[" + listed + "]";
    }
  };
  return std::visit(Visitor{}, slot);
}

namespace {

/// The tables of a list as TOML.
std::string to_toml(const ListedTables& list, const Config& config) {
  std::string toml;
  for (std::size_t place = 0; place < list.count(config); ++place) {
    Config copy = config;
    list.keep_only(copy, place);
    toml += fmt::format("\n[[{}]]\n", list.name);
    for (const Key& key : list.keys())
      if (key_applies(config, key) && list.is_given(copy, key))
        toml += fmt::format("{} = {}\n", key.name.substr(list.name.size() + 1), value_text(key.slot(copy)));
  }
  return toml;
}

/// Those of a section, after its keys.
std::string tables_toml(std::string_view section, const Config& config) {
  std::string toml;
  for (const ListedTables& list : listed_tables())
    if (list.name.substr(0, list.name.find('.')) == section) toml += to_toml(list, config);
  return toml;
}

}  // namespace

std::string to_toml(const Config& config) {
  Config copy = config;
  std::string toml;
  std::string_view section;
  for (const Key& key : key_table()) {
    if (!key_applies(config, key)) continue;
    const auto dot = key.name.find('.');
    if (key.name.substr(0, dot) != section) {
      toml += tables_toml(section, config);
      section = key.name.substr(0, dot);
      toml += fmt::format("{}[{}]\n", toml.empty() ? "" : "\n", section);
    }
    toml += fmt::format("{} = {}\n", key.name.substr(dot + 1), value_text(key.slot(copy)));
  }
  return toml;
}

namespace {

OnResume on_resume_of(const Key& key, const Config& now, const Config& before) {
  // Where the schedule ends with the run, another end is another rate in every step.
  const bool is_end = key.name == "train.epochs" || key.name == "train.max_steps";
  if (is_end && ends_with_run(now.schedule)) return OnResume::note;
  // With integers it does not matter who adds what when.
  const bool ignores_ranks = now.numerics.ignores_ranks() && before.numerics.ignores_ranks();
  if (ignores_ranks && key.name.starts_with("exchange.")) return OnResume::free;
  if (!now.numerics.ignores_ranks() && key.name == "numerics.shards") return OnResume::free;
  return key.on_resume;
}

}  // namespace

std::vector<Difference> differences(const Config& now, const Config& before) {
  Config a = now;
  Config b = before;
  std::vector<Difference> found;
  for (const Key& key : key_table()) {
    const std::string is = value_text(key.slot(a));
    const std::string was = value_text(key.slot(b));
    if (is == was) continue;
    found.push_back({fmt::format("{} is {} and was {}", key.name, is, was), on_resume_of(key, now, before)});
  }
  for (const ListedTables& list : listed_tables())
    if (to_toml(list, now) != to_toml(list, before))
      found.push_back({fmt::format("the tables [[{}]] are others than they were", list.name), OnResume::note});
  return found;
}

std::string key_table_markdown() {
  Config defaults;
  for (const ListedTables& list : listed_tables()) list.append(defaults);
  const std::string head = "| key | default | values | meaning |\n| --- | --- | --- | --- |\n";
  const auto row = [&](const Key& key) {
    return fmt::format("| `{}` | `{}` | {} | {} |\n", key.name, value_text(key.slot(defaults)),
                       range_text(key, key.slot(defaults)), key.meaning);
  };
  std::string table = head;
  for (const Key& key : key_table()) table += row(key);
  for (const ListedTables& list : listed_tables()) {
    table += fmt::format("\nIn a table `[[{}]]`:\n\n", list.name) + head;
    for (const Key& key : list.keys()) table += row(key);
  }
  return table;
}

}  // namespace tutti::trainer
