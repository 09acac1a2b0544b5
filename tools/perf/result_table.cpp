#include "tools/perf/result_table.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::tools {
namespace {

using nlohmann::ordered_json;

/// Four significant digits, as far as seven columns allow.
std::string short_number(double value) {
  if (value < 10) return fmt::format("{:.3f}", value);
  if (value < 100) return fmt::format("{:.2f}", value);
  if (value < 1000) return fmt::format("{:.1f}", value);
  return fmt::format("{:.0f}", value);
}

std::string percent(const std::optional<double>& value) { return value ? fmt::format("{:.1f}", *value) : "-"; }
std::string overlap(const std::optional<Overlap>& value) {
  return value ? fmt::format("{:.0f}", 100 * value->achieved) : "-";
}

std::string redop(const Row& row) { return row.collective->reduces ? std::string(name(row.op)) : "none"; }
int root_or_none(const Row& row) { return row.collective->rooted ? row.root : -1; }

double bus_bandwidth(const Row& row, double microseconds) {
  return gigabytes_per_second(row.bytes, microseconds) * row.bus_factor;
}

constexpr const char* kColumns = "{:>10} {:>10} {:>5} {:>7} {:>5} {:>9} {:>9} {:>7} {:>7} {:>6} {:>6}";
constexpr const char* kFloorColumn = " {:>6}";
constexpr const char* kOverlapColumn = " {:>7}";
constexpr const char* kMpiColumns = "  {:>9} {:>9} {:>9}";
constexpr const char* kMpiOverlapColumn = " {:>7}";
constexpr const char* kCodecColumns = "  {:>10} {:>9} {:>9} {:>7} {:>11}";

std::string names_or_units(const TableShape& shape, bool names) {
  const auto pick = [&](const char* name, const char* unit) { return names ? name : unit; };
  std::string line =
      fmt::format(kColumns, pick("size", "(B)"), pick("count", "(elem)"), pick("type", ""), pick("redop", ""),
                  pick("root", ""), pick("time", "(us)"), pick("p99", "(us)"), pick("algbw", "(GB/s)"),
                  pick("busbw", "(GB/s)"), pick("%p2p", "(%)"), pick("#wrong", ""));
  if (shape.floor) line += fmt::format(kFloorColumn, pick("%floor", "(%)"));
  if (shape.overlap) line += fmt::format(kOverlapColumn, pick("overlap", "(%)"));
  if (shape.compared) {
    line += fmt::format(kMpiColumns, pick("MPI time", "(us)"), pick("MPI p99", "(us)"), pick("MPI/tutti", "(x)"));
    if (shape.overlap) line += fmt::format(kMpiOverlapColumn, pick("MPI ovl", "(%)"));
  }
  if (shape.codec) {
    line += fmt::format(kCodecColumns, pick("payload", "(B)"), pick("codec", "(us)"), pick("codec p99", "(us)"),
                        pick("#differ", ""), pick("plain/codec", "(x)"));
    if (shape.overlap) line += fmt::format(kMpiOverlapColumn, pick("cdc ovl", "(%)"));
  }
  line.front() = '#';
  return line + "\n";
}

/// Keys of one side; null where it was not measured.
void add_side(ordered_json& out, const std::string& prefix, const Row& row, const RunFacts& facts,
              const std::optional<Timing>& timing) {
  const auto add = [&](const char* key, const auto& value) { out[prefix + key] = value; };
  for (const char* key : {"time_us_median", "time_us_p99", "algbw_gb_s", "busbw_gb_s", "limit_percent",
                          "floor_fraction", "wrong", "compute_us", "both_us", "overlap"})
    add(key, nullptr);
  if (!timing) return;
  add("time_us_median", timing->median);
  add("time_us_p99", timing->p99);
  add("algbw_gb_s", gigabytes_per_second(row.bytes, timing->median));
  add("busbw_gb_s", bus_bandwidth(row, timing->median));
  if (const auto share = percent_of_limit(row, facts, timing->median)) add("limit_percent", *share);
  if (const auto share = fraction_of_floor(row, facts, timing->median)) add("floor_fraction", *share);
  add("wrong", timing->wrong);
  if (!timing->overlap) return;
  add("compute_us", timing->overlap->compute);
  add("both_us", timing->overlap->both);
  add("overlap", timing->overlap->achieved);
}

std::string csv_field(const ordered_json& value) {
  if (value.is_null()) return "";
  if (!value.is_string()) return value.dump();
  const auto& text = value.get_ref<const std::string&>();
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + '"';
}

}  // namespace

