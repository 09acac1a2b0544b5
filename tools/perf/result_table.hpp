// A row of the benchmark: a line of text in nccl-tests' columns, a JSON object, a line of CSV.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>

#include "tools/perf/floor.hpp"
#include "tools/perf/limit.hpp"
#include "tools/perf/measure.hpp"

namespace tutti::tools {

/// What is the same for all rows of a run.
struct RunFacts {
  int ranks = 1;
  int nodes = 1;
  std::string version = {};
  std::string mpi = {};
  std::string cpu = {};
  std::string date = {};
  int cores = 1;
  std::optional<MachineLimit> limit = std::nullopt;
  std::optional<MemoryFloor> floor = std::nullopt;
  std::string transport = "mpi";  ///< between nodes
  bool shared_memory = false;     ///< within them
  bool uses_cma = false;          ///< of large data that are not allocated there
  int numa_domains = 1;           ///< of the node, as far as they matter
};

struct Row {
  const MeasuredCollective* collective = nullptr;
  std::size_t bytes = 0;
  std::size_t count = 0;
  double bus_factor = 0.0;  ///< bus bandwidth over algorithm bandwidth
  NodeWork work = {};
  DType dtype = DType::f32;
  ReduceOp op = ReduceOp::sum;
  int root = 0;
  bool in_place = false;
  bool allocated = true;
  bool nonblocking = false;
  double test_interval = 0.0;  ///< microseconds; started
  std::string algorithm = {};  ///< "auto" where tutti chose
  int radix = 0;               ///< 0 where tutti chose
  std::size_t segment_bytes = 0;
  int batch = 1;                  ///< calls of an iteration
  std::string codec = {};         ///< its settings; empty: none
  std::size_t payload_bytes = 0;  ///< of a rank's contribution, encoded
  Measurement measurement = {};
};

/// Bytes over microseconds, in GB/s (10^9 bytes).
double gigabytes_per_second(std::size_t bytes, double microseconds);

/// least_time() over `microseconds`, in percent. Nothing for a single rank.
std::optional<double> percent_of_limit(const Row& row, const RunFacts& facts, double microseconds);

/// floor_time() over `microseconds`. Nothing where there is no floor.
std::optional<double> fraction_of_floor(const Row& row, const RunFacts& facts, double microseconds);

/// Which columns a table has besides those of every table.
struct TableShape {
  bool floor = false;     ///< the share of the memory floor
  bool overlap = false;   ///< of the non-blocking form
  bool compared = false;  ///< with the MPI library
  bool codec = false;     ///< with an allreduce by a codec
};

/// Two heading lines, names and units, both starting with '#'.
std::string table_heading(const TableShape& shape);
std::string table_line(const Row& row, const RunFacts& facts, const TableShape& shape);

/// The keys are the same for all rows, and documented in tools/README.md; what was not measured is null.
nlohmann::ordered_json table_json(const Row& row, const RunFacts& facts);

/// Objects with the same keys as lines of CSV (RFC 4180, but lines end in \n): the keys, then a line per object. Text
/// is quoted where it must be, null is empty.
std::string csv_text(const nlohmann::ordered_json& rows);

/// \throws InvalidArgument (alike on all ranks, whose rows agree on this) naming the first row with a wrong element,
/// and who made it.
void demand_right_results(std::span<const Row> rows);

}  // namespace tutti::tools
