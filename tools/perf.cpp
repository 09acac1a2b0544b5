// `tutti perf`: measures a collective over a ladder of sizes, beside the MPI library's own. How it measures is in
// tools/perf/measure.hpp, what bandwidths mean in bench/README.md.
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include <tutti/kernels/error.hpp>

#include "tools/command_line.hpp"
#include "tools/commands.hpp"
#include "tools/perf/machine.hpp"
#include "tools/perf/measure.hpp"
#include "tools/perf/table.hpp"
#include "tools/world.hpp"

namespace tutti::tools {
namespace {

/// The options as they stand on the command line.
struct PerfOptions {
  std::string collective;
  std::string min = "8";
  std::string max = "256M";
  std::size_t factor = 2;
  std::string step;
  std::string dtype = "f32";
  std::string op = "sum";
  std::string algorithm;
  std::string segment = "0";
  int root = 0;
  int iterations = 0;
  int warmup = 5;
  bool in_place = false;
  std::string compare = "mpi";
  double deadline = 300;
  std::string transport;
  std::string json;
};

/// The same, understood.
struct Plan {
  const MeasuredCollective* collective = nullptr;
  DType dtype = DType::f32;
  ReduceOp op = ReduceOp::sum;
  CollectiveOptions options;
  std::vector<std::size_t> ladder;  ///< bytes, ascending
};

std::vector<std::size_t> make_ladder(const PerfOptions& o) {
  const std::size_t smallest = parse_size("perf: --min", o.min);
  const std::size_t largest = parse_size("perf: --max", o.max);
  if (smallest == 0) throw InvalidArgument("perf: --min must be at least 1");
  if (smallest > largest) throw InvalidArgument(text("perf: --min ", o.min, " is larger than --max ", o.max));
  const std::size_t step = o.step.empty() ? 0 : parse_size("perf: --step", o.step);
  if (!o.step.empty() && step == 0) throw InvalidArgument("perf: --step must be at least 1");
  if (o.factor < 2) throw InvalidArgument("perf: --factor must be at least 2");
  constexpr std::size_t kMostRows = 100'000;
  if (step != 0 && (largest - smallest) / step >= kMostRows)
    throw InvalidArgument(text("perf: --step ", o.step, " makes more than ", kMostRows, " rows"));
  std::vector<std::size_t> ladder;
  for (std::size_t bytes = smallest; bytes <= largest; bytes = step != 0 ? bytes + step : bytes * o.factor) {
    ladder.push_back(bytes);
    if (step == 0 && bytes > largest / o.factor) break;  // the next would be too large, perhaps for the type too
  }
  return ladder;
}

Plan make_plan(const PerfOptions& o, bool op_given, bool root_given) {
  Plan plan;
  plan.collective = &collective_from_name(o.collective);
  const auto& c = *plan.collective;
  plan.dtype = dtype_from_name(o.dtype);
  plan.op = reduce_op_from_name(o.op);
  if (op_given && !c.reduces) throw InvalidArgument(text("perf: ", c.name, " takes no --op"));
  if (root_given && !c.rooted) throw InvalidArgument(text("perf: ", c.name, " takes no --root"));
  if (o.in_place && !c.in_place_possible) throw InvalidArgument(text("perf: ", c.name, " has no --in-place"));
  if (!c.moves_data && !o.algorithm.empty()) throw InvalidArgument(text("perf: ", c.name, " has no --algorithm"));
  if (c.reduces && !is_supported(plan.op, plan.dtype))
    throw InvalidArgument(text("perf: --op ", o.op, " does not go with --dtype ", o.dtype));
  plan.options = {.algorithm = o.algorithm, .segment_bytes = parse_size("perf: --segment", o.segment)};
  plan.ladder = c.moves_data ? make_ladder(o) : std::vector<std::size_t>{0};
  return plan;
}

/// The file for the rows, opened before anything is measured: written beside its place and renamed when complete.
class JsonFile {
 public:
  explicit JsonFile(const std::string& path) : path_(path), partial_(path + ".part") {
    if (path_.empty()) return;
    out_.open(partial_);
    if (!out_) problem_ = text("perf: --json ", path_, ": cannot be written");
  }
  ~JsonFile() {
    std::error_code ignored;
    if (!path_.empty() && !problem_) std::filesystem::remove(partial_, ignored);
  }
  JsonFile(const JsonFile&) = delete;
  JsonFile& operator=(const JsonFile&) = delete;

  const std::optional<std::string>& problem() const { return problem_; }

  void write(const nlohmann::json& rows) {
    out_ << rows.dump(1) << '\n';
    out_.close();
    std::error_code failed;
    if (out_) std::filesystem::rename(partial_, path_, failed);
    if (!out_ || failed) throw DataError(text("perf: --json ", path_, ": writing failed"));
  }

