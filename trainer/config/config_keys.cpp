// The table of keys, and what is printed from it.
#include <fmt/core.h>

#include <limits>

#include <tutti/trainer/config/config.hpp>

namespace tutti::trainer {

namespace {

using Slot = Key::Slot;

constexpr double kCount = 1e15;  // counts stay exact as doubles, and so within ranges as written here
constexpr double kTiny = 1e-12;  // stands for "greater than 0"

const std::vector<Key>& keys() {
  static const std::vector<Key> table = {
      {.name = "data.train",
       .meaning = "folder of the data set to learn from (shards and manifest); in paths ~ and $NAME are expanded",
       .slot = [](Config& c) -> Slot { return &c.data.train; },
       .path = true},
      {.name = "data.test",
       .meaning = "folder of the data set to be evaluated on; empty: no evaluation",
       .slot = [](Config& c) -> Slot { return &c.data.test; },
       .path = true},
      {.name = "data.input",
       .meaning = "field that the model sees; the label is the field `label`",
       .slot = [](Config& c) -> Slot { return &c.data.input; },
       .on_resume = OnResume::refuse},
      {.name = "data.scale",
       .meaning = "inputs are divided by this first: the largest value of a pixel",
       .slot = [](Config& c) -> Slot { return &c.data.scale; },
       .low = kTiny,
       .high = 1e12,
       .on_resume = OnResume::refuse},
      {.name = "data.mean",
       .meaning = "then this is subtracted",
       .slot = [](Config& c) -> Slot { return &c.data.mean; },
       .low = -1e12,
       .high = 1e12,
       .on_resume = OnResume::refuse},
      {.name = "data.std",
       .meaning = "and the rest divided by this",
       .slot = [](Config& c) -> Slot { return &c.data.std; },
       .low = kTiny,
       .high = 1e12,
       .on_resume = OnResume::refuse},

      {.name = "model.name",
       .meaning = "which model: softmax regression, a perceptron with one hidden layer, a small convnet",
       .slot = [](Config& c) -> Slot { return &c.model.name; },
       .choices = {"softmax", "mlp", "convnet"},
       .on_resume = OnResume::refuse},
      {.name = "model.hidden",
       .meaning = "units of the hidden layer (mlp, convnet)",
       .slot = [](Config& c) -> Slot { return &c.model.hidden; },
       .low = 1,
       .high = 1e6,
       .on_resume = OnResume::refuse},
      {.name = "model.channels",
       .meaning = "channels of the first convolution, the second has twice as many (convnet)",
       .slot = [](Config& c) -> Slot { return &c.model.channels; },
       .low = 1,
       .high = 4096,
       .on_resume = OnResume::refuse},
      {.name = "model.stride",
       .meaning = "step of the first convolution; 1 pools after it, 2 makes it the cheaper half (convnet)",
       .slot = [](Config& c) -> Slot { return &c.model.stride; },
       .low = 1,
       .high = 2,
       .on_resume = OnResume::refuse},
      {.name = "model.dtype",
       .meaning = "type of parameters and arithmetic",
       .slot = [](Config& c) -> Slot { return &c.model.dtype; },
       .choices = {"f32", "f64"},
       .on_resume = OnResume::refuse},

      {.name = "train.epochs",
       .meaning = "passes over the training set",
       .slot = [](Config& c) -> Slot { return &c.train.epochs; },
       .low = 1,
       .high = 1e9},
      {.name = "train.batch_size",
       .meaning = "samples per step over all ranks",
       .slot = [](Config& c) -> Slot { return &c.train.batch_size; },
       .low = 1,
       .high = 1e9,
       .on_resume = OnResume::refuse},
      {.name = "train.max_steps",
       .meaning = "last step, over all epochs; 0: that of the last epoch",
       .slot = [](Config& c) -> Slot { return &c.train.max_steps; },
       .high = kCount},
      {.name = "train.seed",
       .meaning = "seed of initial parameters and of the order of samples",
       .slot = [](Config& c) -> Slot { return &c.train.seed; },
       .high = kCount,
       .on_resume = OnResume::refuse},
      {.name = "train.order",
       .meaning = "order of the samples of an epoch",
       .slot = [](Config& c) -> Slot { return &c.train.order; },
       .choices = {"shuffled", "contiguous"},
       .on_resume = OnResume::refuse},
      {.name = "train.threads",
       .meaning = "threads per rank for the model's arithmetic; 0: OMP_NUM_THREADS, else the rank's share of the cores "
                  "that it may use",
       .slot = [](Config& c) -> Slot { return &c.train.threads; },
       .high = 1024,
       .on_resume = OnResume::note},
      {.name = "train.timeout_s",
       .meaning = "seconds after which waiting for another rank is an error",
       .slot = [](Config& c) -> Slot { return &c.train.timeout_s; },
       .low = 0.001,
       .high = 1e7},

      {.name = "optimizer.kind",
       .meaning = "how parameters are updated by their gradients",
       .slot = [](Config& c) -> Slot { return &c.optimizer.kind; },
       .choices = {"sgd"},
       .on_resume = OnResume::refuse},
      {.name = "optimizer.learning_rate",
       .meaning = "learning rate before schedule and scaling",
       .slot = [](Config& c) -> Slot { return &c.optimizer.learning_rate; },
       .low = 0,
       .high = 1e6,
       .on_resume = OnResume::note},
      {.name = "optimizer.momentum",
       .meaning = "momentum; 0: none",
       .slot = [](Config& c) -> Slot { return &c.optimizer.momentum; },
       .low = 0,
       .high = 0.999999,
       .on_resume = OnResume::note},
      {.name = "optimizer.nesterov",
       .meaning = "Nesterov's look-ahead; needs momentum",
       .slot = [](Config& c) -> Slot { return &c.optimizer.nesterov; },
       .on_resume = OnResume::note},
      {.name = "optimizer.weight_decay",
       .meaning = "times the parameter, added to its gradient",
       .slot = [](Config& c) -> Slot { return &c.optimizer.weight_decay; },
       .low = 0,
       .high = 1e6,
       .on_resume = OnResume::note},

      {.name = "schedule.kind",
       .meaning = "learning rate over time: constant, or multiplied by gamma every step_epochs",
       .slot = [](Config& c) -> Slot { return &c.schedule.kind; },
       .choices = {"constant", "step"},
       .on_resume = OnResume::note},
      {.name = "schedule.warmup_steps",
       .meaning = "steps of linear warm-up, the first at 1/warmup_steps of the rate; 0: none",
       .slot = [](Config& c) -> Slot { return &c.schedule.warmup_steps; },
       .high = kCount,
       .on_resume = OnResume::note},
      {.name = "schedule.step_epochs",
       .meaning = "epochs between drops, fractions allowed (step)",
       .slot = [](Config& c) -> Slot { return &c.schedule.step_epochs; },
       .low = 1e-6,
       .high = 1e9,
       .on_resume = OnResume::note},
      {.name = "schedule.gamma",
       .meaning = "factor of a drop (step)",
       .slot = [](Config& c) -> Slot { return &c.schedule.gamma; },
       .low = 0,
       .high = 1,
       .on_resume = OnResume::note},
      {.name = "schedule.base_batch",
       .meaning = "linear scaling: the rate is for this batch size and grows with batch_size; 0: off",
       .slot = [](Config& c) -> Slot { return &c.schedule.base_batch; },
       .high = 1e9,
       .on_resume = OnResume::note},

      {.name = "exchange.kind",
       .meaning = "how ranks exchange what they learn: gradients are added over all ranks, every step",
       .slot = [](Config& c) -> Slot { return &c.exchange.kind; },
       .choices = {"allreduce"},
       .on_resume = OnResume::note},
      {.name = "exchange.bucket_bytes",
       .meaning = "about how many bytes of gradients are exchanged at a time, as a bucket",
       .slot = [](Config& c) -> Slot { return &c.exchange.bucket_bytes; },
       .low = 1,
       .high = 1e12,
       .on_resume = OnResume::note},
      {.name = "exchange.compression",
       .meaning = "what gradients travel as",
       .slot = [](Config& c) -> Slot { return &c.exchange.compression; },
       .choices = {"none", "bf16", "f16"},
       .on_resume = OnResume::note},
      {.name = "exchange.algorithm",
       .meaning = "allreduce algorithm (allreduce/README.md); empty: chosen by size and ranks",
       .slot = [](Config& c) -> Slot { return &c.exchange.algorithm; },
       .on_resume = OnResume::note},

      {.name = "run.dir",
       .meaning = "the run folder; empty: runs/NAME for a configuration NAME.toml",
       .slot = [](Config& c) -> Slot { return &c.run.dir; },
       .path = true},
      {.name = "run.checkpoint_every",
       .meaning = "steps between checkpoints; 0: one at the end of each epoch",
       .slot = [](Config& c) -> Slot { return &c.run.checkpoint_every; },
       .high = kCount},
      {.name = "run.keep",
       .meaning = "checkpoints kept, the newest ones",
       .slot = [](Config& c) -> Slot { return &c.run.keep; },
       .low = 1,
       .high = 1e6},
      {.name = "run.log_every",
       .meaning = "steps between lines of metrics.jsonl",
       .slot = [](Config& c) -> Slot { return &c.run.log_every; },
       .low = 1,
       .high = kCount},
      {.name = "run.evaluate_every",
       .meaning = "epochs between evaluations; the last step is always followed by one; 0: only that",
       .slot = [](Config& c) -> Slot { return &c.run.evaluate_every; },
       .high = 1e9},
      {.name = "run.progress",
       .meaning = "what rank 0 shows; auto: a bar on a terminal, lines elsewhere",
       .slot = [](Config& c) -> Slot { return &c.run.progress; },
       .choices = {"auto", "bar", "lines", "none"}},
  };
  return table;
}

std::string range_text(const Key& key, const Slot& slot) {
  if (std::holds_alternative<bool*>(slot)) return "true, false";
  if (std::holds_alternative<std::string*>(slot)) {
    std::string choices;
    for (const auto choice : key.choices) choices += fmt::format("{}{}", choices.empty() ? "" : ", ", choice);
    return choices.empty() ? "text" : choices;
  }
  if (key.high >= kCount) return fmt::format("at least {}", key.low);
  return key.low == kTiny ? fmt::format("above 0, up to {}", key.high) : fmt::format("{} to {}", key.low, key.high);
}

}  // namespace

std::span<const Key> key_table() { return keys(); }

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
