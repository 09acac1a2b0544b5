// The data sets of a run, checked against each other and against what a model can learn from, and batches as the
// network wants them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include <tutti/io/dataset.hpp>
#include <tutti/io/loader.hpp>
#include <tutti/trainer/config/config.hpp>
#include <tutti/trainer/network/network.hpp>

namespace tutti::trainer {

/// A data set of inputs and class labels, and where in its samples they are.
class LabelledData {
 public:
  /// \throws DataError naming the folder: what io::Dataset throws; no samples, no class labels, no such input field.
  LabelledData(const std::string& folder, const std::string& input_field);

  const io::Dataset& dataset() const noexcept { return dataset_; }
  const io::Field& input() const noexcept { return dataset_.fields()[input_]; }

  /// Inputs and labels of a batch. They are views: of the batch, and of `labels`, which is overwritten.
  Samples samples(const io::Batch& batch, std::vector<std::int64_t>& labels) const;

 private:
  io::Dataset dataset_;
  std::size_t input_ = 0;
  std::size_t label_ = 0;
};

/// The training set, and the test set if there is one.
struct RunData {
  LabelledData train;
  std::optional<LabelledData> test;
};

/// Local. \throws DataError naming the folder: also sets that differ in inputs or classes.
RunData open_data(const Config& config);

}  // namespace tutti::trainer