 private:
  std::string path_;
  std::string partial_;
  std::ofstream out_;
  std::optional<std::string> problem_;
};

/// The buffers for `bytes`, plus as much again for what the libraries need meanwhile, must fit the free memory of each
/// node.
std::optional<std::string> memory_problem(const Communicator& comm, std::size_t buffers, std::size_t row) {
  const auto local = static_cast<std::size_t>(comm.place().local_size);
  const std::size_t available = memory_available();
  if (available / local >= buffers + row) return std::nullopt;
  constexpr double kGiga = 1024.0 * 1024 * 1024;
  return text("perf: --max asks for ", static_cast<double>(buffers + row) / kGiga, " GiB on each of ", local,
              " ranks of node ", node_name(), ", which has ", static_cast<double>(available) / kGiga,
              " GiB left: give a smaller --max");
}

RunFacts run_facts(const Communicator& comm) {
  return {.ranks = comm.size(),
          .nodes = comm.place().nodes,
          .version = TUTTI_VERSION,
          .mpi = mpi_library(),
          .cpu = cpu_model(),
          .date = timestamp(),
          .cores = cores_allowed(),
          .transport = comm.options().transport == TransportKind::ucx && comm.place().nodes > 1 ? "ucx" : "mpi"};
}

void print_heading(const PerfOptions& o, const Plan& plan, const RunFacts& facts) {
  std::printf("# tutti %s, %s: %d ranks on %d node%s%s, algorithm %s%s, %s\n", facts.version.c_str(),
              o.collective.c_str(), facts.ranks, facts.nodes, facts.nodes == 1 ? "" : "s",
              facts.transport == "ucx" ? " by UCX" : "", o.algorithm.empty() ? "auto" : o.algorithm.c_str(),
              o.in_place ? ", in place" : "", facts.date.c_str());
  std::printf("# MPI library: %s\n# processor: %s, %d core%s allowed to rank 0\n", facts.mpi.c_str(), facts.cpu.c_str(),
              facts.cores, facts.cores == 1 ? "" : "s");
  if (o.compare == "mpi" && plan.collective->reduces && !mpi_can(*plan.collective, 1, plan.dtype, plan.op, facts.ranks))
    std::printf("# the MPI library has no %s over %s: no comparison\n", o.op.c_str(), o.dtype.c_str());
  std::printf("# times are medians over iterations of the slowest rank; bandwidths are explained in bench/README.md\n");
  std::fputs(table_heading().c_str(), stdout);
  std::fflush(stdout);
}

/// Measures all rows on all ranks; the rows are complete on rank 0.
std::vector<Row> measure_ladder(const Communicator& comm, const PerfOptions& o, const Plan& plan, std::byte* memory) {
  const auto& collective = *plan.collective;
  const Pattern pattern = collective.reduces ? Pattern::for_reduction(plan.dtype, plan.op, comm.size())
                                             : Pattern::for_movement(plan.dtype, comm.size());
  std::vector<Row> rows;
  for (const std::size_t bytes : plan.ladder) {
    Call call{.comm = comm,
              .count = count_for(collective, bytes, plan.dtype, comm.size()),
              .input = {},
              .output = {},
              .op = plan.op,
              .root = o.root,
              .in_place = o.in_place || (collective.rooted && !collective.reduces),
              .options = plan.options};
    if (!rows.empty() && rows.back().count == call.count) continue;  // rounding made two sizes the same
    place_buffers(collective, call, memory, plan.dtype);
    Row row{.collective = &collective,
            .bytes = row_bytes(collective, call.count, plan.dtype, comm.size()),
            .count = call.count,
            .dtype = plan.dtype,
            .op = plan.op,
            .root = o.root,
            .in_place = call.in_place,
            .algorithm = o.algorithm.empty() ? "auto" : o.algorithm,
            .segment_bytes = plan.options.segment_bytes,
            .measurement = {}};
    const bool with_mpi = o.compare == "mpi" && mpi_can(collective, call.count, plan.dtype, plan.op, comm.size());
    row.measurement = measure(collective, call, pattern, o.iterations > 0 ? o.iterations : iterations_for(row.bytes),
                              o.warmup, with_mpi);
    if (comm.rank() == 0) {
      std::fputs(table_line(row, comm.size()).c_str(), stdout);
      std::fflush(stdout);
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

void run_perf(const Communicator& comm, const PerfOptions& o, const Plan& plan) {
  if (o.root < 0 || o.root >= comm.size())
    throw InvalidArgument(text("perf: --root ", o.root, " is not a rank: there are ranks 0 to ", comm.size() - 1));
  const auto& collective = *plan.collective;
  const std::size_t count = count_for(collective, plan.ladder.back(), plan.dtype, comm.size());
  const bool in_place = o.in_place || (collective.rooted && !collective.reduces);
  const std::size_t bytes = memory_bytes(collective, count, plan.dtype, comm.size(), in_place);
  agree(comm, memory_problem(comm, bytes, row_bytes(collective, count, plan.dtype, comm.size())));
  JsonFile json(comm.rank() == 0 ? o.json : "");
  agree(comm, json.problem());
  const auto memory = comm.allocate_bytes(bytes + 1);  // never nothing

  const RunFacts facts = run_facts(comm);
  if (comm.rank() == 0) print_heading(o, plan, facts);
  const auto rows = measure_ladder(comm, o, plan, static_cast<std::byte*>(memory.get()));
  if (comm.rank() == 0 && !o.json.empty()) {
    auto array = nlohmann::json::array();
    for (const auto& row : rows) array.push_back(table_json(row, facts));
    json.write(array);
  }
  demand_right_results(rows);
}

std::string collective_names() {
  std::string names;
  for (const auto& collective : all_collectives()) names += text(names.empty() ? "" : ", ", collective.name);
  return names;
}

}  // namespace

void add_perf_command(CLI::App& app) {
  auto* command = app.add_subcommand(
      "perf", "Measure a collective beside the MPI library's own: mpirun -n N tutti perf COLLECTIVE");
  const auto options = std::make_shared<PerfOptions>();
  auto& o = *options;
  command->add_option("collective", o.collective, collective_names())->required()->type_name("COLLECTIVE");
  command->add_option("--min", o.min, "Smallest size, in bytes (K, M and G are powers of 1024)")
      ->type_name("BYTES")
      ->capture_default_str();
  command->add_option("--max", o.max, "Largest size")->type_name("BYTES")->capture_default_str();
  auto* factor = command->add_option("--factor", o.factor, "Each size is so many times the one before")
                     ->type_name("N")
                     ->capture_default_str();
  command->add_option("--step", o.step, "Each size is so many bytes more than the one before")
      ->type_name("BYTES")
      ->excludes(factor);
  command->add_option("--dtype", o.dtype, "Element type: f64 f32 bf16 f16 i64 i32 i16 i8 u64 u32 u16 u8")
      ->type_name("TYPE")
      ->capture_default_str();
  auto* op =
      command->add_option("--op", o.op, "Reduction: sum avg prod min max bit_and bit_or bit_xor logical_and logical_or")
          ->type_name("OP")
          ->capture_default_str();
  command->add_option("--algorithm", o.algorithm, "Algorithm by name (default: chosen by size and ranks)")
      ->envname("TUTTI_ALGORITHM")
      ->type_name("NAME");
  command->add_option("--segment", o.segment, "Cut messages into pieces of so many bytes; 0: chosen")
      ->envname("TUTTI_SEGMENT")
      ->type_name("BYTES")
      ->capture_default_str();
  auto* root =
      command->add_option("--root", o.root, "Root of broadcast and reduce")->type_name("RANK")->capture_default_str();
  command->add_flag("--in-place", o.in_place, "Input and output are the same memory");
  command->add_option("--iterations", o.iterations, "Iterations of every size; 0: chosen by size")
      ->check(CLI::Range(0, 1'000'000))
      ->type_name("N")
      ->capture_default_str();
  command->add_option("--warmup", o.warmup, "Iterations before the clock counts")
      ->check(CLI::Range(0, 1'000'000))
      ->type_name("N")
      ->capture_default_str();
  command->add_option("--compare", o.compare, "Measure the MPI library's own collective too: mpi or none")
      ->check(CLI::IsMember({"mpi", "none"}))
      ->type_name("WHOM")
      ->capture_default_str();
  command->add_option("--deadline", o.deadline, "Give up on a call after so many seconds; 0: never")
      ->envname("TUTTI_DEADLINE")
      ->check(CLI::NonNegativeNumber)
      ->type_name("SECONDS")
      ->capture_default_str();
  command->add_option("--transport", o.transport, "Between nodes: mpi or ucx (default: TUTTI_TRANSPORT, else mpi)")
      ->check(CLI::IsMember({"mpi", "ucx"}))
      ->type_name("NAME");
  command->add_option("--json", o.json, "Write the rows to FILE, a JSON array")->type_name("FILE");
  command->callback([options, op, root] {
    const Plan plan = make_plan(*options, op->count() > 0, root->count() > 0);
    CommunicatorOptions communicator;
    if (options->deadline > 0) communicator.deadline = std::chrono::duration<double>(options->deadline);
    if (!options->transport.empty())
      communicator.transport = options->transport == "ucx" ? TransportKind::ucx : TransportKind::mpi;
    run_on_all_ranks(communicator, [&](const Communicator& comm) { run_perf(comm, *options, plan); });
  });
}

}  // namespace tutti::tools
