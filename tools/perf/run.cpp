#include "tools/perf/run.hpp"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include <tutti/collectives/inspect/communicator.hpp>
#include <tutti/collectives/inspect/selection.hpp>
#include <tutti/kernels/clock.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

#include "tools/command_line.hpp"
#include "tools/perf/machine.hpp"
#include "tools/perf/result_table.hpp"
#include "tools/result_file.hpp"
#include "tools/world.hpp"

namespace tutti::tools {
namespace {

/// The buffers for the largest row, plus as much again for what the libraries need meanwhile, must fit the free memory
/// of each node.
std::optional<std::string> memory_problem(const Communicator& comm, std::size_t buffers, std::size_t row) {
  const auto local = static_cast<std::size_t>(comm.topology().local_size);
  const std::size_t available = memory_available();
  if (available / local >= buffers + row) return std::nullopt;
  constexpr double kGiga = 1024.0 * 1024 * 1024;
  return text("perf: --max asks for ", static_cast<double>(buffers + row) / kGiga, " GiB on each of ", local,
              " ranks of node ", node_name(), ", which has ", static_cast<double>(available) / kGiga,
              " GiB left: give a smaller --max");
}

Call call_for(const Communicator& comm, const PerfPlan& plan, std::size_t bytes) {
  Call call{.comm = &comm,
            .rank = comm.rank(),
            .ranks = comm.size(),
            .op = plan.op,
            .root = plan.root,
            .in_place = plan.in_place || !plan.collective->out_of_place_possible,
            .options = plan.options};
  set_count(*plan.collective, call, count_for(*plan.collective, bytes, plan.dtype, comm.size()), plan.dtype);
  return call;
}

int batch_of(const PerfPlan& plan, std::size_t bytes) { return plan.batch > 0 ? plan.batch : batch_for(bytes); }

/// All calls of an iteration, one behind the other.
std::size_t batch_bytes(const PerfPlan& plan, const Call& call) {
  return static_cast<std::size_t>(batch_of(plan, row_bytes(*plan.collective, call))) * memory_bytes(call);
}

std::vector<Call> batch_in(const PerfPlan& plan, const Call& call, std::byte* memory) {
  std::vector<Call> batch(static_cast<std::size_t>(batch_of(plan, row_bytes(*plan.collective, call))), call);
  for (Call& one : batch) {
    place_buffers(*plan.collective, one, memory);
    memory += memory_bytes(one);
  }
  return batch;
}

RunFacts run_facts(const Communicator& comm, const PerfPlan& plan, const Call& largest) {
  return {.ranks = comm.size(),
          .nodes = comm.topology().nodes,
          .version = TUTTI_VERSION,
          .mpi = mpi_library(),
          .cpu = cpu_model(),
          .date = now_in_utc(),
          .cores = cores_allowed(),
          .limit = plan.message_limits ? measure_limit(comm, row_bytes(*plan.collective, largest)) : std::nullopt,
          .floor = plan.memory_limits ? measure_floor(comm, node_work(*plan.collective, largest), plan.op, plan.dtype)
                                      : std::nullopt,
          .shared_memory = comm.selection_facts().shared_memory,
          .uses_cma = comm.state().node() != nullptr && comm.state().node()->uses_cross_memory(),
          .numa_domains = comm.state().node() != nullptr ? comm.state().node()->domains().count() : 1};
}

/// That of the options, `rules` where rules speak of the collective, or `auto`.
std::string algorithm_name(const Communicator& comm, const PerfPlan& plan) {
  if (!plan.options.algorithm.empty()) return std::string(plan.options.algorithm);
  const AlgorithmRules* const rules = comm.state().rules();
  const auto speaks = [&](const AlgorithmRule& rule) {
    const std::string_view its = name(rule.collective);
    return plan.collective->name.substr(0, its.size()) == its &&
           (plan.collective->name == its ||
            (plan.collective->uneven && plan.collective->name.size() == its.size() + 2));
  };
  return rules != nullptr && std::any_of(rules->begin(), rules->end(), speaks) ? "rules" : "auto";
}

void print_heading(const Communicator& comm, const PerfPlan& plan, const RunFacts& facts, const TableShape& shape,
                   bool in_place, bool mpi_can) {
  const std::string domains = facts.numa_domains > 1 ? text(", ", facts.numa_domains, " NUMA domains") : "";
  std::printf("# tutti %s, %s%s: %d rank%s on %d node%s%s%s%s, algorithm %s%s, %s memory%s, %s\n",
              facts.version.c_str(), std::string(plan.collective->name).c_str(),
              plan.how.nonblocking ? ", non-blocking" : "", facts.ranks, facts.ranks == 1 ? "" : "s", facts.nodes,
              facts.nodes == 1 ? "" : "s", facts.transport == "ucx" ? " by UCX" : "",
              facts.nodes > 1 || facts.ranks == 1 || facts.shared_memory ? "" : " by messages", domains.c_str(),
              algorithm_name(comm, plan).c_str(), in_place ? ", in place" : "", plan.allocated ? "allocated" : "any",
              plan.allocated || !facts.shared_memory ? ""
              : facts.uses_cma                       ? " (CMA)"
                                                     : " (staged)",
              facts.date.c_str());
  if (plan.codec) std::printf("# codec: %s, in place, on normally distributed values\n", to_text(*plan.codec).c_str());
  std::printf("# MPI library: %s\n# processor: %s, %d core%s allowed to rank 0\n", facts.mpi.c_str(), facts.cpu.c_str(),
              facts.cores, facts.cores == 1 ? "" : "s");
  if (facts.limit)
    std::printf("# point to point: %.3g us one way, %.3g GB/s sent while as much is received, %.3g GB/s one-sided\n",
                facts.limit->one_way_us, facts.limit->exchange_gb_s, facts.limit->one_sided_gb_s);
  if (facts.floor) {
    std::printf("# memory: %.3g GB/s loaded and stored by all ranks that copy at once, %.3g by one alone",
                facts.floor->node_gb_s, facts.floor->core_gb_s);
    if (facts.floor->reduce_gb_s) std::printf("; %.3g reduced by each", *facts.floor->reduce_gb_s);
    std::printf("\n");
  }
  if (plan.batch != 1)
    std::printf("# batches: a time is that of %s calls one after the other, over their number\n",
                plan.batch == 0 ? text("up to ", batch_for(0)).c_str() : text(plan.batch).c_str());
  if (plan.how.with_mpi && !mpi_can)
    std::printf("# the MPI library has no %s over %s: no comparison\n", std::string(name(plan.op)).c_str(),
                std::string(name(plan.dtype)).c_str());
  if (plan.how.nonblocking)
    std::printf("# overlap: with computation as long as the collective, which tests every %.3g us\n",
                plan.how.test_interval);
  std::printf("# time: median over iterations; algbw: size / time; busbw: what the busiest link carries / time");
  if (facts.limit) std::printf("\n# %%p2p: against the least time of point-to-point messages");
  if (facts.limit && facts.shared_memory) std::printf("; memory that ranks share may beat it");
  if (facts.floor) std::printf("\n# %%floor: against the least time of the node's memory");
  std::printf("\n");
  std::fputs(table_heading(shape).c_str(), stdout);
  std::fflush(stdout);
}

Row row_for(const Communicator& comm, const PerfPlan& plan, const Call& call) {
  return {.collective = plan.collective,
          .bytes = row_bytes(*plan.collective, call),
          .count = call.count,
          .bus_factor = bus_factor(*plan.collective, call),
          .work = node_work(*plan.collective, call),
          .dtype = plan.dtype,
          .op = plan.op,
          .root = plan.root,
          .in_place = call.in_place,
          .allocated = plan.allocated,
          .nonblocking = plan.how.nonblocking,
          .test_interval = plan.how.test_interval,
          .algorithm = algorithm_name(comm, plan),
          .radix = plan.options.radix,
          .segment_bytes = plan.options.segment_bytes,
          .batch = batch_of(plan, row_bytes(*plan.collective, call)),
          .codec = plan.codec ? to_text(*plan.codec) : ""};
}

/// Measures all rows on all ranks, and prints them on rank 0, where they are complete.
std::vector<Row> measure_ladder(const Communicator& comm, const PerfPlan& plan, const RunFacts& facts,
                                const TableShape& shape, std::byte* memory) {
  const auto& collective = *plan.collective;
  const Pattern pattern = collective.reduces ? Pattern::for_reduction(plan.dtype, plan.op, comm.size())
                                             : Pattern::for_movement(plan.dtype, comm.size());
  const Computation computation;
  std::vector<Row> rows;
  for (const std::size_t bytes : plan.ladder) {
    const Call call = call_for(comm, plan, bytes);
    if (!rows.empty() && rows.back().count == call.count) continue;  // rounding made two sizes the same
    const std::vector<Call> batch = batch_in(plan, call, memory);
    Row row = row_for(comm, plan, call);
    MeasureOptions how = plan.how;
    how.iterations = plan.iterations > 0 ? plan.iterations : iterations_for(row.bytes, row.batch);
    how.with_mpi = plan.how.with_mpi && mpi_can(collective, call);
    std::optional<CompressedCalls> codec;
    if (plan.codec) codec.emplace(call, *plan.codec);
    row.measurement = measure(collective, batch, pattern, how, computation, codec ? &*codec : nullptr);
    if (codec) row.payload_bytes = codec->payload_bytes();
    if (comm.rank() == 0) {
      std::fputs(table_line(row, facts, shape).c_str(), stdout);
      std::fflush(stdout);
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace

std::vector<std::size_t> make_ladder(std::size_t smallest, std::size_t largest, std::size_t factor,
                                     std::optional<std::size_t> step) {
  if (smallest == 0) throw InvalidArgument("perf: --min must be at least 1");
  if (smallest > largest)
    throw InvalidArgument(text("perf: --min ", format_size(smallest), " is larger than --max ", format_size(largest)));
  if (step && *step == 0) throw InvalidArgument("perf: --step must be at least 1");
  if (factor < 2) throw InvalidArgument("perf: --factor must be at least 2");
  constexpr std::size_t kMostRows = 100'000;
  if (step && (largest - smallest) / *step >= kMostRows)
    throw InvalidArgument(text("perf: --step ", format_size(*step), " makes more than ", kMostRows, " rows"));
  std::vector<std::size_t> ladder;
  for (std::size_t bytes = smallest; bytes <= largest; bytes = step ? bytes + *step : bytes * factor) {
    ladder.push_back(bytes);
    if (!step && bytes > largest / factor) break;  // the next would be too large, perhaps for the type too
  }
  return ladder;
}

std::vector<std::size_t> checked_ladder(std::vector<std::size_t> sizes) {
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] == 0) throw InvalidArgument("perf: --sizes must be at least 1");
    if (i > 0 && sizes[i] <= sizes[i - 1])
      throw InvalidArgument(
          text("perf: --sizes must rise: ", format_size(sizes[i]), " follows ", format_size(sizes[i - 1])));
  }
  return sizes;
}

void run_perf(const Communicator& comm, const PerfPlan& plan) {
  if (plan.root < 0 || plan.root >= comm.size())
    throw InvalidArgument(text("perf: --root ", plan.root, " is not a rank: there are ranks 0 to ", comm.size() - 1));
  const bool first = comm.rank() == 0;
  const bool comparable = mpi_can(*plan.collective, call_for(comm, plan, 1));
  if (!plan.how.with_tutti && !mpi_can(*plan.collective, call_for(comm, plan, plan.ladder.back())))
    throw InvalidArgument(text("perf: --compare mpi-only: the MPI library has no such ", plan.collective->name));
  const Call largest = call_for(comm, plan, plan.ladder.back());
  const std::size_t row = row_bytes(*plan.collective, largest);
  std::size_t bytes = 0;
  for (const std::size_t size : plan.ladder) bytes = std::max(bytes, batch_bytes(plan, call_for(comm, plan, size)));
  std::size_t meanwhile = row;
  if (plan.message_limits) meanwhile = std::max(meanwhile, limit_memory(row));
  if (plan.memory_limits) meanwhile = std::max(meanwhile, floor_memory(comm, node_work(*plan.collective, largest)));
  if (plan.codec) meanwhile *= 4;  // contributions, what has come, residuals of both
  fail_together(comm, memory_problem(comm, bytes, meanwhile));
  ResultFile json("perf: --json", first ? plan.json : "");
  fail_together(comm, json.problem());
  ResultFile csv("perf: --csv", first ? plan.csv : "");
  fail_together(comm, csv.problem());
  const RunFacts facts = run_facts(comm, plan, largest);
  const auto memory =
      plan.allocated ? comm.allocate_bytes(bytes + 1) : detail::allocate_plain(bytes + 1);  // never nothing

  const TableShape shape{.floor = facts.floor.has_value(),
                         .overlap = plan.how.nonblocking,
                         .compared = plan.how.with_mpi && comparable,
                         .codec = plan.codec.has_value()};
  if (first) print_heading(comm, plan, facts, shape, largest.in_place, comparable);
  const auto rows = measure_ladder(comm, plan, facts, shape, static_cast<std::byte*>(memory.get()));
  if (first) {
    auto array = nlohmann::ordered_json::array();
    for (const auto& made : rows) array.push_back(table_json(made, facts));
    json.write(array.dump(1) + "\n");
    csv.write(csv_text(array));
  }
  demand_right_results(rows);
}

}  // namespace tutti::tools
