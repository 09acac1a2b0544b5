// The table of losses. Each divides the sum over a sample's targets by their number.
#include <tutti/trainer/models/loss.hpp>

#include <ATen/core/Reduction.h>
#include <ATen/ops/binary_cross_entropy_with_logits.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/huber_loss.h>
#include <ATen/ops/mse_loss.h>

#include <array>
#include <cstddef>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>
#include <tutti/trainer/models/model.hpp>
#include <tutti/trainer/tables/named_rows.hpp>

namespace tutti::trainer {

namespace {

using at::Tensor;

Tensor mean_of_sample(const Tensor& sum, const Tensor& targets) {
  const auto n = targets.size(0);
  const double each = n == 0 ? 1.0 : static_cast<double>(targets.numel()) / static_cast<double>(n);
  return each == 1.0 ? sum : sum.mul(1.0 / each);
}

/// Classes of {n} from {n, C}, or of {n, T} from {n, T, C}.
Tensor cross_entropy(const Tensor& output, const Tensor& targets, const ModelOptions& options) {
  const bool rows = output.dim() == 2;
  const Tensor sum = at::cross_entropy_loss(rows ? output : output.flatten(0, -2), rows ? targets : targets.flatten(),
                                            {}, at::Reduction::Sum, /*ignore_index=*/-100, options.label_smoothing);
  return mean_of_sample(sum, targets);
}

Tensor mse(const Tensor& output, const Tensor& targets, const ModelOptions&) {
  return mean_of_sample(at::mse_loss(output, targets, at::Reduction::Sum), targets);
}

Tensor bce(const Tensor& output, const Tensor& targets, const ModelOptions&) {
  return mean_of_sample(at::binary_cross_entropy_with_logits(output, targets, {}, {}, at::Reduction::Sum), targets);
}

Tensor huber(const Tensor& output, const Tensor& targets, const ModelOptions& options) {
  return mean_of_sample(at::huber_loss(output, targets, at::Reduction::Sum, options.huber_delta), targets);
}

constexpr Loss kLosses[] = {
    {"cross_entropy", "of one class among several", true, false, cross_entropy},
    {"mse", "mean squared error", false, false, mse},
    {"bce", "binary cross-entropy of answers that are yes or no", false, true, bce},
    {"huber", "squared up to model.huber_delta, linear beyond", false, false, huber},
};

constexpr std::string_view kAuto = "auto";

}  // namespace

const Loss& find_loss(const ModelOptions& options) {
  if (options.loss != kAuto) return row_named(kLosses, "loss", options.loss);
  return row_named(kLosses, "loss", options.file.empty() ? find_model(options.name).loss : "cross_entropy");
}

std::string_view loss_name(const ModelOptions& options) { return find_loss(options).name; }

std::span<const std::string_view> loss_names() noexcept {
  static constexpr auto kNames = [] {
    constexpr auto kRows = names_of(kLosses);
    std::array<std::string_view, kRows.size() + 1> names{kAuto};
    for (std::size_t i = 0; i < kRows.size(); ++i) names[i + 1] = kRows[i];
    return names;
  }();
  return kNames;
}

TargetKind target_kind(const ModelOptions& options) {
  const Loss& loss = find_loss(options);
  const bool bytes = options.file.empty() && find_model(options.name).bytes;
  if (bytes && !loss.of_classes)
    throw InvalidArgument(text("model.name = \"", options.name, "\" foresees bytes: model.loss = \"", loss.name,
                               "\" is of numbers, cross_entropy is of classes"));
  if (bytes) return TargetKind::next_byte;
  return loss.of_classes ? TargetKind::labels : TargetKind::numbers;
}

}  // namespace tutti::trainer
