// `tutti data stage`: its options, who takes part, and what is told at the end.
#include "tools/data/commands.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include <tutti/kernels/error.hpp>

#include "tools/command_line.hpp"
#include "tools/data/stage_meeting.hpp"
#include "tools/data/stage_progress.hpp"
#include "tools/data/staging.hpp"
#include "tools/world.hpp"

namespace tutti::tools::data {
namespace {

using nlohmann::ordered_json;

double rate_of(const StageResult& result) {
  return result.transfer_seconds > 0 ? static_cast<double>(result.sent_bytes) / result.transfer_seconds : 0;
}

std::uint64_t busiest_link(const StageResult& result) {
  if (result.plans.empty()) return 0;
  const StagePlan& plan = result.plans.front();
  if (plan.broadcast.empty())
    return result.link_bytes.empty() ? 0 : *std::max_element(result.link_bytes.begin(), result.link_bytes.end());
  return static_cast<std::uint64_t>(static_cast<double>(result.sent_bytes) * plan.link_share);
}

void tell_text(const StageOptions& options, const StageResult& result) {
  const std::string nodes = fmt::format("{} {}", result.nodes, result.nodes == 1 ? "node" : "nodes");
  const std::string set = decimal_bytes(static_cast<double>(result.bytes));
  if (result.plans.empty()) {
    fmt::print("{}: {} already there, equal to the source on {}, in {:.2f} s; nothing was sent\n", options.to, set,
               nodes, result.seconds);
    return;
  }
  const StagePlan& plan = result.plans.front();
  const auto bytes = [](std::uint64_t count) { return decimal_bytes(static_cast<double>(count)); };
  fmt::print("{}: {} equal to the source on {} in {:.2f} s; {} written at {}/s by {}\n", options.to, set, nodes,
             result.seconds, bytes(result.sent_bytes), decimal_bytes(rate_of(result)), plan.name());
  fmt::print("read from the source: {} ({} bytes), by one node\n", bytes(result.read_bytes), result.read_bytes);
  if (result.copies < result.nodes)
    fmt::print("nodes that share a file system: {} {} written for {}\n", result.copies,
               result.copies == 1 ? "copy" : "copies", nodes);
  if (result.copies == 1) return;
  if (plan.broadcast.empty())
    fmt::print("links of the chain: {} carried {} each\n", result.link_bytes.size(), bytes(busiest_link(result)));
  else
    fmt::print("busiest link: {} in each direction\n", bytes(busiest_link(result)));
}

void tell_json(const StageOptions& options, const StageResult& result) {
  ordered_json root;
  root["source"] = options.source;
  root["to"] = options.to;
  root["fingerprint"] = fmt::format("{:08x}", result.fingerprint);
  root["files"] = result.files;
  root["bytes"] = result.bytes;
  root["nodes"] = result.nodes;
  root["copies"] = result.copies;
  root["sent_bytes"] = result.sent_bytes;
  root["read_bytes"] = result.read_bytes;
  root["algorithm"] = result.plans.empty() ? ordered_json() : ordered_json(result.plans.front().algorithm);
  root["costs"] = result.costs;
  root["plans"] = ordered_json::array();
  for (const StagePlan& plan : result.plans)
    root["plans"].push_back({{"algorithm", plan.algorithm},
                             {"broadcast", plan.broadcast.empty() ? ordered_json() : ordered_json(plan.broadcast)},
                             {"piece_bytes", plan.piece_bytes},
                             {"predicted_seconds", plan.seconds}});
  root["link_bytes"] = result.link_bytes;
  root["busiest_link_bytes"] = busiest_link(result);
  root["transfer_seconds"] = result.transfer_seconds;
  root["seconds"] = result.seconds;
  root["bytes_per_s"] = rate_of(result);
  fmt::print("{}\n", root.dump(2));
}

/// The first rank of every node stages; the others wait, asleep, for what rank 0 says in the end.
void stage(const StageOptions& options) {
  CommunicatorOptions wishes;
  wishes.timeout = std::chrono::duration<double>(options.timeout);
  wishes.ranks_per_node = options.ranks_per_node;
  run_on_all_ranks(wishes, [&](const Communicator& world) {
    const Communicator leaders = world.cross_communicator();
    std::string failed;
    StageResult result;
    if (world.topology().local_rank == 0) {
      try {
        result = stage_on_nodes(leaders, options);
      } catch (const InvalidArgument& error) {
        failed = error.what();
      }
    }
    failed = hear_from_first(world, failed);
    if (!failed.empty()) throw InvalidArgument(failed);
    if (world.rank() != 0) return;
    if (options.json)
      tell_json(options, result);
    else
      tell_text(options, result);
  });
}

}  // namespace

void add_stage_command(CLI::App& data) {
  const auto options = std::make_shared<StageOptions>();
  CLI::App* command = data.add_subcommand(
      "stage", "Bring a data set to every node's own disk or memory: each byte is read once, and sent node to node");
  command->add_option("folder", options->source, "Folder of the data set")->required()->type_name("FOLDER");
  command->add_option("--to", options->to, "Folder on every node; {node} and {host} in it become its number and name")
      ->required()
      ->type_name("FOLDER");
  command->add_option("--algorithm", options->algorithm, "chain, tree or scatter_allgather; auto: predicted fastest")
      ->check(CLI::IsMember({"auto", "chain", "tree", "scatter_allgather"}))
      ->type_name("NAME")
      ->capture_default_str();
  const auto piece = std::make_shared<std::string>();
  command->add_option("--piece", *piece, "Bytes of a message, a power of two such as 1M (default: chosen)")
      ->type_name("BYTES");
  command->add_option("--timeout", options->timeout, "Seconds without progress after which it fails")
      ->check(CLI::Range(1.0, 1e6))
      ->type_name("SECONDS")
      ->capture_default_str();
  command
      ->add_option("--ranks-per-node", options->ranks_per_node,
                   "Take so many consecutive ranks for a node's (default: asked of MPI)")
      ->check(CLI::PositiveNumber)
      ->type_name("N");
  command->add_flag("--force", options->force, "Remove another data set that is in the folder first");
  command->add_flag("--json", options->json, "Print one JSON object");
  command->callback([options, piece] {
    if (!piece->empty()) {
      options->piece_bytes = parse_size("data stage: --piece", *piece);
      if (!std::has_single_bit(options->piece_bytes) || options->piece_bytes < kLeastPiece ||
          options->piece_bytes > kLargestPiece)
        throw InvalidArgument(
            fmt::format("data stage: --piece {} is out of range: a power of two from 64K to 16M", *piece));
    }
    stage(*options);
  });
}

}  // namespace tutti::tools::data
