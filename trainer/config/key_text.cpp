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
  if (key.high >= Key::kUnbounded) return fmt::format("at least {}", key.low);
  return key.low == Key::kAboveZero ? fmt::format("above 0, up to {}", key.high)
                                    : fmt::format("{} to {}", key.low, key.high);
}

}  // namespace

std::string range_text(const Key& key) {
  Config config;
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
  };
  return std::visit(Visitor{}, slot);
}

std::string to_toml(const Config& config) {
  Config copy = config;
  std::string toml;
  std::string_view section;
  for (const Key& key : key_table()) {
    const auto dot = key.name.find('.');
    if (key.name.substr(0, dot) != section) {
      section = key.name.substr(0, dot);
      toml += fmt::format("{}[{}]\n", toml.empty() ? "" : "\n", section);
    }
    toml += fmt::format("{} = {}\n", key.name.substr(dot + 1), value_text(key.slot(copy)));
  }
  return toml;
}

std::vector<Difference> differences(const Config& now, const Config& before) {
  Config a = now;
  Config b = before;
  std::vector<Difference> found;
  for (const Key& key : key_table()) {
    const std::string is = value_text(key.slot(a));
    const std::string was = value_text(key.slot(b));
    if (is != was) found.push_back({fmt::format("{} is {} and was {}", key.name, is, was), key.on_resume});
  }
  return found;
}

std::string key_table_markdown() {
  Config defaults;
  std::string table = "| key | default | values | meaning |\n| --- | --- | --- | --- |\n";
  for (const Key& key : key_table())
    table += fmt::format("| `{}` | `{}` | {} | {} |\n", key.name, value_text(key.slot(defaults)), range_text(key),
                         key.meaning);
  return table;
}

}  // namespace tutti::trainer
