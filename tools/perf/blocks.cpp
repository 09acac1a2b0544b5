#include "tools/perf/blocks.hpp"

#include <algorithm>
#include <limits>

namespace tutti::tools {
namespace {

Blocks lay_out(std::vector<std::size_t> counts) {
  Blocks blocks{.counts = std::move(counts), .starts = {}, .total = 0};
  for (const std::size_t count : blocks.counts) {
    blocks.starts.push_back(blocks.total);
    blocks.total += count;
  }
  if (blocks.total > static_cast<std::size_t>(std::numeric_limits<int>::max())) return blocks;
  for (std::size_t i = 0; i < blocks.counts.size(); ++i) {
    blocks.mpi_counts.push_back(static_cast<int>(blocks.counts[i]));
    blocks.mpi_starts.push_back(static_cast<int>(blocks.starts[i]));
  }
  return blocks;
}

/// Step `step` of `steps` from count / 2 to 3 count / 2, free of overflow for any count whose buffer can exist.
std::size_t ramp(std::size_t count, std::size_t step, std::size_t steps) {
  const std::size_t whole = count / (2 * steps);
  const std::size_t rest = count % (2 * steps);
  return whole * (steps + 2 * step) + rest * (steps + 2 * step) / (2 * steps);
}

}  // namespace

std::size_t Blocks::smallest() const { return counts.empty() ? 0 : *std::min_element(counts.begin(), counts.end()); }

Blocks even_blocks(std::size_t count, int ranks) {
  return lay_out(std::vector<std::size_t>(static_cast<std::size_t>(ranks), count));
}

Blocks uneven_blocks(std::size_t count, int ranks, int first) {
  if (ranks == 1) return even_blocks(count, 1);
  const auto size = static_cast<std::size_t>(ranks);
  std::vector<std::size_t> counts(size);
  for (std::size_t step = 0; step < size; ++step)
    counts[(static_cast<std::size_t>(first) + step) % size] = ramp(count, step, size - 1);
  return lay_out(std::move(counts));
}

Blocks uneven_blocks_for(std::size_t count, int ranks, int rank) {
  const auto given = uneven_blocks(count, ranks).counts;
  std::vector<std::size_t> counts;
  counts.reserve(given.size());
  for (int from = 0; from < ranks; ++from)
    counts.push_back(given[static_cast<std::size_t>((rank - from + ranks) % ranks)]);
  return lay_out(std::move(counts));
}

}  // namespace tutti::tools
