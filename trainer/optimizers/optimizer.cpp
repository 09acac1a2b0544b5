// The table of optimizers.
#include <tutti/trainer/optimizers/optimizer.hpp>

#include <string>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::trainer {

namespace {

struct OptimizerRow {
  std::string_view name;
  std::unique_ptr<Optimizer> (*make)(const Config::Optimizer& options);
};

constexpr OptimizerRow kOptimizers[] = {
    {"sgd", make_sgd},
};

}  // namespace

std::unique_ptr<Optimizer> make_optimizer(const Config::Optimizer& options) {
  std::string known;
  for (const OptimizerRow& row : kOptimizers) {
    if (row.name == options.kind) return row.make(options);
    known += text(known.empty() ? "" : ", ", row.name);
  }
  throw InvalidArgument(text("unknown optimizer '", options.kind, "'; known: ", known));
}

}  // namespace tutti::trainer
