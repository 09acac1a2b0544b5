#include <tutti/trainer/network/class_counts.hpp>

namespace tutti::trainer {

namespace {

std::optional<double> share_or_nothing(std::uint64_t part, std::uint64_t whole) {
  if (whole == 0) return std::nullopt;
  return static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

ClassCounts ClassCounts::of(std::size_t classes) {
  if (classes > kMostClasses) return {};
  return {.classes = classes, .cells = std::vector<std::uint64_t>(classes * classes)};
}

std::uint64_t ClassCounts::samples(std::size_t which) const noexcept {
  std::uint64_t sum = 0;
  for (std::size_t predicted = 0; predicted < classes; ++predicted) sum += at(which, predicted);
  return sum;
}

std::uint64_t ClassCounts::predicted(std::size_t which) const noexcept {
  std::uint64_t sum = 0;
  for (std::size_t truth = 0; truth < classes; ++truth) sum += at(truth, which);
  return sum;
}

std::optional<double> ClassCounts::precision(std::size_t which) const noexcept {
  return share_or_nothing(right(which), predicted(which));
}

std::optional<double> ClassCounts::recall(std::size_t which) const noexcept {
  return share_or_nothing(right(which), samples(which));
}

std::optional<double> ClassCounts::f1(std::size_t which) const noexcept {
  const std::uint64_t its = samples(which);
  return its == 0 ? std::nullopt : share_or_nothing(2 * right(which), its + predicted(which));
}

}  // namespace tutti::trainer
