// Reading a configuration: values from file, environment and options go through one door, assign() of value.hpp, which
// checks them against their row of the table of keys.
#include <tutti/trainer/config/config.hpp>

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include <toml++/toml.h>

#include <tutti/compression/codecs.hpp>
#include <tutti/kernels/integer_sums.hpp>
#include <tutti/kernels/text.hpp>
#include <tutti/trainer/config/key_search.hpp>
#include <tutti/trainer/config/value.hpp>
#include <tutti/trainer/exchange/loss_scale.hpp>

namespace tutti::trainer {

namespace {

/// The text of a value that stands on one line of `text`.
std::string written(const toml::node& node, std::string_view text) {
  const toml::source_region& source = node.source();
  if (source.begin.line == 0 || source.begin.line != source.end.line) return {};
  for (std::size_t line = 1; line < source.begin.line; ++line) text.remove_prefix(text.find('\n') + 1);
  return std::string(text.substr(source.begin.column - 1, source.end.column - source.begin.column));
}

/// A key that was given a value, and where.
struct Given {
  const Key* key;
  std::string origin;
};

/// The tables of a list.
void assign_tables(Config& config, const ListedTables& list, const toml::node& node, std::string_view text,
                   const std::string& origin, std::vector<Given>& given) {
  const auto line = [&](const toml::node& n) { return fmt::format("{}:{}", origin, n.source().begin.line); };
  const toml::array* tables = node.as_array();
  if (tables == nullptr || !node.is_array_of_tables())
    throw ConfigError(fmt::format("{}: {} begins with [[{}]]", line(node), list.what, list.name));
  for (const toml::node& table : *tables) {
    list.append(config);
    bool is_complete = false;
    for (const auto& [name, value] : *table.as_table()) {
      const Key& key = find_listed_key(list, std::string(name.str()), line(value));
      assign(config, key, value, line(value));
      if (value.is_number()) require_representable(config, key, written(value, text), line(value));
      given.push_back({&key, line(value)});
      is_complete = is_complete || name.str() == list.required;
    }
    if (!is_complete)
      throw ConfigError(
          fmt::format("{}: {}.{} is missing: {}", line(table), list.name, list.required, list.required_meaning));
  }
}

/// What `text`, parsed as `file`, says. Paths are resolved against `base`, if given, and else left as they are.
void assign_table(Config& config, const toml::table& file, std::string_view text, const std::string& origin,
                  const std::optional<std::filesystem::path>& base, std::vector<Given>& given) {
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
      const std::string full_name = fmt::format("{}.{}", section_name, name.str());
      if (const ListedTables* tables = find_listed_tables(full_name); tables != nullptr) {
        assign_tables(config, *tables, node, text, origin, given);
        continue;
      }
      const Key& key = find_key(full_name, line(node));
      assign(config, key, node, line(node));
      if (node.is_number()) require_representable(config, key, written(node, text), line(node));
      if (key.path && base) resolve_path(config, key, *base, line(node));
      given.push_back({&key, line(node)});
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

void assign_environment(Config& config, const std::string& variable, std::vector<Given>& given) {
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
  given.push_back({&key, origin});
}

void assign_option(Config& config, const std::string& option, std::vector<Given>& given) {
  const std::string origin = "--set " + option;
  const auto equals = option.find('=');
  if (equals == std::string::npos) throw ConfigError(fmt::format("{}: expected section.key=value", origin));
  const Key& key = find_key(option.substr(0, equals), origin);
  assign_text(config, key, option.substr(equals + 1), origin);
  if (key.path) resolve_path(config, key, std::filesystem::current_path(), origin);
  given.push_back({&key, origin});
}

/// \throws ConfigError for a key that the chosen optimizer or schedule does not know
void require_known(const Config& config, const std::vector<Given>& given) {
  for (const auto& [key, origin] : given) {
    if (key_applies(config, *key)) continue;
    const std::string_view section = section_of(key->name);
    std::string known;
    for (const Key& other : key_table())
      if (section_of(other.name) == section && key_applies(config, other))
        known += fmt::format("{}{}", known.empty() ? "" : ", ", tail_of(other.name));
    throw ConfigError(fmt::format("{}: {} means nothing with {}.kind = \"{}\", which has {}", printable(origin),
                                  key->name, section,
                                  section == "optimizer" ? config.optimizer.kind : config.schedule.kind, known));
  }
}

/// Keys of the optimizer that were not given become what its kind has as defaults.
void complete_optimizer(Config& config, const std::vector<Given>& given) {
  Config defaults;
  defaults.optimizer = optimizer_defaults(config.optimizer.kind);
  for (const Key& key : key_table()) {
    const bool is_given = std::any_of(given.begin(), given.end(), [&](const Given& g) { return g.key == &key; });
    if (section_of(key.name) != "optimizer" || is_given) continue;
    std::visit([&](auto* value) { *value = *std::get<decltype(value)>(key.slot(defaults)); }, key.slot(config));
  }
}

void require_consistent(const Config& config, const std::string& origin) {
  const auto require = [&](bool valid, const char* message) {
    if (!valid) throw ConfigError(fmt::format("{}: {}", origin, message));
  };
  require(!config.data.train.empty(), "data.train is missing: the folder of the training set");
  require(!config.optimizer.nesterov || config.optimizer.momentum > 0.0,
          "optimizer.nesterov = true needs optimizer.momentum above 0");
  require(config.model.weights_skip.empty() || !config.model.weights.empty(),
          "model.weights_skip has no meaning without model.weights");
  require(config.model.weights_names == "own" || !config.model.weights.empty(),
          "model.weights_names has no meaning without model.weights");
  require(config.optimizer.clip_norm == 0.0 || config.optimizer.clip_value == 0.0,
          "optimizer.clip_norm and optimizer.clip_value cannot be chosen together");
  require(config.run.evaluate_with == "parameters" || config.optimizer.ema_decay > 0.0,
          "run.evaluate_with = \"average\" needs optimizer.ema_decay above 0");
  require(config.run.stop_after == 0 || !config.data.test.empty(), "run.stop_after needs data.test");
  require(config.run.stop_after == 0 || config.run.evaluate_every > 0,
          "run.stop_after needs run.evaluate_every above 0");
  require(!config.run.keep_best || !config.data.test.empty(), "run.keep_best = true needs data.test");
  require(config.schedule.restart_epochs == 0.0 || config.schedule.end_epochs == 0.0,
          "schedule.end_epochs has no meaning beside schedule.restart_epochs");
  CodecSettings codec;
  bool keeps_momentum = false;
  bool has_feedback = false;
  std::string where;
  const auto look_at = [&](std::string name, const std::string& settings) {
    where = std::move(name);
    CodecSettings its = codec_settings(settings);
    keeps_momentum = keeps_momentum || codec_named(its.codec).keeps_momentum;
    has_feedback = has_feedback || its.feedback;
    return its;
  };
  try {
    if (!config.exchange.chooses()) codec = look_at("exchange.compression", config.exchange.compression);
    for (std::size_t i = 0; i < config.exchange.rules.size(); ++i)
      look_at(fmt::format("exchange.rule {}", i + 1), config.exchange.rules[i].compression);
    look_at("exchange.fallback", config.exchange.fallback);
  } catch (const InvalidArgument& error) {
    require(false, fmt::format("{}: {}", where, error.what()).c_str());
  }
  try {
    require(!LossScale(config.numerics.loss_scale).is_on() || (codec.codec == "f16" && !has_feedback),
            "numerics.loss_scale needs exchange.compression = \"f16\", without feedback: other types hold gradients as "
            "they are");
    if (config.schedule.kind == "multi_step") milestones_of(config.schedule.milestone_epochs);
  } catch (const InvalidArgument& error) {
    require(false, error.what());
  }
  require(!keeps_momentum || !optimizer_reads(config.optimizer.kind, "momentum") || config.optimizer.momentum == 0.0,
          "optimizer.momentum must be 0 with a codec that has momentum of its own (dgc)");
  require(config.exchange.overflow == "error" || !LossScale(config.numerics.loss_scale).is_on(),
          "exchange.overflow = \"fall_back\" cannot be chosen together with numerics.loss_scale");
  require(!config.exchange.chooses() || config.exchange.kind == "allreduce",
          "exchange.compression = \"auto\" needs exchange.kind = \"allreduce\"");
  require(!config.exchange.compresses() || config.model.dtype == "f32",
          "exchange.compression needs model.dtype = \"f32\"");
  require(!config.exchange.compresses() || config.exchange.algorithm.empty(),
          "exchange.algorithm cannot be chosen together with exchange.compression");
  require(!config.exchange.compresses() || config.numerics.reproducible == "run",
          "exchange.compression needs numerics.reproducible = \"run\"");
  require(config.model.compute == "same" || config.model.dtype == "f32",
          "model.compute = \"bf16\" needs model.dtype = \"f32\"");
  if (config.numerics.ignores_ranks()) {
    require(config.model.dtype == "f32", "numerics.reproducible = \"ranks\" needs model.dtype = \"f32\"");
    require(config.exchange.kind == "allreduce",
            "numerics.reproducible = \"ranks\" needs exchange.kind = \"allreduce\"");
    require(config.model.batch_norm_statistics == "local",
            "numerics.reproducible = \"ranks\" needs model.batch_norm_statistics = \"local\"");
    if (const auto addends = static_cast<double>(config.numerics.shards) * static_cast<double>(config.train.accumulate);
        addends > static_cast<double>(kMostAddends))
      require(false, fmt::format("numerics.shards times train.accumulate is {}, which is out of range: at most {} "
                                 "gradients make a step with numerics.reproducible = \"ranks\"",
                                 addends, kMostAddends)
                         .c_str());
  }
  require(config.model.label_smoothing == 0.0 || loss_name(config.model) == "cross_entropy",
          "model.label_smoothing needs model.loss = \"cross_entropy\"");
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

void set_option(Config& config, const std::string& option) {
  std::vector<Given> given;
  assign_option(config, option, given);
}

Config read_config(const ConfigSources& sources) {
  const bool piped = is_piped(sources.file);
  const std::string origin = piped ? "standard input" : sources.file.string();
  const std::string text = read_text(sources);
  Config config;
  std::vector<Given> given;
  assign_table(config, parse_toml(text, origin), text, origin,
               piped ? std::filesystem::current_path() : std::filesystem::absolute(sources.file).parent_path(), given);
  for (const auto& variable : sources.environment) assign_environment(config, variable, given);
  for (const auto& option : sources.options) assign_option(config, option, given);
  require_known(config, given);
  complete_optimizer(config, given);
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
  std::vector<Given> given;
  assign_table(config, table, toml, origin, std::nullopt, given);
  return config;
}

}  // namespace tutti::trainer
