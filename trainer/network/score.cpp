#include <tutti/trainer/network/score.hpp>

#include <algorithm>
#include <cmath>

namespace tutti::trainer {

namespace {

double share(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

void Moments::add(double value) noexcept {
  count += 1.0;
  const double distance = value - mean;
  mean += distance / count;
  squares += distance * (value - mean);
}

void Moments::merge(const Moments& other) noexcept {
  if (other.count == 0.0) return;
  if (count == 0.0) {
    *this = other;
    return;
  }
  const double distance = other.mean - mean;
  const double both = count + other.count;
  mean += distance * other.count / both;
  squares += other.squares + distance * distance * count * other.count / both;
  count = both;
}

double Score::mean_loss() const noexcept { return samples == 0 ? 0.0 : loss / static_cast<double>(samples); }
double Score::accuracy() const noexcept { return share(correct, answers); }
double Score::top5_accuracy() const noexcept { return share(in_top5, answers); }

double Score::rmse() const noexcept {
  double count = 0.0;
  for (const Moments& target : targets) count += target.count;
  return count == 0.0 ? 0.0 : std::sqrt(squared_error / count);
}

double Score::r2() const noexcept {
  double spread = 0.0;
  for (const Moments& target : targets) spread += target.squares;
  if (spread == 0.0) return squared_error == 0.0 ? 1.0 : 0.0;
  return 1.0 - squared_error / spread;
}

void Score::merge(const Score& other) {
  loss += other.loss;
  correct += other.correct;
  samples += other.samples;
  answers += other.answers;
  in_top5 += other.in_top5;
  squared_error += other.squared_error;
  targets.resize(std::max(targets.size(), other.targets.size()));
  for (std::size_t i = 0; i < other.targets.size(); ++i) targets[i].merge(other.targets[i]);
}

std::vector<double> Score::packed(std::size_t outputs) const {
  std::vector<double> numbers{loss,
                              static_cast<double>(correct),
                              static_cast<double>(samples),
                              static_cast<double>(answers),
                              static_cast<double>(in_top5),
                              squared_error};
  for (std::size_t i = 0; i < outputs; ++i) {
    const Moments target = i < targets.size() ? targets[i] : Moments{};
    numbers.insert(numbers.end(), {target.count, target.mean, target.squares});
  }
  return numbers;
}

Score Score::unpacked(std::span<const double> numbers) {
  const auto count = [&](std::size_t i) { return static_cast<std::uint64_t>(numbers[i]); };
  Score score{.loss = numbers[0],
              .correct = count(1),
              .samples = count(2),
              .answers = count(3),
              .in_top5 = count(4),
              .squared_error = numbers[5],
              .targets = {}};
  for (std::size_t i = 6; i + 3 <= numbers.size(); i += 3)
    score.targets.push_back({.count = numbers[i], .mean = numbers[i + 1], .squares = numbers[i + 2]});
  return score;
}

}  // namespace tutti::trainer
