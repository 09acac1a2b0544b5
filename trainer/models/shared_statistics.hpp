// Statistics of batch normalisation over the samples of all ranks: what ranks tell each other at each layer, and when.
#pragma once

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

namespace tutti::trainer {

/// How numbers come to other ranks. Collective: all ranks make the same calls in the same order, with as many numbers.
/// What it throws comes out of forward() or backward() of the network.
class StatisticsExchange {
 public:
  StatisticsExchange() = default;
  virtual ~StatisticsExchange() = default;
  StatisticsExchange(const StatisticsExchange&) = delete;
  StatisticsExchange& operator=(const StatisticsExchange&) = delete;

  virtual std::size_t ranks() const noexcept = 0;

  /// The numbers of all ranks, one rank's behind the other's.
  virtual void all_gather(std::span<const double> own, std::span<double> all) = 0;

  /// Replaces the numbers by their sums over all ranks, the same bits on every rank.
  virtual void sum(std::span<double> numbers) = 0;
};

/// Of some values of each channel: how many, their mean and the sum of the squares of their differences from it.
struct ChannelMoments {
  double count = 0.0;
  std::vector<double> mean = {};
  std::vector<double> squares = {};

  static ChannelMoments of_nothing(std::size_t channels) {
    return {.count = 0.0, .mean = std::vector<double>(channels), .squares = std::vector<double>(channels)};
  }

  /// Adds values (Chan, Golub and LeVeque, 1983). Never by the mean of squares less the square of the mean, in which
  /// digits cancel.
  void merge(double more, std::span<const double> its_mean, std::span<const double> its_squares);
};

/// How far this rank has come in the exchanges of a micro-batch. Every rank makes all of them, one for each layer of
/// batch normalisation in forward, in order, and one for each in backward, in reverse order, whether it has samples or
/// not: a rank that makes none would leave the others waiting.
class SharedStatistics {
 public:
  /// `channels` of each layer, first layer first. `exchange` outlives it.
  SharedStatistics(StatisticsExchange& exchange, std::vector<std::size_t> channels)
      : exchange_(exchange), channels_(std::move(channels)) {}

  /// Whether there are layers that forward has still to come to, and that backward has.
  bool forward_is_next() const noexcept { return done_ < channels_.size(); }
  bool backward_is_next() const noexcept { return !forward_is_next() && done_ < 2 * channels_.size(); }

  /// The layer whose turn it is.
  std::size_t layer() const noexcept { return forward_is_next() ? done_ : 2 * channels_.size() - 1 - done_; }
  std::size_t channels() const noexcept { return channels_[layer()]; }

  /// In forward: the moments over the values of all ranks, merged in rank order in f64, the same bits on every rank.
  ChannelMoments merged(const ChannelMoments& own);

  /// In backward: two numbers for each channel, replaced by their sums over all ranks.
  void sum(std::span<double> numbers);

  /// Another micro-batch begins.
  void restart() noexcept { done_ = 0; }

 private:
  StatisticsExchange& exchange_;
  const std::vector<std::size_t> channels_;
  std::size_t done_ = 0;  // exchanges of this micro-batch
};

}  // namespace tutti::trainer
