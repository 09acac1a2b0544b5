// The table of optimizers: the keys that each knows beside those that all know, and its defaults where they are not
// those of OptimizerOptions (those of torch.optim and, for lars and lamb, of the papers).
#include <tutti/trainer/optimizers/optimizer.hpp>

#include <algorithm>

#include <tutti/trainer/tables/named_rows.hpp>

namespace tutti::trainer {

namespace {

using KeyNames = std::span<const std::string_view>;

constexpr std::string_view kSgdKeys[] = {"momentum", "nesterov", "weight_decay"};
constexpr std::string_view kAdamKeys[] = {"beta1", "beta2", "epsilon", "amsgrad", "weight_decay"};
constexpr std::string_view kAdagradKeys[] = {"rate_decay", "initial_accumulator", "epsilon", "weight_decay"};
constexpr std::string_view kRmspropKeys[] = {"alpha", "momentum", "centered", "epsilon", "weight_decay"};
constexpr std::string_view kLarsKeys[] = {"momentum", "trust_coefficient", "weight_decay", "group.adapt"};
constexpr std::string_view kLambKeys[] = {"beta1", "beta2", "epsilon", "weight_decay", "group.adapt"};

struct OptimizerRow {
  std::string_view name;
  std::unique_ptr<Optimizer> (*make)(const OptimizerOptions& options);
  KeyNames keys;
  void (*set_defaults)(OptimizerOptions& options);
};

constexpr OptimizerRow kOptimizers[] = {
    {"sgd", make_sgd, kSgdKeys, [](OptimizerOptions&) {}},
    {"adam", make_adam, kAdamKeys, [](OptimizerOptions& o) { o.learning_rate = 1e-3; }},
    {"adamw", make_adamw, kAdamKeys,
     [](OptimizerOptions& o) {
       o.learning_rate = 1e-3;
       o.weight_decay = 0.01;
     }},
    {"adagrad", make_adagrad, kAdagradKeys,
     [](OptimizerOptions& o) {
       o.learning_rate = 0.01;
       o.epsilon = 1e-10;
     }},
    {"rmsprop", make_rmsprop, kRmspropKeys,
     [](OptimizerOptions& o) {
       o.learning_rate = 0.01;
       o.momentum = 0.0;
     }},
    {"lars", make_lars, kLarsKeys, [](OptimizerOptions& o) { o.learning_rate = 1.0; }},
    {"lamb", make_lamb, kLambKeys,
     [](OptimizerOptions& o) {
       o.learning_rate = 1e-3;
       o.epsilon = 1e-6;
       o.weight_decay = 0.01;
     }},
};

const OptimizerRow& optimizer_row(std::string_view kind) { return row_named(kOptimizers, "optimizer", kind); }

}  // namespace

std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& options) {
  return optimizer_row(options.kind).make(options);
}

std::span<const std::string_view> optimizer_names() noexcept {
  static constexpr auto kNames = names_of(kOptimizers);
  return kNames;
}

bool optimizer_reads(std::string_view kind, std::string_view key) {
  const KeyNames keys = optimizer_row(kind).keys;
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

OptimizerOptions optimizer_defaults(std::string_view kind) {
  OptimizerOptions options;
  options.kind = kind;
  optimizer_row(kind).set_defaults(options);
  return options;
}

}  // namespace tutti::trainer
