// `tutti doctor`: looks for what will hurt where it runs, alone or under a launcher. What is looked at is in
// tools/doctor/facts.hpp, what is thought of it in tools/doctor/check.hpp.
#include <fmt/format.h>
#include <mpi.h>
#include <nlohmann/json.hpp>

#include <cstdio>
#include <memory>
#include <string>

#include <tutti/collectives/session.hpp>

#include "tools/command_line.hpp"
#include "tools/commands.hpp"
#include "tools/doctor/collect.hpp"
#include "tools/doctor/probes.hpp"
#include "tools/doctor/report.hpp"
#include "tools/doctor/words.hpp"

namespace tutti::tools {
namespace {

struct DoctorOptions {
  bool as_json = false;
  double limit = 30;
};

/// Ends the job, some of whose ranks cannot be heard: with them no MPI call comes to an end.
[[noreturn]] void give_up(const std::vector<int>& silent, double limit) {
  if (launched_rank() == 0) {
    print_error(
        fmt::format("doctor: {} did not answer rank 0 within {:g} s; are their hosts up, and does a firewall "
                    "let MPI through (mpirun --mca btl_tcp_if_include NETWORK)?",
                    doctor::listed("rank", silent), limit));
  }
  MPI_Abort(MPI_COMM_WORLD, 1);
  std::_Exit(1);
}

/// Whether there are no problems; on rank 0, which has printed them.
bool examine_and_print(const doctor::JobFacts& job, const DoctorOptions& options) {
  const auto lines = doctor::examine(job);
  if (options.as_json) {
    fmt::print("{}\n", doctor::to_json(lines, job).dump(1));
  } else {
    fmt::print("{}", doctor::to_text(lines, job.hosts.size()));
  }
  std::fflush(stdout);  // before another rank's exit makes the launcher kill this one
  return doctor::count(lines, doctor::Status::problem) == 0;
}

/// Whether there are no problems.
bool run_doctor(const DoctorOptions& options) {
  doctor::RankFacts facts = doctor::collect();
  const doctor::Watch watch(2 * doctor::Seconds(options.limit));
  watch.stage("MPI_Init");
  const Session session(nullptr, nullptr);
  doctor::add_mpi(facts);
  watch.stage("first messages between ranks");
  const auto silent = doctor::find_silent_ranks(doctor::Seconds(options.limit));
  if (!silent.empty()) give_up(silent, options.limit);
  watch.stage("looking at local ranks");
  doctor::probe_peers(facts);
  watch.stage("making communicators");
  doctor::JobFacts job;
  doctor::probe_communicators(facts, job);
  watch.stage("collecting the facts");
  job.hosts = doctor::gather(facts);
  int well = facts.rank == 0 ? static_cast<int>(examine_and_print(job, options)) : 0;
  MPI_Bcast(&well, 1, MPI_INT, 0, MPI_COMM_WORLD);
  watch.stage("MPI_Finalize");
  return well != 0;
}

}  // namespace

void add_doctor_command(CLI::App& app) {
  auto* command = app.add_subcommand("doctor", "Check machine and job for known problems, and say how to fix them");
  const auto options = std::make_shared<DoctorOptions>();
  command->add_flag("--json", options->as_json, "Print one JSON object: findings, and the facts of each rank");
  command->add_option("--limit", options->limit, "Time limit of a rank's answers; twice as much for a stage")
      ->check(CLI::Range(0.1, 3600.0))
      ->type_name("SECONDS")
      ->capture_default_str();
  command->callback([options] {
    if (!run_doctor(*options)) throw Reported("doctor: there are problems");
  });
}

}  // namespace tutti::tools