double gigabytes_per_second(std::size_t bytes, double microseconds) {
  return microseconds > 0 ? static_cast<double>(bytes) / microseconds / 1e3 : 0.0;
}

std::optional<double> percent_of_limit(const Row& row, const RunFacts& facts, double microseconds) {
  if (!facts.limit || !(microseconds > 0)) return std::nullopt;
  const double bus_bytes = static_cast<double>(row.bytes) * row.bus_factor;
  return 100 * least_time(*facts.limit, facts.ranks, bus_bytes, row.collective->rooted) / microseconds;
}

std::optional<double> fraction_of_floor(const Row& row, const RunFacts& facts, double microseconds) {
  if (!facts.floor || !(microseconds > 0)) return std::nullopt;
  const auto least = floor_time(*facts.floor, facts.ranks, row.work);
  return least ? std::optional(*least / microseconds) : std::nullopt;
}

std::string table_heading(const TableShape& shape) {
  return names_or_units(shape, true) + names_or_units(shape, false);
}

std::string table_line(const Row& row, const RunFacts& facts, const TableShape& shape) {
  const auto& ours = row.measurement.tutti;
  const auto& mpi = row.measurement.mpi;
  const auto& codec = row.measurement.codec;
  /// Of one side, whose median `figure` turns into a figure; "-" where there is none.
  const auto of = [](const std::optional<Timing>& side, const auto& figure) {
    return side ? figure(*side) : std::string("-");
  };
  const auto median = [](const Timing& t) { return short_number(t.median); };
  const auto p99 = [](const Timing& t) { return short_number(t.p99); };
  const auto floor = [&](const Timing& t) {
    const auto share = fraction_of_floor(row, facts, t.median);
    return percent(share ? std::optional(100 * *share) : std::nullopt);
  };
  const auto hidden = [](const Timing& t) { return overlap(t.overlap); };

  std::string line =
      fmt::format(kColumns, row.bytes, row.count, row.collective->moves_data() ? name(row.dtype) : "-", redop(row),
                  root_or_none(row), of(ours, median), of(ours, p99),
                  of(ours, [&](const Timing& t) { return short_number(gigabytes_per_second(row.bytes, t.median)); }),
                  of(ours, [&](const Timing& t) { return short_number(bus_bandwidth(row, t.median)); }),
                  of(ours, [&](const Timing& t) { return percent(percent_of_limit(row, facts, t.median)); }),
                  of(ours, [](const Timing& t) { return std::to_string(t.wrong); }));
  if (shape.floor) line += fmt::format(kFloorColumn, of(ours, floor));
  if (shape.overlap) line += fmt::format(kOverlapColumn, of(ours, hidden));
  if (shape.compared) {
    line += fmt::format(kMpiColumns, of(mpi, median), of(mpi, p99),
                        ours && mpi ? fmt::format("{:.2f}", mpi->median / ours->median) : "-");
    if (shape.overlap) line += fmt::format(kMpiOverlapColumn, of(mpi, hidden));
  }
  if (shape.codec) {
    line += fmt::format(kCodecColumns, row.payload_bytes, of(codec, median), of(codec, p99),
                        of(codec, [](const Timing& t) { return std::to_string(t.wrong); }),
                        ours && codec ? fmt::format("{:.2f}", ours->median / codec->median) : "-");
    if (shape.overlap) line += fmt::format(kMpiOverlapColumn, of(codec, hidden));
  }
  return line + "\n";
}

