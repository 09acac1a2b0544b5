#include "tools/perf/table.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include <tutti/kernels/error.hpp>

namespace tutti::tools {
namespace {

/// Four significant digits, as far as eight columns allow.
std::string short_number(double value) {
  if (value < 10) return fmt::format("{:.3f}", value);
  if (value < 100) return fmt::format("{:.2f}", value);
  if (value < 1000) return fmt::format("{:.1f}", value);
  return fmt::format("{:.0f}", value);
}

std::string redop(const Row& row) { return row.collective->reduces ? std::string(name(row.op)) : "none"; }
int root_or_none(const Row& row) { return row.collective->rooted ? row.root : -1; }

constexpr const char* kColumns = "{:>12} {:>12} {:>6} {:>11} {:>5} {:>9} {:>9} {:>8} {:>8} {:>7}   {:>9} {:>9} {:>9}\n";

}  // namespace

double gigabytes_per_second(std::size_t bytes, double microseconds) {
  return microseconds > 0 ? static_cast<double>(bytes) / microseconds / 1e3 : 0.0;
}

std::string table_heading() {
  std::string names = fmt::format(kColumns, "size", "count", "type", "redop", "root", "time", "p99", "algbw", "busbw",
                                  "#wrong", "MPI time", "MPI p99", "MPI/tutti");
  std::string units = fmt::format(kColumns, "(B)", "(elements)", "", "", "", "(us)", "(us)", "(GB/s)", "(GB/s)", "",
                                  "(us)", "(us)", "(x)");
  names[0] = units[0] = '#';
  return names + units;
}

std::string table_line(const Row& row, int ranks) {
  const auto& ours = row.measurement.tutti;
  const auto& mpi = row.measurement.mpi;
  const double algbw = gigabytes_per_second(row.bytes, ours.median);
  return fmt::format(kColumns, row.bytes, row.count, row.collective->moves_data ? name(row.dtype) : "-", redop(row),
                     root_or_none(row), short_number(ours.median), short_number(ours.p99), short_number(algbw),
                     short_number(algbw * row.collective->bus_factor(ranks)), ours.wrong,
                     mpi ? short_number(mpi->median) : "-", mpi ? short_number(mpi->p99) : "-",
                     mpi ? fmt::format("{:.2f}", mpi->median / ours.median) : "-");
}

nlohmann::json table_json(const Row& row, const RunFacts& facts) {
  const auto& ours = row.measurement.tutti;
  const auto& mpi = row.measurement.mpi;
  const double algbw = gigabytes_per_second(row.bytes, ours.median);
  nlohmann::json out = {
      {"collective", row.collective->name},
      {"size_bytes", row.bytes},
      {"count", row.count},
      {"dtype", row.collective->moves_data ? name(row.dtype) : "none"},
      {"op", redop(row)},
      {"root", root_or_none(row)},
      {"in_place", row.in_place},
      {"algorithm", row.algorithm},
      {"segment_bytes", row.segment_bytes},
      {"iterations", row.measurement.iterations},
      {"time_us_median", ours.median},
      {"time_us_p99", ours.p99},
      {"algbw_gb_s", algbw},
      {"busbw_gb_s", algbw * row.collective->bus_factor(facts.ranks)},
      {"wrong", ours.wrong},
      {"ranks", facts.ranks},
      {"nodes", facts.nodes},
      {"transport", facts.transport},
      {"cores", facts.cores},
      {"version", facts.version},
      {"mpi_library", facts.mpi},
      {"cpu", facts.cpu},
      {"date", facts.date},
  };
  for (const char* key : {"mpi_time_us_median", "mpi_time_us_p99", "mpi_busbw_gb_s", "mpi_wrong"}) out[key] = nullptr;
  if (mpi) {
    out["mpi_time_us_median"] = mpi->median;
    out["mpi_time_us_p99"] = mpi->p99;
    out["mpi_busbw_gb_s"] = gigabytes_per_second(row.bytes, mpi->median) * row.collective->bus_factor(facts.ranks);
    out["mpi_wrong"] = mpi->wrong;
  }
  return out;
}

void demand_right_results(std::span<const Row> rows) {
  for (const auto& row : rows) {
    const auto& m = row.measurement;
    const bool by_mpi = m.tutti.wrong == 0 && m.mpi && m.mpi->wrong > 0;
    if (m.tutti.wrong == 0 && !by_mpi) continue;
    throw InvalidArgument(text("perf: ", row.collective->name, " of ", row.bytes, " bytes",
                               by_mpi ? " by the MPI library" : "", " gave ", by_mpi ? m.mpi->wrong : m.tutti.wrong,
                               " wrong elements"));
  }
}

}  // namespace tutti::tools
