// The table of optimizers.
#include <tutti/trainer/optimizers/optimizer.hpp>

#include <tutti/trainer/tables/named_rows.hpp>

namespace tutti::trainer {

namespace {

struct OptimizerRow {
  std::string_view name;
  std::unique_ptr<Optimizer> (*make)(const OptimizerOptions& options);
};

constexpr OptimizerRow kOptimizers[] = {
    {"sgd", make_sgd},
};

}  // namespace

std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& options) {
  return row_named(kOptimizers, "optimizer", options.kind).make(options);
}

std::span<const std::string_view> optimizer_names() noexcept {
  static constexpr auto kNames = names_of(kOptimizers);
  return kNames;
}

}  // namespace tutti::trainer
