// `tutti info`: what this build is and where it runs.
#include <fmt/format.h>
#include <hwy/targets.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include <tutti/collectives/inspect/machine.hpp>
#include <tutti/collectives/inspect/mpi.hpp>
#include <tutti/kernels/error.hpp>

#include "tools/command_line.hpp"
#include "tools/commands.hpp"
#include "tools/perf/machine.hpp"
#include "tools/world.hpp"

namespace tutti::tools {
namespace {

/// What every rank tells rank 0.
struct RankFacts {
  std::array<char, MPI_MAX_PROCESSOR_NAME> host;
  int node;
  int local_rank;
  int cores;
};

std::vector<RankFacts> gather_facts(const Communicator& comm) {
  RankFacts mine{
      .host = {}, .node = comm.topology().node, .local_rank = comm.topology().local_rank, .cores = cores_allowed()};
  node_name().copy(mine.host.data(), mine.host.size() - 1);
  std::vector<RankFacts> all(static_cast<std::size_t>(comm.size()));
  tutti::detail::check_mpi(MPI_Gather(&mine, sizeof mine, MPI_BYTE, all.data(), sizeof mine, MPI_BYTE, 0, comm.mpi()),
                           "MPI_Gather");
  return all;
}

/// The instruction sets that the host kernels may use here, best first.
std::vector<std::string> simd_targets() {
  std::vector<std::string> names;
  const std::int64_t supported = hwy::SupportedTargets();
  for (int bit = 0; bit < 63; ++bit) {
    const std::int64_t target = std::int64_t{1} << bit;
    if ((supported & target) != 0) names.emplace_back(hwy::TargetName(target));
  }
  return names;
}

nlohmann::json collect(const Communicator& comm) {
  const auto facts = gather_facts(comm);
  nlohmann::json ranks = nlohmann::json::array();
  for (std::size_t rank = 0; rank < facts.size(); ++rank) {
    ranks.push_back({{"rank", rank},
                     {"node", facts[rank].node},
                     {"host", std::string(facts[rank].host.data())},
                     {"local_rank", facts[rank].local_rank},
                     {"cores", facts[rank].cores}});
  }
  const bool trainer = std::filesystem::exists(program_path().parent_path() / "tutti-train");
  return {{"version", TUTTI_VERSION},
          {"build_type", TUTTI_BUILD_TYPE},
          {"compiler", TUTTI_COMPILER},
          {"sanitizers", TUTTI_SANITIZE},
          {"io", TUTTI_HAVE_IO != 0},
          {"trainer", trainer},
          {"cuda_kernels", TUTTI_HAVE_CUDA != 0},
          {"ucx", tutti::detail::ucx_version()},
          {"nccl", false},
          {"nccl_found", TUTTI_NCCL_VERSION},
          {"simd", simd_targets()},
          {"mpi_library", mpi_library()},
          {"mpi_thread_level", thread_level()},
          {"cpu", cpu_model()},
          {"memory_available_bytes", memory_available()},
          {"ranks", comm.size()},
          {"nodes", comm.topology().nodes},
          {"network", name(comm.selection_facts().network)},
          {"network_description", to_text(comm.selection_facts().description)},
          {"costs_from", name(comm.selection_facts().source)},
          {"tuning_file", comm.selection_facts().tuning_file},
          {"tuning_refused", comm.selection_facts().refused},
          {"choice_digest", fmt::format("{:016x}", comm.selection_facts().digest)},
          {"places", ranks}};
}

void print_text(const nlohmann::json& info) {
  const auto line = [](const char* key, const std::string& value) { fmt::print("{:<12} {}\n", key, value); };
  const auto yes = [&](const char* key) { return info[key].get<bool>() ? "yes" : "no"; };
  const auto simd = info["simd"].get<std::vector<std::string>>();
  const auto sanitizers = info["sanitizers"].get<std::string>();
  line("tutti", info["version"].get<std::string>());
  line("build", fmt::format("{}, {}{}", info["build_type"].get<std::string>(), info["compiler"].get<std::string>(),
                            sanitizers.empty() ? "" : ", sanitizers " + sanitizers));
  const auto nccl = info["nccl_found"].get<std::string>();
  const auto ucx = info["ucx"].get<std::string>();
  line("built in", fmt::format("io {}, trainer {}, CUDA kernels {}, UCX {}, NCCL {}{}", yes("io"), yes("trainer"),
                               yes("cuda_kernels"), ucx.empty() ? "no" : ucx, yes("nccl"),
                               nccl.empty() ? "" : " (" + nccl + " was found)"));
  line("SIMD", simd.empty() ? "none" : fmt::format("{} (of {})", simd.front(), fmt::join(simd, ", ")));
  line("MPI",
       fmt::format("{}, {}", info["mpi_library"].get<std::string>(), info["mpi_thread_level"].get<std::string>()));
  line("processor", info["cpu"].get<std::string>());
  line("memory", fmt::format("{:.1f} GiB available on rank 0's node",
                             info["memory_available_bytes"].get<double>() / (1024.0 * 1024 * 1024)));
  line("world", fmt::format("{} rank(s) on {} node(s)", info["ranks"].get<int>(), info["nodes"].get<int>()));
  const auto description = info["network_description"].get<std::string>();
  line("network", info["network"].get<std::string>() + (description.empty() ? "" : ", " + description));
  const auto file = info["tuning_file"].get<std::string>();
  const auto refused = info["tuning_refused"].get<std::string>();
  line("cost model", fmt::format("{}{}{} (selection digest {})", info["costs_from"].get<std::string>(),
                                 file.empty() ? "" : ", " + file, refused.empty() ? "" : " refused: " + refused,
                                 info["choice_digest"].get<std::string>()));
  for (const auto& place : info["places"]) {
    line("", fmt::format("rank {} is rank {} of node {} ({}), {} core(s) allowed", place["rank"].get<int>(),
                         place["local_rank"].get<int>(), place["node"].get<int>(), place["host"].get<std::string>(),
                         place["cores"].get<int>()));
  }
}

}  // namespace

void add_info_command(CLI::App& app) {
  auto* command = app.add_subcommand("info", "Print the build's configuration and the machine it runs on");
  const auto as_json = std::make_shared<bool>(false);
  command->add_flag("--json", *as_json, "Print one JSON object");
  command->callback([as_json] {
    run_on_all_ranks({}, [&](const Communicator& comm) {
      const nlohmann::json info = collect(comm);
      if (comm.rank() != 0) return;
      if (*as_json) {
        fmt::print("{}\n", info.dump(1));
      } else {
        print_text(info);
      }
    });
  });
}

}  // namespace tutti::tools
