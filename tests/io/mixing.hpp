// How well an order mixes a data set that is sorted by class: the figures of io/README.md.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace tutti::io::test {

/// Of one epoch. `order` is what is visited, `classes` classes lie one after another, `block` samples together on disk.
struct Mixing {
  double correlation = 0;    ///< of the position with the sample; 1: not mixed
  double same_block = 0;     ///< share of the pairs of a batch that come from one block
  double runs = 0;           ///< runs of equal classes, over those of a random order
  double chi2_of_batch = 0;  ///< per degree of freedom, of the classes of a batch; 1: as at random

  Mixing& operator+=(const Mixing& other) {
    correlation += other.correlation;
    same_block += other.same_block;
    runs += other.runs;
    chi2_of_batch += other.chi2_of_batch;
    return *this;
  }
  Mixing over(double count) const {
    return {correlation / count, same_block / count, runs / count, chi2_of_batch / count};
  }
};

inline double correlation_with_position(const std::vector<std::uint64_t>& order) {
  const auto n = static_cast<double>(order.size());
  const double mean = (n - 1) / 2;
  double sum = 0;
  for (std::size_t p = 0; p < order.size(); ++p)
    sum += (static_cast<double>(p) - mean) * (static_cast<double>(order[p]) - mean);
  return sum / (n * (n * n - 1) / 12);
}

/// Requires that classes divide the size; whole batches count.
inline Mixing mixing_of(const std::vector<std::uint64_t>& order, std::uint64_t classes, std::uint64_t block,
                        std::uint64_t batch) {
  const std::uint64_t size = order.size();
  const auto class_of = [&](std::uint64_t id) { return id / (size / classes); };
  Mixing result{.correlation = correlation_with_position(order)};
  double runs = 1;
  for (std::uint64_t p = 1; p < size; ++p) runs += class_of(order[p]) != class_of(order[p - 1]) ? 1 : 0;
  const auto n = static_cast<double>(size);
  result.runs = runs / (1 + n * (1 - 1 / static_cast<double>(classes)));
  double pairs = 0;
  for (std::uint64_t begin = 0; begin + batch <= size; begin += batch) {
    std::vector<double> of_class(classes);
    std::vector<std::uint64_t> blocks;
    blocks.reserve(batch);
    for (std::uint64_t p = begin; p < begin + batch; ++p) {
      ++of_class[class_of(order[p])];
      blocks.push_back(order[p] / block);
    }
    const double expected = static_cast<double>(batch) / static_cast<double>(classes);
    for (const double count : of_class) result.chi2_of_batch += (count - expected) * (count - expected) / expected;
    std::sort(blocks.begin(), blocks.end());
    for (std::size_t i = 0, equal = 0; i < blocks.size(); ++i) {
      equal = i > 0 && blocks[i] == blocks[i - 1] ? equal + 1 : 0;
      result.same_block += static_cast<double>(equal);
    }
    pairs += static_cast<double>(batch) * static_cast<double>(batch - 1) / 2;
  }
  result.same_block /= pairs;
  const std::uint64_t batches = size / batch;
  result.chi2_of_batch /= static_cast<double>(batches) * static_cast<double>(classes - 1);
  return result;
}

}  // namespace tutti::io::test
