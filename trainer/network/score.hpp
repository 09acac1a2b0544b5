// Scores of answers: sums over samples that add up over batches and ranks, and what is read from them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tutti::trainer {

/// Number, mean and sum of squared distances from the mean of values that come one after another (Welford), and of two
/// such sets together (Chan et al.). Equal values have a sum of exactly 0.
struct Moments {
  double count = 0.0;
  double mean = 0.0;
  double squares = 0.0;

  void add(double value) noexcept;
  void merge(const Moments& other) noexcept;
};

/// Classes and yes-or-no have counts, numbers have moments.
struct Score {
  double loss = 0.0;          ///< sum over samples
  std::uint64_t correct = 0;  ///< answers that are right
  std::uint64_t samples = 0;
  std::uint64_t answers = 0;   ///< classes told: one a sample, or one a byte; 0: the answers are numbers
  std::uint64_t in_top5 = 0;   ///< answers whose class is among the 5 most probable ones, or all if there are fewer
  double squared_error = 0.0;  ///< of numbers
  std::vector<Moments> targets = {};  ///< of numbers, one for each output

  bool of_classes() const noexcept { return answers != 0; }
  double mean_loss() const noexcept;
  double accuracy() const noexcept;
  double top5_accuracy() const noexcept;
  double rmse() const noexcept;
  /// 1 - squared error / squared distance of the targets from their means, over all outputs together. Constant targets:
  /// 1 if they are met exactly, else 0.
  double r2() const noexcept;

  void merge(const Score& other);

  /// As numbers to be sent, of the same length for the same number of outputs, and back.
  std::vector<double> packed(std::size_t outputs) const;
  static Score unpacked(std::span<const double> numbers);
};

}  // namespace tutti::trainer
