// bench_summary OUT.json KERNELS.json PERF.json...: puts the JSON of Google Benchmark and of `tutti perf` together,
// prints it as one table and writes it to OUT.json:
//   { "date": text, "cpu": text, "cores": n, "mpi_library": text, "version": text,
//     "kernels": [ {"name": text, "size_bytes": n, "time_ns": x, "bytes_per_second": x} ],
//     "collectives": [ rows of tutti perf ] }
// `tutti report OUT.json` makes a page of it.
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using nlohmann::json;

json read_json(const std::string& file) {
  std::ifstream in(file);
  if (!in) throw std::runtime_error(file + " cannot be read");
  json value = json::parse(in, nullptr, false);
  if (value.is_discarded()) throw std::runtime_error(file + " is not JSON");
  return value;
}

/// Google Benchmark names its runs NAME/SIZE.
json kernel_rows(const json& google) {
  json rows = json::array();
  for (const auto& run : google.at("benchmarks")) {
    if (run.value("error_occurred", false))
      throw std::runtime_error("benchmark failed: " + run.at("name").get<std::string>());
    const auto full = run.at("name").get<std::string>();
    const auto slash = full.rfind('/');
    rows.push_back({{"name", full.substr(0, slash)},
                    {"size_bytes", std::stoull(full.substr(slash + 1))},
                    {"time_ns", run.at("real_time")},
                    {"bytes_per_second", run.at("bytes_per_second")}});
  }
  return rows;
}

std::string size_text(std::size_t bytes) {
  if (bytes >= 1U << 20 && bytes % (1U << 20) == 0) return fmt::format("{}M", bytes >> 20);
  if (bytes >= 1U << 10 && bytes % (1U << 10) == 0) return fmt::format("{}K", bytes >> 10);
  return fmt::format("{}", bytes);
}

/// One line per kernel, one column per size.
void print_kernels(const json& rows) {
  std::vector<std::string> names;  // in the order of the file
  std::set<std::size_t> sizes;
  std::map<std::pair<std::string, std::size_t>, double> rates;
  for (const auto& row : rows) {
    const auto name = row.at("name").get<std::string>();
    const auto size = row.at("size_bytes").get<std::size_t>();
    if (names.empty() || names.back() != name) names.push_back(name);
    sizes.insert(size);
    rates[{name, size}] = row.at("bytes_per_second").get<double>() / 1e9;
  }
  fmt::print("\nKernels on one core, GB/s read and written, by bytes of output\n  {:<28}", "kernel");
  for (const auto size : sizes) fmt::print("{:>9}", size_text(size));
  for (const auto& name : names) {
    fmt::print("\n  {:<28}", name);
    for (const auto size : sizes) {
      const auto rate = rates.find({name, size});
      fmt::print("{:>9}", rate == rates.end() ? "-" : fmt::format("{:.1f}", rate->second));
    }
  }
  fmt::print("\n");
}

std::string number(const json& row, const char* key, const char* format) {
  const auto found = row.find(key);
  return found == row.end() || !found->is_number() ? "-" : fmt::format(fmt::runtime(format), found->get<double>());
}

void print_collectives(const json& rows) {
  constexpr const char* kLine = "  {:<18} {:>6} {:>9} {:>11} {:>11} {:>9} {:>7} {:>7} {:>7} {:>11} {:>10}\n";
  fmt::print("\nCollectives, medians over iterations, beside the MPI library's own\n");
  fmt::print(kLine, "collective", "ranks", "size", "time us", "p99 us", "bus GB/s", "%p2p", "wrong", "overlap",
             "MPI us", "MPI/tutti");
  for (const auto& row : rows) {
    auto name = row.at("collective").get<std::string>();
    if (row.at("nonblocking").get<bool>()) name += " non-blocking";
    const double ours = row.at("time_us_median").get<double>();
    const auto& mpi = row.at("mpi_time_us_median");
    fmt::print(kLine, name, row.at("ranks").get<int>(), size_text(row.at("size_bytes").get<std::size_t>()),
               number(row, "time_us_median", "{:.2f}"), number(row, "time_us_p99", "{:.2f}"),
               number(row, "busbw_gb_s", "{:.3f}"), number(row, "limit_percent", "{:.1f}"),
               number(row, "wrong", "{:.0f}"), number(row, "overlap", "{:.2f}"),
               number(row, "mpi_time_us_median", "{:.2f}"),
               mpi.is_number() ? fmt::format("{:.2f}", mpi.get<double>() / ours) : "-");
  }
}

int summarize(const std::vector<std::string>& files) {
  const json google = read_json(files[1]);
  json whole = {{"kernels", kernel_rows(google)}, {"collectives", json::array()}};
  for (std::size_t i = 2; i < files.size(); ++i) {
    for (auto& row : read_json(files[i])) whole["collectives"].push_back(row);
  }
  if (whole["collectives"].empty()) throw std::runtime_error("no row of a collective was measured");
  const json& first = whole["collectives"].front();
  for (const char* key : {"date", "cpu", "cores", "mpi_library", "version"}) whole[key] = first.at(key);

  fmt::print("tutti {}, {}, {} ({} cores), {}\n", first.at("version").get<std::string>(),
             first.at("date").get<std::string>(), first.at("cpu").get<std::string>(), first.at("cores").get<int>(),
             first.at("mpi_library").get<std::string>());
  print_kernels(whole["kernels"]);
  print_collectives(whole["collectives"]);

  std::ofstream out(files[0]);
  out << whole.dump(1) << '\n';
  out.close();
  if (!out) throw std::runtime_error(files[0] + " cannot be written");
  fmt::print("\nWritten to {}\n", files[0]);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const std::vector<std::string> files(argv + 1, argv + argc);
    if (files.size() < 3) throw std::runtime_error("usage: bench_summary OUT.json KERNELS.json PERF.json...");
    return summarize(files);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_summary: error: %s\n", error.what());
    return EXIT_FAILURE;
  }
}
