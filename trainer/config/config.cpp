// Reading a configuration: values from file, environment and options go through one door, assign(), which checks them
// against their row of the table of keys.
#include <tutti/trainer/config/config.hpp>

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>
#include <sstream>
#include <utility>

#include <toml++/toml.h>

#include <tutti/kernels/text.hpp>
#include <tutti/trainer/config/key_search.hpp>

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

/// How a number that was written as elsewhere is written here, as a clause; empty if nobody can tell.
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

/// A number that is not 0 as it is written, and is 0 as a double, is not what was meant.
void require_representable(const Config& config, const Key& key, const std::string& written,
                           const std::string& origin) {
  Config copy = config;
  const Key::Slot slot = key.slot(copy);
  if (!std::holds_alternative<double*>(slot) || *std::get<double*>(slot) != 0.0) return;
  const std::string digits = written.substr(0, written.find_first_of("eE"));
  if (digits.find_first_of("123456789") != std::string::npos)
    throw ConfigError(fmt::format("{}: {} = {} is too small: it would become 0", origin, key.name, written));
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
      throw ConfigError(fmt::format("{}: cannot read '{}' as a value of {}{}; allowed: {}", origin, value, key.name,
                                    is_text ? "" : spelling_hint(value), range_text(key)));
    }
  }
  assign(config, key, *table.get("value"), origin);
  require_representable(config, key, value, origin);
}

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

/// Paths in a file are relative to the file: the configuration means the same from every working directory.
void resolve_path(Config& config, const Key& key, const std::filesystem::path& base, const std::string& origin) {
  std::string& value = *std::get<std::string*>(key.slot(config));
  if (value.empty()) return;
  value = std::filesystem::absolute(base / expanded(value, key, origin)).lexically_normal().string();
}

/// The text of a value that stands on one line of `text`.
std::string written(const toml::node& node, std::string_view text) {
  const toml::source_region& source = node.source();
  if (source.begin.line == 0 || source.begin.line != source.end.line) return {};
  for (std::size_t line = 1; line < source.begin.line; ++line) text.remove_prefix(text.find('\n') + 1);
  return std::string(text.substr(source.begin.column - 1, source.end.column - source.begin.column));
}

/// What `text`, parsed as `file`, says. Paths are resolved against `base`, if given, and else left as they are.
void assign_table(Config& config, const toml::table& file, std::string_view text, const std::string& origin,
                  const std::optional<std::filesystem::path>& base) {
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
      if (node.is_number()) require_representable(config, key, written(node, text), line(node));
      if (key.path && base) resolve_path(config, key, *base, line(node));
    }
  }
}

toml::table parse_toml(std::string_view text, const std::string& origin) {
  try {
    return toml::parse(text, origin);
  } catch (const toml::parse_error& error) {
    const std::size_t number = error.source().begin.line;
    std::string_view line = text;
    for (std::size_t skipped = 1; skipped < number; ++skipped)
      line.remove_prefix(std::min(line.size(), line.find('\n') + 1));
    line = line.substr(0, line.find_first_of("\r\n"));
    const auto equals = line.find('=');
    const auto begin = equals == std::string_view::npos ? equals : line.find_first_not_of(" \t", equals + 1);
    const auto end = line.find_first_of(" \t#", std::min(begin, line.size()));
    const std::string hint =
        begin == std::string_view::npos ? "" : spelling_hint(std::string(line.substr(begin, end - begin)));
    throw ConfigError(fmt::format("{}:{}: cannot read `{}`{} ({})", printable(origin), number, printable(line), hint,
                                  error.description()));
  }
}

