#include <tutti/trainer/config/value.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <sstream>
#include <string_view>
#include <variant>
#include <vector>

namespace tutti::trainer {

namespace {

[[noreturn]] void wrong_type(const Key& key, const std::string& origin, std::string_view wanted,
                             std::string_view found) {
  throw ConfigError(fmt::format("{}: {} must be {}, not {}", origin, key.name, wanted, found));
}

[[noreturn]] void out_of_range(const Key& key, const std::string& origin, const std::string& value) {
  throw ConfigError(fmt::format("{}: {} = {} is out of range; allowed: {}", origin, key.name, value, range_text(key)));
}

std::string type_text(const toml::node& node) {
  std::ostringstream out;
  out << node.type();
  return out.str();
}

/// A number, or a list of some.
std::vector<double> numbers_of(const Key& key, const toml::node& node, const std::string& origin) {
  constexpr std::string_view kWanted = "a number or a list of numbers";
  if (node.is_number()) return {*node.value<double>()};
  const toml::array* const array = node.as_array();
  if (array == nullptr || array->empty())
    wrong_type(key, origin, kWanted, array == nullptr ? type_text(node) : "an empty list");
  std::vector<double> numbers;
  numbers.reserve(array->size());
  for (const toml::node& element : *array) {
    if (!element.is_number()) wrong_type(key, origin, kWanted, "a list with " + type_text(element));
    numbers.push_back(*element.value<double>());
  }
  return numbers;
}

}  // namespace

void assign(Config& config, const Key& key, const toml::node& node, const std::string& origin) {
  const Key::Slot slot = key.slot(config);
  if (auto* const* text = std::get_if<std::string*>(&slot)) {
    const auto value = node.value_exact<std::string>();
    if (!value) wrong_type(key, origin, "text in quotes", type_text(node));
    **text = *value;
    if (!key.choices.empty() && std::find(key.choices.begin(), key.choices.end(), *value) == key.choices.end())
      out_of_range(key, origin, value_text(slot));
  } else if (auto* const* flag = std::get_if<bool*>(&slot)) {
    const auto value = node.value_exact<bool>();
    if (!value) wrong_type(key, origin, "true or false", type_text(node));
    **flag = *value;
  } else if (auto* const* numbers = std::get_if<std::vector<double>*>(&slot)) {
    **numbers = numbers_of(key, node, origin);
    const auto is_allowed = [&](double number) { return number >= key.low && number <= key.high; };
    if (!std::all_of((*numbers)->begin(), (*numbers)->end(), is_allowed)) out_of_range(key, origin, value_text(slot));
  } else {
    double number = 0.0;
    if (auto* const* integer = std::get_if<std::int64_t*>(&slot)) {
      const auto value = node.value_exact<std::int64_t>();
      if (!value) wrong_type(key, origin, "a whole number", type_text(node));
      **integer = *value;
      number = static_cast<double>(*value);
    } else {
      if (!node.is_number()) wrong_type(key, origin, "a number", type_text(node));
      number = *node.value<double>();
      *std::get<double*>(slot) = number;
    }
    if (!(number >= key.low && number <= key.high)) out_of_range(key, origin, value_text(slot));
  }
}

std::string spelling_hint(std::string value) {
  std::replace(value.begin(), value.end(), ',', '.');
  const auto sign = value.starts_with('-') || value.starts_with('+') ? 1U : 0U;
  if (value.size() > sign && value[sign] == '.') value.insert(sign, "0");
  if (const auto point = value.find('.'); point != std::string::npos)
    if (point + 1 == value.size() || std::isdigit(static_cast<unsigned char>(value[point + 1])) == 0)
      value.insert(point + 1, "0");
  try {
    const toml::table table = toml::parse("value = " + value);
    return table.get("value")->is_number() ? fmt::format("; write {}", value) : "";
  } catch (const toml::parse_error&) {
    return {};
  }
}

void require_representable(const Config& config, const Key& key, const std::string& written,
                           const std::string& origin) {
  Config copy = config;
  const Key::Slot slot = key.slot(copy);
  const auto* const list = std::get_if<std::vector<double>*>(&slot);
  const double* const number = std::holds_alternative<double*>(slot)     ? std::get<double*>(slot)
                               : list != nullptr && (*list)->size() == 1 ? (*list)->data()
                                                                         : nullptr;
  if (number == nullptr || *number != 0.0) return;
  const std::string digits = written.substr(0, written.find_first_of("eE"));
  if (digits.find_first_of("123456789") != std::string::npos)
    throw ConfigError(fmt::format("{}: {} = {} is too small: it would become 0", origin, key.name, written));
}

void assign_text(Config& config, const Key& key, const std::string& value, const std::string& origin) {
  const bool is_text = std::holds_alternative<std::string*>(key.slot(config));
  const bool quoted =
      value.size() >= 2 && (value.front() == '"' || value.front() == '\'') && value.back() == value.front();
  toml::table table;
  if (is_text && !quoted) {
    table.insert("value", value);
  } else {
    try {
      table = toml::parse("value = " + value);
    } catch (const toml::parse_error&) {
      throw ConfigError(fmt::format("{}: cannot read '{}' as a value of {}{}; allowed: {}", origin, value, key.name,
                                    is_text ? "" : spelling_hint(value), range_text(key)));
    }
  }
  assign(config, key, *table.get("value"), origin);
  require_representable(config, key, value, origin);
}

namespace {

/// `~` and `$NAME` in a path, as a shell expands them; `$$` is a dollar sign. \throws ConfigError
std::string expanded(const std::string& value, const Key& key, const std::string& origin) {
  const auto variable = [&](const std::string& name) -> std::string {
    const char* content = std::getenv(name.c_str());
    if (content == nullptr || *content == '\0')
      throw ConfigError(
          fmt::format("{}: {} = \"{}\": the environment variable {} is not set", origin, key.name, value, name));
    return content;
  };
  std::string result;
  std::size_t at = 0;
  if (value.starts_with('~')) {
    if (value.size() > 1 && value[1] != '/')
      throw ConfigError(fmt::format("{}: {} = \"{}\": ~ of another user is not expanded: write the full path", origin,
                                    key.name, value));
    result = variable("HOME");
    at = 1;
  }
  const auto is_name = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; };
  while (at < value.size()) {
    if (value[at] != '$' || at + 1 == value.size()) {
      result += value[at++];
      continue;
    }
    ++at;
    const bool braces = value[at] == '{';
    std::size_t end = braces ? ++at : at;
    while (end < value.size() && is_name(value[end])) ++end;
    const std::string name = value.substr(at, end - at);
    if (value[at] == '$') {
      result += '$';
      at += 1;
    } else if (name.empty() || (braces && (end == value.size() || value[end] != '}'))) {
      throw ConfigError(fmt::format("{}: {} = \"{}\": no name of a variable follows $; a dollar sign is written $$",
                                    origin, key.name, value));
    } else {
      result += variable(name);
      at = end + (braces ? 1 : 0);
    }
  }
  return result;
}

}  // namespace

void resolve_path(Config& config, const Key& key, const std::filesystem::path& base, const std::string& origin) {
  std::string& value = *std::get<std::string*>(key.slot(config));
  if (value.empty()) return;
  value = std::filesystem::absolute(base / expanded(value, key, origin)).lexically_normal().string();
}

}  // namespace tutti::trainer
