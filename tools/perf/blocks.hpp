// Which elements of a buffer are whose: blocks of one size, or of a size of every rank's own.
#pragma once

#include <cstddef>
#include <vector>

namespace tutti::tools {

/// Block r is elements [starts[r], starts[r] + counts[r]) of a buffer of `total` elements.
struct Blocks {
  std::vector<std::size_t> counts;
  std::vector<std::size_t> starts;
  std::size_t total = 0;

  // The same as MPI wants it; empty where a number does not fit int.
  std::vector<int> mpi_counts = {};
  std::vector<int> mpi_starts = {};

  std::size_t smallest() const;
};

/// `count` elements for each of `ranks` ranks.
Blocks even_blocks(std::size_t count, int ranks);

/// Counts that rise in equal steps from half of `count` to one and a half of it, about `count` on the average (rounded
/// down, block by block). The smallest is that of rank `first`, and ranks follow each other around from there. A single
/// rank has `count`.
Blocks uneven_blocks(std::size_t count, int ranks, int first = 0);

/// What rank `rank` gets from each when every rank r gives uneven_blocks(count, ranks, r). The total is the same on all
/// ranks, and that of uneven_blocks().
Blocks uneven_blocks_for(std::size_t count, int ranks, int rank);

}  // namespace tutti::tools