/// Where a value comes from an environment variable that the trainer does not know but surely was meant for.
void require_meant_for_library(const std::string& origin, const std::string& name) {
  const std::string word = name.substr(0, name.find('_'));
  if (is_section(name))
    throw ConfigError(fmt::format("{}: {} is a section; a variable TUTTI_SECTION_KEY sets a key of it", origin, name));
  if (word == name) return;
  for (const Key& key : key_table()) {
    const std::string section(section_of(key.name));
    const bool alike = word.starts_with(section) || (word.size() >= 3 && section.starts_with(word));
    if (!alike || tail_of(key.name) != name.substr(word.size() + 1)) continue;
    std::string meant = fmt::format("TUTTI_{}_{}", section, tail_of(key.name));
    std::transform(meant.begin(), meant.end(), meant.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    throw ConfigError(fmt::format("{}: there is no section '{}'; did you mean {}?", origin, word, meant));
  }
}

void assign_environment(Config& config, const std::string& variable) {
  const auto equals = variable.find('=');
  const std::string origin = variable.substr(0, equals);
  std::string name = origin.substr(origin.find('_') + 1);
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const auto split = name.find('_');
  if (split == std::string::npos || !is_section(name.substr(0, split)))
    return require_meant_for_library(origin, name);  // not of the trainer
  name[split] = '.';
  const Key& key = find_key(name, origin + " (such variables set keys of the configuration)");
  assign_text(config, key, variable.substr(equals + 1), origin);
  if (key.path) resolve_path(config, key, std::filesystem::current_path(), origin);
}

void assign_option(Config& config, const std::string& option) {
  const std::string origin = "--set " + option;
  const auto equals = option.find('=');
  if (equals == std::string::npos) throw ConfigError(fmt::format("{}: expected section.key=value", origin));
  const Key& key = find_key(option.substr(0, equals), origin);
  assign_text(config, key, option.substr(equals + 1), origin);
  if (key.path) resolve_path(config, key, std::filesystem::current_path(), origin);
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

namespace {

/// Keys and values as earlier versions wrote them into checkpoints, which can still be resumed.
struct FormerKey {
  const char* section;
  const char* former;
  const char* now;
};
constexpr FormerKey kFormerKeys[] = {{"train", "deadline_s", "timeout_s"}};

struct FormerValue {
  const char* section;
  const char* key;
  std::string_view former;
  std::string_view now;
};
constexpr FormerValue kFormerValues[] = {{"exchange", "kind", "sync_sgd", "allreduce"}};

void rename_former(toml::table& table) {
  for (const FormerKey& key : kFormerKeys) {
    toml::table* section = table[key.section].as_table();
    if (section == nullptr || !section->contains(key.former)) continue;
    section->get(key.former)->visit([&](const auto& value) {
      auto copy = value;
      section->insert_or_assign(key.now, std::move(copy));
    });
    section->erase(key.former);
  }
  for (const FormerValue& value : kFormerValues)
    if (toml::value<std::string>* stored = table[value.section][value.key].as_string();
        stored != nullptr && stored->get() == value.former)
      stored->get() = value.now;
}

/// What comes through a pipe stands in no folder: its paths are those of the working directory.
bool is_piped(const std::filesystem::path& file) { return file == "-" || file == "/dev/stdin"; }

std::string read_text(const ConfigSources& sources) {
  std::error_code error;
  std::ifstream file;
  const bool piped = is_piped(sources.file);
  if (!piped) file.open(sources.file, std::ios::binary);
  if (!piped && (!file || std::filesystem::is_directory(sources.file, error)))
    throw ConfigError(fmt::format("{}: the configuration file cannot be read", printable(sources.file.string())));
  std::istream& in = piped ? std::cin : file;
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

Config read_config(const ConfigSources& sources) {
  const bool piped = is_piped(sources.file);
  const std::string origin = piped ? "standard input" : sources.file.string();
  const std::string text = read_text(sources);
  Config config;
  assign_table(config, parse_toml(text, origin), text, origin,
               piped ? std::filesystem::current_path() : std::filesystem::absolute(sources.file).parent_path());
  for (const auto& variable : sources.environment) assign_environment(config, variable);
  for (const auto& option : sources.options) assign_option(config, option);
  if (config.run.dir.empty()) {
    if (piped)
      throw ConfigError("standard input: run.dir is missing, and there is no file to name it after: give --out");
    config.run.dir = (std::filesystem::current_path() / "runs" / sources.file.stem()).lexically_normal().string();
  }
  for (const Key& key : key_table()) {
    const Key::Slot slot = key.slot(config);
    const auto* const* value = std::get_if<std::string*>(&slot);
    if (value != nullptr && !is_utf8(**value))
      throw ConfigError(fmt::format("{}: {} = {} is not valid UTF-8, as config.toml has to be", printable(origin),
                                    key.name, printable(**value)));
  }
  require_consistent(config, origin);
  return config;
}

Config parse_config(std::string_view toml, const std::string& origin) {
  Config config;
  toml::table table = parse_toml(toml, origin);
  rename_former(table);
  assign_table(config, table, toml, origin, std::nullopt);
  return config;
}

}  // namespace tutti::trainer
