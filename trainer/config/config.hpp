// What a training run is told: one plain struct, and the table of keys from which reading, checking, writing and
// documentation follow.
//
// A value comes from the first of: `--set section.key=value`, environment variable TUTTI_SECTION_KEY, the TOML file,
// the default.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <tutti/kernels/error.hpp>
#include <tutti/trainer/exchange/options.hpp>
#include <tutti/trainer/models/options.hpp>
#include <tutti/trainer/optimizers/options.hpp>

namespace tutti::trainer {

/// What the keys mean, their ranges and what they are good for: key_table(), printed in trainer/README.md.
struct Config {
  struct Data {
    std::string train;
    std::string test;
    std::string input = "image";
    std::string integers;
    std::string target = "label";
    double scale = 255.0;
    std::vector<double> mean{0.0};  ///< one, or one for each channel
    std::vector<double> std{1.0};
    std::int64_t window_bytes = std::int64_t{64} << 20;
    std::int64_t cache_bytes = std::int64_t{256} << 20;
    std::int64_t threads = 1;
  } data;
  struct Augment {
    std::int64_t pad = 0;
    std::string padding = "fill";
    bool flip = false;
    std::int64_t cutout = 0;
    std::vector<double> fill{0.0};
  } augment;
  ModelOptions model;
  struct Train {
    std::int64_t epochs = 5;
    std::int64_t batch_size = 128;
    std::int64_t accumulate = 1;
    std::int64_t max_steps = 0;
    std::int64_t seed = 1;
    std::string order = "shuffled";
    std::int64_t threads = 0;
    double timeout_s = 300.0;
  } train;
  OptimizerOptions optimizer;
  ScheduleOptions schedule;
  ExchangeOptions exchange;
  struct Numerics {
    std::string reproducible = "run";
    std::int64_t shards = 8;
    std::string loss_scale = "none";

    bool ignores_ranks() const { return reproducible == "ranks"; }
  } numerics;
  struct Run {
    std::string dir;
    std::int64_t checkpoint_every = 0;
    std::int64_t keep = 3;
    std::int64_t log_every = 1;
    std::int64_t evaluate_every = 1;
    std::string evaluate_with = "parameters";
    std::string monitor = "test_loss";
    std::int64_t stop_after = 0;
    double min_delta = 0.0;
    bool keep_best = false;
    bool log_gradient_norm = false;
    bool tensorboard = false;
    std::string progress = "auto";
  } run;
};

/// The configuration is wrong. The message names the file, variable or option and the key.
class ConfigError : public Error {
 public:
  using Error::Error;
};

/// What must be so when a run is resumed with another value of a key.
enum class OnResume : std::uint8_t {
  refuse,  ///< the checkpoint would be of another run
  note,    ///< allowed; the run goes on, but not with the bits it would have had
  free,    ///< does not touch what is computed
};

/// One row of the table of keys.
struct Key {
  using Slot = std::variant<std::string*, std::int64_t*, double*, bool*, std::vector<double>*>;
  static constexpr double kUnbounded = 1e15;   ///< as `high` of a count: counts stay exact as doubles
  static constexpr double kAboveZero = 1e-12;  ///< as `low`: stands for "greater than 0"

  std::string_view name;  ///< "section.key"
  std::string_view meaning;
  Slot (*slot)(Config&);                       ///< where its value lives
  std::vector<std::string_view> choices = {};  ///< of a string; empty: any text
  double low = 0.0;                            ///< of a number, or each of several: allowed range, with both ends
  double high = 0.0;
  OnResume on_resume = OnResume::free;
  bool path = false;  ///< a file name: in a TOML file relative to the file's folder
};

std::span<const Key> key_table();

/// Tables [[section.name]] of a file: a list in the configuration.
struct ListedTables {
  std::string_view name;      ///< "optimizer.group"
  std::string_view what;      ///< "a group of parameters"
  std::string_view required;  ///< key that each must have, and what it means
  std::string_view required_meaning;
  std::span<const Key> (*keys)();  ///< "optimizer.group.match"; their slots are in the last of the list
  std::size_t (*count)(const Config&);
  void (*append)(Config&);  ///< one more, of defaults
  void (*keep_only)(Config&, std::size_t place);
  bool (*is_given)(const Config&, const Key&);  ///< whether the last one has a value of its own
};
std::span<const ListedTables> listed_tables();

/// Whether the optimizer or schedule that `config` names knows `key`; true for keys that all of them know.
bool key_applies(const Config& config, const Key& key);

/// Where values come from, in rising order of precedence: `file`, then `environment`, then `options`.
struct ConfigSources {
  std::filesystem::path file;            ///< "-": standard input
  std::vector<std::string> environment;  ///< "TUTTI_TRAIN_EPOCHS=3"; other variables are skipped
  std::vector<std::string> options;      ///< "train.epochs=3"
};

/// TUTTI_* variables of this process.
std::vector<std::string> tutti_environment();

/// Reads, checks and completes a configuration (run.dir, when not given, is runs/ and the file's name without its
/// ending). \throws ConfigError for the first thing that is wrong: a file that cannot be read or is not TOML, a key
/// that is unknown
///         (naming the nearest known one), a value of another type or out of range, keys that contradict each other.
Config read_config(const ConfigSources& sources);

/// One `--set section.key=value`. \throws ConfigError
void set_option(Config& config, const std::string& option);

/// The effective configuration as TOML, every key that applies, in the order of the table; parse_config() reads it back
/// to the same values.
std::string to_toml(const Config& config);
Config parse_config(std::string_view toml, const std::string& origin);

/// Every key whose value differs, as "train.seed is 2 and was 1", with what that means for resuming.
struct Difference {
  std::string text;
  OnResume on_resume;
};
std::vector<Difference> differences(const Config& now, const Config& before);

/// What a key may be, for messages and documentation: "1 to 4096", "f32, f64", "text".
std::string range_text(const Key& key);

/// The value in a slot, as TOML.
std::string value_text(const Key::Slot& slot);

/// The tables of keys and of the keys of a group in Markdown, as printed in the README.
std::string key_table_markdown();

}  // namespace tutti::trainer
