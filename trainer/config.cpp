// Reading a configuration: values from file, environment and options go through one door, assign(), which checks them
// against their row of the table of keys.
#include <tutti/trainer/config.hpp>

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <fstream>
#include <numeric>
#include <optional>
#include <sstream>

#include <toml++/toml.h>

namespace tutti::trainer {

namespace {

/// Levenshtein's distance: insertions, deletions and replacements that make `a` into `b`.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

bool is_section(const std::string& name) {
  const auto table = key_table();
  return std::any_of(table.begin(), table.end(), [&](const Key& key) { return key.name.starts_with(name + "."); });
}

const Key& find_key(const std::string& name, const std::string& origin) {
  const auto table = key_table();
  const auto found = std::find_if(table.begin(), table.end(), [&](const Key& key) { return key.name == name; });
  if (found != table.end()) return *found;
  // The last part counts twice: a right key in a wrong section is nearer than a wrong key in a right one.
  const auto distance = [&](const Key& key) {
    const auto tail = [](std::string_view s) {
      return s.substr(s.rfind('.') == std::string_view::npos ? 0 : s.rfind('.') + 1);
    };
    return edit_distance(name, key.name) + edit_distance(tail(name), tail(key.name));
  };
  const auto nearest = std::min_element(table.begin(), table.end(),
                                        [&](const Key& a, const Key& b) { return distance(a) < distance(b); });
  throw ConfigError(fmt::format("{}: unknown key '{}'; the nearest known key is '{}'", origin, name, nearest->name));
}

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

/// Checks `node` against the row of `key` and stores it in `config`.
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

/// A value given as bare text, by option or environment: TOML's notation, but text needs no quotes.
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
      throw ConfigError(
          fmt::format("{}: cannot read '{}' as a value of {}; allowed: {}", origin, value, key.name, range_text(key)));
    }
  }
  assign(config, key, *table.get("value"), origin);
}

/// Paths in a file are relative to the file: the configuration means the same from every working directory.
void resolve_path(Config& config, const Key& key, const std::filesystem::path& base) {
  std::string& value = *std::get<std::string*>(key.slot(config));
  if (!key.path || value.empty()) return;
  value = std::filesystem::absolute(base / value).lexically_normal().string();
}

void assign_table(Config& config, const toml::table& file, const std::string& origin,
                  const std::filesystem::path& base) {
  for (const auto& [section, content] : file) {
    const std::string section_name(section.str());
    const auto line = [&](const toml::node& node) { return fmt::format("{}:{}", origin, node.source().begin.line); };
    if (!content.is_table()) {
      if (is_section(section_name))
        throw ConfigError(fmt::format("{}: '{}' must be a section, [{}]", line(content), section_name, section_name));
      find_key(section_name, line(content));
    }
    if (content.as_table()->empty() && !is_section(section_name)) find_key(section_name, line(content));
    for (const auto& [name, node] : *content.as_table()) {
      const Key& key = find_key(fmt::format("{}.{}", section_name, name.str()), line(node));
      assign(config, key, node, line(node));
      if (key.path) resolve_path(config, key, base);
    }
  }
}

toml::table parse_toml(std::string_view text, const std::string& origin) {
  try {
    return toml::parse(text, origin);
  } catch (const toml::parse_error& error) {
    throw ConfigError(fmt::format("{}:{}: {}", origin, error.source().begin.line, error.description()));
  }
}

void assign_environment(Config& config, const std::string& variable) {
  const auto equals = variable.find('=');
  const std::string origin = variable.substr(0, equals);
  std::string name = origin.substr(origin.find('_') + 1);
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const auto split = name.find('_');
  if (split == std::string::npos) return;
  if (!is_section(name.substr(0, split))) return;  // a variable of the library, not of the trainer
  name[split] = '.';
  const Key& key = find_key(name, origin);
  assign_text(config, key, variable.substr(equals + 1), origin);
  if (key.path) resolve_path(config, key, std::filesystem::current_path());
}

void assign_option(Config& config, const std::string& option) {
  const std::string origin = "--set " + option;
  const auto equals = option.find('=');
  if (equals == std::string::npos) throw ConfigError(fmt::format("{}: expected section.key=value", origin));
  const Key& key = find_key(option.substr(0, equals), origin);
  assign_text(config, key, option.substr(equals + 1), origin);
  if (key.path) resolve_path(config, key, std::filesystem::current_path());
}

void require_consistent(const Config& config, const std::string& origin) {
  const auto require = [&](bool valid, const char* message) {
    if (!valid) throw ConfigError(fmt::format("{}: {}", origin, message));
  };
  require(!config.data.train.empty(), "data.train is missing: the folder of the training set");
  require(!config.optimizer.nesterov || config.optimizer.momentum > 0.0,
          "optimizer.nesterov = true needs optimizer.momentum above 0");
  require(config.exchange.compression == "none" || config.model.dtype == "f32",
          "exchange.compression needs model.dtype = \"f32\"");
  require(config.exchange.compression == "none" || config.exchange.algorithm.empty(),
          "exchange.algorithm cannot be chosen together with exchange.compression");
}

}  // namespace

std::vector<std::string> tutti_environment() {
  std::vector<std::string> variables;
  for (char** entry = environ; *entry != nullptr; ++entry)
    if (std::string_view(*entry).starts_with("TUTTI_")) variables.emplace_back(*entry);
  std::sort(variables.begin(), variables.end());
  return variables;
}

Config read_config(const ConfigSources& sources) {
  const std::string origin = sources.file.string();
  std::error_code error;
  std::ifstream in(sources.file, std::ios::binary);
  if (!in || std::filesystem::is_directory(sources.file, error))
    throw ConfigError(fmt::format("{}: the configuration file cannot be read", origin));
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  Config config;
  assign_table(config, parse_toml(text, origin), origin, std::filesystem::absolute(sources.file).parent_path());
  for (const auto& variable : sources.environment) assign_environment(config, variable);
  for (const auto& option : sources.options) assign_option(config, option);
  if (config.run.dir.empty())
    config.run.dir = (std::filesystem::current_path() / "runs" / sources.file.stem()).lexically_normal().string();
  require_consistent(config, origin);
  return config;
}

Config parse_config(std::string_view toml, const std::string& origin) {
  Config config;
  assign_table(config, parse_toml(toml, origin), origin, "/");
  return config;
}

}  // namespace tutti::trainer
