// How often each class was predicted for samples of each class: the confusion matrix, and what is read from it by
// class.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace tutti::trainer {

/// Whole numbers, so that sums over batches and ranks do not depend on their order.
struct ClassCounts {
  static constexpr std::size_t kMostClasses = 1000;  ///< of more nothing is counted: 8 MB on every rank

  std::size_t classes = 0;                ///< 0: nothing is counted
  std::vector<std::uint64_t> cells = {};  ///< classes x classes, a row for each true class

  /// No counts yet; of more than kMostClasses nothing will be counted.
  static ClassCounts of(std::size_t classes);

  bool empty() const noexcept { return classes == 0; }
  void add(std::size_t truth, std::size_t predicted) noexcept { ++cells[truth * classes + predicted]; }
  std::uint64_t at(std::size_t truth, std::size_t predicted) const noexcept {
    return cells[truth * classes + predicted];
  }

  std::uint64_t samples(std::size_t which) const noexcept;    ///< that are of the class
  std::uint64_t predicted(std::size_t which) const noexcept;  ///< for which the class was predicted
  std::uint64_t right(std::size_t which) const noexcept { return at(which, which); }

  std::optional<double> precision(std::size_t which) const noexcept;  ///< nothing if the class was never predicted
  std::optional<double> recall(std::size_t which) const noexcept;     ///< nothing if there are no samples of the class
  /// 2 right / (samples + predicted), the harmonic mean of both; nothing if there are no samples of the class.
  std::optional<double> f1(std::size_t which) const noexcept;
};

}  // namespace tutti::trainer
