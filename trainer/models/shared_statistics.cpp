#include <tutti/trainer/models/shared_statistics.hpp>

namespace tutti::trainer {

void ChannelMoments::merge(double more, std::span<const double> its_mean, std::span<const double> its_squares) {
  if (more == 0.0) return;
  const double total = count + more;
  for (std::size_t c = 0; c < mean.size(); ++c) {
    const double difference = its_mean[c] - mean[c];
    mean[c] += difference * (more / total);  // nothing before: exactly its mean
    squares[c] += its_squares[c] + difference * difference * (count * more / total);
  }
  count = total;
}

/// A rank sends {count, mean of each channel, squares of each channel}.
ChannelMoments SharedStatistics::merged(const ChannelMoments& own) {
  const std::size_t channels = own.mean.size();
  std::vector<double> message{own.count};
  message.insert(message.end(), own.mean.begin(), own.mean.end());
  message.insert(message.end(), own.squares.begin(), own.squares.end());
  std::vector<double> all(message.size() * exchange_.ranks());
  exchange_.all_gather(message, all);
  ++done_;
  ChannelMoments moments = ChannelMoments::of_nothing(channels);
  for (std::size_t begin = 0; begin < all.size(); begin += message.size()) {
    const auto its = std::span<const double>(all).subspan(begin, message.size());
    moments.merge(its[0], its.subspan(1, channels), its.subspan(1 + channels));
  }
  return moments;
}

void SharedStatistics::sum(std::span<double> numbers) {
  exchange_.sum(numbers);
  ++done_;
}

}  // namespace tutti::trainer
