// What the turns came to: the table on the screen, and the same as JSON.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bench/training/contestant.hpp"

namespace tutti::bench {

/// One contestant's blocks, by round.
struct Turns {
  std::string name;
  std::size_t buckets = 0;
  std::string exchange;  ///< of the configuration: what travels, and how
  std::vector<BlockTime> blocks;
};

struct Outcome {
  int ranks = 1;
  int nodes = 1;
  int threads = 1;
  std::string model;
  std::string dtype;
  std::uint64_t parameters = 0;
  std::uint64_t global_batch = 0;
  int steps = 1;                   ///< in a block
  std::optional<double> gigabits;  ///< per second, of each rank's link
  std::vector<Turns> contestants;  ///< the first exchanges nothing
};

/// Least seconds that the gradients of a step take on such links: 2 (P-1)/P times their bytes.
double link_seconds(const Outcome& outcome);

std::string table(const Outcome& outcome);

/// \throws Error if the file cannot be written
void write_json(const Outcome& outcome, const std::string& file);

}  // namespace tutti::bench