ordered_json table_json(const Row& row, const RunFacts& facts) {
  ordered_json out = {
      {"collective", row.collective->name},
      {"size_bytes", row.bytes},
      {"count", row.count},
      {"dtype", row.collective->moves_data() ? name(row.dtype) : "none"},
      {"op", redop(row)},
      {"root", root_or_none(row)},
      {"in_place", row.in_place},
      {"nonblocking", row.nonblocking},
      {"test_interval_us", row.nonblocking ? ordered_json(row.test_interval) : ordered_json()},
      {"algorithm", row.algorithm},
      {"radix", row.radix},
      {"segment_bytes", row.segment_bytes},
      {"iterations", row.measurement.iterations},
      {"batch", row.batch},
      {"buffers", row.allocated ? "allocated" : "any"},
  };
  add_side(out, "", row, facts, row.measurement.tutti);
  add_side(out, "mpi_", row, facts, row.measurement.mpi);
  const bool by_codec = row.measurement.codec.has_value();
  out["codec"] = by_codec ? ordered_json(row.codec) : ordered_json();
  out["payload_bytes"] = by_codec ? ordered_json(row.payload_bytes) : ordered_json();
  add_side(out, "codec_", row, facts, row.measurement.codec);
  const auto limit = [&](double MachineLimit::*value) {
    return facts.limit ? ordered_json(*facts.limit.*value) : ordered_json();
  };
  out["limit_one_way_us"] = limit(&MachineLimit::one_way_us);
  out["limit_exchange_gb_s"] = limit(&MachineLimit::exchange_gb_s);
  out["limit_one_sided_gb_s"] = limit(&MachineLimit::one_sided_gb_s);
  const auto floor = [&](const auto& value) {
    return facts.floor ? ordered_json(value(*facts.floor)) : ordered_json();
  };
  out["floor_node_gb_s"] = floor([](const MemoryFloor& f) { return f.node_gb_s; });
  out["floor_core_gb_s"] = floor([](const MemoryFloor& f) { return f.core_gb_s; });
  out["floor_reduce_gb_s"] =
      floor([](const MemoryFloor& f) { return f.reduce_gb_s ? ordered_json(*f.reduce_gb_s) : ordered_json(); });
  out["floor_cache_bytes"] = floor([](const MemoryFloor& f) { return f.cache_bytes; });
  out["ranks"] = facts.ranks;
  out["nodes"] = facts.nodes;
  out["transport"] = facts.transport;
  out["shared_memory"] = facts.shared_memory;
  out["cma"] = facts.uses_cma;
  out["numa_domains"] = facts.numa_domains;
  out["cores"] = facts.cores;
  out["version"] = facts.version;
  out["mpi_library"] = facts.mpi;
  out["cpu"] = facts.cpu;
  out["date"] = facts.date;
  return out;
}

std::string csv_text(const ordered_json& rows) {
  if (rows.empty()) return {};
  std::string text;
  const auto add_line = [&](const auto& field_of, const ordered_json& row) {
    const char* separator = "";
    for (const auto& item : row.items()) {
      text.append(separator).append(field_of(item));
      separator = ",";
    }
    text += "\n";
  };
  add_line([](const auto& item) { return csv_field(item.key()); }, rows.front());
  for (const auto& row : rows) add_line([](const auto& item) { return csv_field(item.value()); }, row);
  return text;
}

void demand_right_results(std::span<const Row> rows) {
  const auto wrong_of = [](const std::optional<Timing>& side) { return side ? side->wrong : 0; };
  for (const auto& row : rows) {
    if (const std::size_t different = wrong_of(row.measurement.codec); different > 0)
      throw InvalidArgument(text("perf: ", row.collective->name, " of ", row.bytes, " bytes by codec ", row.codec,
                                 " gave ", different, " elements that differ from those of rank 0"));
    const std::size_t ours = wrong_of(row.measurement.tutti);
    const std::size_t wrong = ours > 0 ? ours : wrong_of(row.measurement.mpi);
    if (wrong == 0) continue;
    throw InvalidArgument(text("perf: ", row.collective->name, " of ", row.bytes, " bytes",
                               ours == 0 ? " by the MPI library" : "", " gave ", wrong, " wrong elements"));
  }
}

}  // namespace tutti::tools
