// `tutti perf`: measures a collective over a ladder of sizes, beside the MPI library's own. This is its command line;
// the run is in tools/perf/run.hpp, how it measures in tools/perf/measure.hpp, what the columns mean in
// bench/README.md.
#include <chrono>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <tutti/collectives/inspect/selection.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

#include "tools/command_line.hpp"
#include "tools/commands.hpp"
#include "tools/perf/run.hpp"
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
  std::vector<std::string> sizes;
  std::string dtype = "f32";
  std::string op = "sum";
  std::string algorithm;
  int radix = 0;
  std::string segment = "0";
  int root = 0;
  int iterations = 0;
  int warmup = 5;
  int batch = 1;
  double seconds = 0;
  bool in_place = false;
  bool nonblocking = false;
  double test_interval = 10;
  std::string buffers = "allocated";
  std::string compare = "mpi";
  std::string limits = "all";
  double timeout = 300;
  std::string transport;
  std::string json;
  std::string csv;
  std::string trace;
  std::string codec;
};

/// Which options were given, not left at their defaults.
struct Given {
  bool op = false;
  bool root = false;
  bool test_interval = false;
};

/// Combinations that make no sense, each with its reason.
void demand_sense(const PerfOptions& o, const Given& given, const MeasuredCollective& c) {
  if (given.op && !c.reduces) throw InvalidArgument(text("perf: ", c.name, " takes no --op"));
  if (given.root && !c.rooted) throw InvalidArgument(text("perf: ", c.name, " takes no --root"));
  if (o.in_place && !c.in_place_possible) throw InvalidArgument(text("perf: ", c.name, " has no --in-place"));
  if (!c.moves_data() && !o.algorithm.empty()) throw InvalidArgument(text("perf: ", c.name, " has no --algorithm"));
  if (!c.moves_data() && o.radix != 0) throw InvalidArgument(text("perf: ", c.name, " has no --radix"));
  if (given.test_interval && !o.nonblocking)
    throw InvalidArgument("perf: --test-interval goes with --nonblocking only");
  if (!o.codec.empty() && c.name != "allreduce") throw InvalidArgument(text("perf: ", c.name, " has no --codec"));
  if (o.batch != 1 && o.nonblocking) throw InvalidArgument("perf: --batch does not go with --nonblocking");
}

std::vector<std::size_t> ladder_of(const PerfOptions& o) {
  if (!o.sizes.empty()) {
    std::vector<std::size_t> ladder;
    for (const auto& size : o.sizes) ladder.push_back(parse_size("perf: --sizes", size));
    return checked_ladder(std::move(ladder));
  }
  std::optional<std::size_t> step;
  if (!o.step.empty()) step = parse_size("perf: --step", o.step);
  return make_ladder(parse_size("perf: --min", o.min), parse_size("perf: --max", o.max), o.factor, step);
}

