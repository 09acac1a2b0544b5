// `tutti ps`: a hang report of running or hung jobs, from outside. Which processes there are is in tools/ps/scan.hpp,
// which belong together in tools/ps/jobs.hpp, who waits for whom in collectives/watch/hang_report.hpp.
//
// Alone it uses no MPI, so that it works where that hangs. Under a launcher the lowest rank of each host looks at its
// host and tells rank 0.
#include <fmt/format.h>
#include <mpi.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <tutti/collectives/inspect/mpi.hpp>
#include <tutti/collectives/inspect/records.hpp>
#include <tutti/collectives/session.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>
#include <tutti/kernels/whole_file.hpp>

#include "tools/command_line.hpp"
#include "tools/commands.hpp"
#include "tools/ps/job_table.hpp"
#include "tools/ps/jobs.hpp"
#include "tools/ps/json.hpp"
#include "tools/ps/scan.hpp"

namespace tutti::tools {
namespace {

constexpr int kStalled = 3;

struct PsOptions {
  std::string job;
  bool json = false;
  std::string record;
  std::string trace;
  bool check = false;
};

bool is_lowest_of_host() {
  MPI_Comm host = MPI_COMM_NULL;
  int rank = 0;
  tutti::detail::check_mpi(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &host),
                           "MPI_Comm_split_type");
  MPI_Comm_rank(host, &rank);
  MPI_Comm_free(&host);
  return rank == 0;
}

/// What all hosts see, on rank 0; nothing elsewhere.
std::vector<SeenProcess> gather(const Wanted& wanted) {
  constexpr auto kLimit = std::chrono::seconds(60);
  tutti::detail::BoundedMpi ranks(MPI_COMM_WORLD, std::chrono::steady_clock::now() + kLimit);
  tutti::detail::Alignment alignment;
  if (wanted.events) alignment.add(tutti::detail::measure_clock_offset(ranks));
  const std::string own = to_text(is_lowest_of_host() ? scan_processes(wanted, alignment) : std::vector<SeenProcess>());
  const std::vector<std::int64_t> sizes = ranks.all_gather(static_cast<std::int64_t>(own.size()));
  if (ranks.rank() != 0) {
    ranks.send(0, own);
    return {};
  }
  std::vector<SeenProcess> all = processes_from(own);
  for (int rank = 1; rank < ranks.size(); ++rank) {
    const auto bytes = static_cast<std::size_t>(sizes[static_cast<std::size_t>(rank)]);
    for (SeenProcess& process : processes_from(ranks.receive(rank, bytes))) all.push_back(std::move(process));
  }
  return all;
}

void write_files(const PsOptions& options, const std::vector<Job>& jobs) {
  std::string records;
  std::string events;
  for (const Job& job : jobs) {
    for (const SeenProcess& process : job.processes) {
      records += (records.empty() ? "" : ",\n") + process.record;
      events += (events.empty() ? "" : ",\n") + process.events;
    }
  }
  if (!options.record.empty()) write_whole_file(options.record, "[\n" + records + "]\n");
  if (!options.trace.empty()) write_whole_file(options.trace, tutti::detail::trace_file(events));
}

void print(const PsOptions& options, const std::vector<Job>& jobs) {
  if (options.json) {
    nlohmann::ordered_json all = nlohmann::ordered_json::array();
    for (const Job& job : jobs) all.push_back(to_json(job));
    fmt::print(
        "{}\n",
        nlohmann::ordered_json({{"jobs", all}}).dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
    return;
  }
  for (const Job& job : jobs) fmt::print("{}{}", &job == jobs.data() ? "" : "\n", to_table(job));
}

/// On rank 0.
void report(const PsOptions& options, std::vector<SeenProcess> processes) {
  std::vector<Job> jobs = group_by_job(std::move(processes));
  if (jobs.empty()) throw DataError("ps: no tutti job of yours on this host");
  if (!options.job.empty()) {
    std::erase_if(jobs, [&](const Job& job) { return !is_meant(job, options.job); });
    if (jobs.empty()) {
      throw DataError(text("ps: no tutti job '", options.job,
                           "' on this host (expected a job ID, or the PID of a rank or launcher)"));
    }
  }
  write_files(options, jobs);
  print(options, jobs);
  if (options.check && std::any_of(jobs.begin(), jobs.end(), has_stalled)) throw Reported("ps: stalled", kStalled);
}

void run_ps(const PsOptions& options) {
  const Wanted wanted{.records = !options.record.empty(), .events = !options.trace.empty()};
  if (launched_ranks() == 1) return report(options, scan_processes(wanted, {}));
  const Session session(nullptr, nullptr);
  std::vector<SeenProcess> processes = gather(wanted);
  if (launched_rank() == 0) report(options, std::move(processes));
}

}  // namespace

void add_ps_command(CLI::App& app) {
  auto* command = app.add_subcommand(
      "ps",
      "Show which operation each rank of a running or hung job is in, and which ranks it waits for (under mpirun: on "
      "several hosts)");
  const auto options = std::make_shared<PsOptions>();
  command->add_option("job", options->job, "Job ID, or PID of a rank or launcher (default: all jobs)")
      ->type_name("JOB");
  command->add_flag("--json", options->json, "Print one JSON object");
  command->add_flag("--check", options->check, "Exit with status 3 if a rank keeps others waiting");
  command->add_option("--record", options->record, "Write the last operations of all ranks to FILE, a JSON array")
      ->type_name("FILE");
  command->add_option("--trace", options->trace, "Write them to FILE as a timeline, for chrome://tracing or Perfetto")
      ->type_name("FILE");
  command->callback([options] { run_ps(*options); });
}

}  // namespace tutti::tools
