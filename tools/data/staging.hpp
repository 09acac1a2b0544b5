// Staging as a whole, on the ranks that take part; stage.cpp reads the options and tells the result.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <tutti/collectives/communicator.hpp>

#include "tools/data/stage_plan.hpp"

namespace tutti::tools::data {

struct StageOptions {
  std::string source;
  std::string to;  ///< {node} and {host} in it become the node's number and name
  std::string algorithm = "auto";
  std::uint64_t piece_bytes = 0;  ///< 0: chosen
  double timeout = 300;           ///< seconds without progress
  int ranks_per_node = 0;         ///< 0: asked of MPI
  bool force = false;
  bool json = false;
};

/// What was done, for node 0 to tell.
struct StageResult {
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;                ///< of the data set
  std::uint64_t sent_bytes = 0;           ///< that some node lacked
  std::uint64_t read_bytes = 0;           ///< from the source, by all nodes together
  std::vector<std::uint64_t> link_bytes;  ///< from mover to mover of a chain, in their order
  int nodes = 1;
  int copies = 1;                ///< file systems that were written
  std::vector<StagePlan> plans;  ///< the chosen one first; empty: nothing was sent
  std::string costs;             ///< where those that the plans are predicted by come from
  std::uint32_t fingerprint = 0;
  double transfer_seconds = 0;  ///< of that
  double seconds = 0;           ///< in all
};

/// Collective over one rank of every node. \throws InvalidArgument, the same on all, with what failed on which node;
/// CommunicationError
StageResult stage_on_nodes(const Communicator& leaders, const StageOptions& options);

}  // namespace tutti::tools::data