PerfPlan make_plan(const PerfOptions& o, const Given& given) {
  const auto& c = collective_from_name(o.collective);
  PerfPlan plan{.collective = &c,
                .dtype = dtype_from_name(spelled_dtype(o.dtype)),
                .op = reduce_op_from_name(spelled_op(o.op)),
                .root = o.root,
                .in_place = o.in_place};
  demand_sense(o, given, c);
  if (c.reduces && !is_supported(plan.op, plan.dtype))
    throw InvalidArgument(text("perf: --op ", o.op, " does not go with --dtype ", o.dtype));
  if (!o.codec.empty()) {
    if (plan.dtype != DType::f32 || (plan.op != ReduceOp::sum && plan.op != ReduceOp::avg))
      throw InvalidArgument("perf: --codec goes with --dtype f32 and --op sum or avg only");
    plan.codec = codec_settings(o.codec);
    plan.in_place = true;
  }
  plan.options = {
      .algorithm = o.algorithm, .radix = o.radix, .segment_bytes = parse_size("perf: --segment", o.segment)};
  plan.ladder = {0};
  if (c.moves_data()) plan.ladder = ladder_of(o);
  plan.iterations = o.iterations;
  plan.batch = o.batch;
  plan.how = {.warmup = o.warmup,
              .seconds = o.seconds,
              .with_tutti = o.compare != "mpi-only",
              .with_mpi = o.compare != "none",
              .nonblocking = o.nonblocking,
              .test_interval = o.test_interval};
  plan.message_limits = o.limits == "all" || o.limits == "messages";
  plan.memory_limits = o.limits == "all" || o.limits == "memory";
  plan.allocated = o.buffers == "allocated";
  plan.json = o.json;
  plan.csv = o.csv;
  return plan;
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
  auto* min = command->add_option("--min", o.min, "Smallest size (K, M and G are powers of 1024)")
                  ->type_name("BYTES")
                  ->capture_default_str();
  auto* max = command->add_option("--max", o.max, "Largest size")->type_name("BYTES")->capture_default_str();
  auto* factor =
      command->add_option("--factor", o.factor, "Multiply the size by N")->type_name("N")->capture_default_str();
  auto* step = command->add_option("--step", o.step, "Add BYTES to the size")->type_name("BYTES")->excludes(factor);
  command->add_option("--sizes", o.sizes, "These sizes and no others, rising, separated by commas")
      ->delimiter(',')
      ->type_name("BYTES")
      ->excludes(min, max, factor, step);
  command->add_option("--dtype", o.dtype, "Element type: f64 f32 bf16 f16 i64 i32 i16 i8 u64 u32 u16 u8")
      ->type_name("TYPE")
      ->capture_default_str();
  auto* op =
      command->add_option("--op", o.op, "Reduction: sum avg prod min max bit_and bit_or bit_xor logical_and logical_or")
          ->type_name("OP")
          ->capture_default_str();
  command
      ->add_option("--algorithm", o.algorithm,
                   "Algorithm by name (default: the rules of TUTTI_ALGORITHM, else chosen by size and ranks)")
      ->type_name("NAME");
  command->add_option("--radix", o.radix, "Ways that a tree or exchange branches, at least 2; 0: chosen")
      ->envname("TUTTI_RADIX")
      ->type_name("N")
      ->capture_default_str();
  command->add_option("--segment", o.segment, "Cut messages into pieces of BYTES; 0: chosen")
      ->envname("TUTTI_SEGMENT")
      ->type_name("BYTES")
      ->capture_default_str();
  auto* root = command->add_option("--root", o.root, "Root, of collectives that have one")
                   ->type_name("RANK")
                   ->capture_default_str();
  command->add_flag("--in-place", o.in_place, "Input and output are the same memory (broadcast: always)");
  command->add_option("--buffers", o.buffers, "Memory: allocated by Communicator::allocate, or any other")
      ->check(CLI::IsMember({"allocated", "any"}))
      ->type_name("KIND")
      ->capture_default_str();
  command->add_flag("--nonblocking", o.nonblocking,
                    "Use the non-blocking form and measure its overlap with computation");
  auto* test_interval =
      command
          ->add_option("--test-interval", o.test_interval, "Interval between calls of test() during that computation")
          ->check(CLI::Range(0.1, 1e6))
          ->type_name("US")
          ->capture_default_str();
  command->add_option("--iterations", o.iterations, "Iterations of every size; 0: chosen by size")
      ->check(CLI::Range(0, 1'000'000))
      ->type_name("N")
      ->capture_default_str();
  command->add_option("--warmup", o.warmup, "Iterations that are not timed")
      ->check(CLI::Range(0, 1'000'000))
      ->type_name("N")
      ->capture_default_str();
  command->add_option("--batch", o.batch, "Calls per iteration, one after the other; 0: chosen by size")
      ->check(CLI::Range(0, 1000))
      ->type_name("N")
      ->capture_default_str();
  command->add_option("--seconds", o.seconds, "Time limit of a size, its warm-up included; 0: none")
      ->check(CLI::NonNegativeNumber)
      ->type_name("S")
      ->capture_default_str();
  command
      ->add_option("--compare", o.compare,
                   "Measure the MPI library's own collective: mpi (beside tutti's), mpi-only, or none")
      ->check(CLI::IsMember({"mpi", "mpi-only", "none"}))
      ->type_name("WHOM")
      ->capture_default_str();
  command
      ->add_option("--codec", o.codec,
                   "Measure the allreduce by a codec, too, all in place: NAME:PARAMETER=VALUE,... of `tutti compress "
                   "--list`")
      ->type_name("SETTINGS");
  command->add_option("--limits", o.limits, "Measure first what this machine allows: all, messages, memory or none")
      ->check(CLI::IsMember({"all", "messages", "memory", "none"}))
      ->type_name("WHAT")
      ->capture_default_str();
  command->add_option("--timeout", o.timeout, "Time limit of a call without progress; 0: none")
      ->envname("TUTTI_TIMEOUT")
      ->check(CLI::NonNegativeNumber)
      ->type_name("SECONDS")
      ->capture_default_str();
  command->add_option("--transport", o.transport, "Between nodes: mpi or ucx (default: TUTTI_TRANSPORT, else mpi)")
      ->check(CLI::IsMember({"mpi", "ucx"}))
      ->type_name("NAME");
  command->add_option("--json", o.json, "Write the rows to FILE, a JSON array")->type_name("FILE");
  command->add_option("--csv", o.csv, "Write the rows to FILE, as CSV with the same names")->type_name("FILE");
  command
      ->add_option("--trace", o.trace, "Write a timeline of all ranks' calls to FILE, for chrome://tracing or Perfetto")
      ->type_name("FILE");
  command->callback([options, op, root, test_interval] {
    const PerfPlan plan = make_plan(
        *options, {.op = op->count() > 0, .root = root->count() > 0, .test_interval = test_interval->count() > 0});
    if (!options->trace.empty()) setenv("TUTTI_TRACE", options->trace.c_str(), 1);
    CommunicatorOptions communicator;
    if (options->timeout > 0) communicator.timeout = std::chrono::duration<double>(options->timeout);
    if (!options->transport.empty())
      communicator.transport = options->transport == "ucx" ? TransportKind::ucx : TransportKind::mpi;
    run_on_all_ranks(communicator, [&](const Communicator& comm) { run_perf(comm, plan); });
  });
}

}  // namespace tutti::tools
