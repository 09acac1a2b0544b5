// The data sets of a run, checked against each other and against what a model can learn from, and batches as the
// network wants them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <tutti/io/dataset.hpp>
#include <tutti/io/loader.hpp>
#include <tutti/trainer/config/config.hpp>
#include <tutti/trainer/network/network.hpp>
#include <tutti/trainer/run/step_loop.hpp>

namespace tutti::trainer {

/// Names in a text with commas between. \throws ConfigError naming the `key` it is the value of, for an empty name
std::vector<std::string> names_in(const std::string& list, std::string_view key);

/// A data set of inputs and what a model is to tell of them, and where in its samples they are.
class LabelledData {
 public:
  /// \throws DataError naming the folder: what io::Dataset throws; no samples, no class labels where the loss is of
  /// classes, a target that is no number, no such input field. ConfigError: fields that are named wrongly.
  LabelledData(const std::string& folder, const Config& config);

  const io::Dataset& dataset() const noexcept { return dataset_; }
  /// The first input.
  const io::Field& input() const noexcept { return dataset_.fields()[inputs_.front()]; }
  /// All fields that a model sees or is to tell.
  std::vector<io::Field> used() const;

  TaskShape task() const;

  /// Inputs and targets of a batch. They are views: of the batch, and of `labels`, which is overwritten.
  Samples samples(const io::Batch& batch, std::vector<std::int64_t>& labels) const;

 private:
  void widen_labels(std::span<const std::byte> bytes, std::vector<std::int64_t>& labels) const;
  void choose_target(const Config& config);

  io::Dataset dataset_;
  TargetKind kind_;
  std::vector<std::size_t> inputs_;
  std::vector<bool> integers_;  // by input
  std::size_t target_ = 0;
};

/// The training set, and the test set if there is one.
struct RunData {
  LabelledData train;
  std::optional<LabelledData> test;
};

/// Local. \throws DataError naming the folder: also sets that differ in inputs, targets or classes.
RunData open_data(const Config& config);

}  // namespace tutti::trainer
