// A row of the benchmark, as a line of text in nccl-tests' columns and as a JSON object.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>

#include "tools/perf/measure.hpp"

namespace tutti::tools {

/// What is the same for all rows of a run.
struct RunFacts {
  int ranks = 1;
  int nodes = 1;
  std::string version;
  std::string mpi;
  std::string cpu;
  std::string date;
  int cores = 1;
  std::string transport = "mpi";  ///< between nodes
};

struct Row {
  const MeasuredCollective* collective = nullptr;
  std::size_t bytes = 0;
  std::size_t count = 0;
  DType dtype = DType::f32;
  ReduceOp op = ReduceOp::sum;
  int root = 0;
  bool in_place = false;
  std::string algorithm;  ///< "auto" where tutti chose
  std::size_t segment_bytes = 0;
  Measurement measurement;
};

/// Bytes over microseconds, in GB/s (10^9 bytes).
double gigabytes_per_second(std::size_t bytes, double microseconds);

/// Two heading lines, names and units, both starting with '#'.
std::string table_heading();
std::string table_line(const Row& row, int ranks);
nlohmann::json table_json(const Row& row, const RunFacts& facts);

/// \throws InvalidArgument (alike on all ranks, whose rows agree on this) naming the first row with a wrong element,
/// and who made it.
void demand_right_results(std::span<const Row> rows);

}  // namespace tutti::tools
