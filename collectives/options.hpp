// Options of communicators and of single collectives.
#pragma once

#include <tutti/kernels/cpp20.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <tutti/collectives/costs.hpp>
#include <tutti/collectives/network.hpp>

#pragma GCC visibility push(default)
namespace tutti {

/// How reproducible reductions are.
enum class Reproducibility : std::uint8_t {
  run,     ///< same inputs, ranks and options give the same bits on every rank, and on every run with the same kinds of
           ///< memory and ranks that are placed and bound alike; where all ranks round alike and treat denormals alike
  layout,  ///< moreover element i does not depend on algorithm, message size, fusion layout, nodes or transport: only
           ///< algorithms run that reduce all ranks at once in rank order, so a rank sends P-1 messages
  ranks,   ///< moreover the result does not depend on the number of ranks (not built yet)
};

/// What carries messages between ranks of different nodes. Within a node it is always MPI.
enum class TransportKind : std::uint8_t {
  mpi,  ///< MPI point-to-point
  ucx,  ///< UCX, where it is built; a peer that dies is an error as soon as its connection breaks
};

struct CommunicatorOptions {
  // ---- What is computed

  /// Contract on the bits of reductions. Levels that are not built yet are an InvalidArgument. Must agree.
  Reproducibility reproducibility = Reproducibility::run;

  // ---- How long to wait, and who is near

  /// A wait in which an operation makes no progress for so long throws CommunicationError naming the peers it waits
  /// for. None by default.
  std::optional<std::chrono::duration<double>> timeout = std::nullopt;

  /// After so long without progress a line on standard error says which operation waits for whom, once an operation and
  /// machine: the lowest rank that waits speaks. Zero: never.
  std::chrono::duration<double> stall_warning = std::chrono::seconds(60);

  /// What messages and bytes cost inside nodes and between them, for the choice of algorithms; by default those of the
  /// tuning file, or else built-in constants of the class of transport that is there. Must agree; results of reductions
  /// may round differently with other constants.
  std::optional<LevelCosts> costs = std::nullopt;

  /// A file that `tutti tune` wrote (tuning.hpp), read by rank 0 alone. Empty: what its environment names as
  /// TUTTI_TUNING, if anything. A file of this option that cannot be read or is damaged is an InvalidArgument; one that
  /// was measured elsewhere, and any of the variable that cannot be used, is refused with a warning on rank 0's
  /// standard error, and built-in constants serve (Communicator::selection_facts()). Excludes `costs`.
  std::string tuning_file = {};

  /// Pretend that every `ranks_per_node` consecutive ranks share a node, for tests; 0 asks MPI. Must agree.
  int ranks_per_node = 0;

  /// What is known of the network between nodes, for the choice of algorithms and those that are made for tori. By
  /// default what the environment variable TUTTI_NETWORK says, as parse_network() reads it. Must agree. The option is
  /// an error, and the variable without effect, on communicators with another number of nodes than the torus has
  /// (selection_facts() tells); it does not pass to parts of this one unless they have all nodes.
  std::optional<NetworkDescription> network = std::nullopt;

  /// Whether ranks of a node read and write each other's memory instead of exchanging messages, where that is built. By
  /// default what the environment variable TUTTI_SHARED_MEMORY says, 0 or 1; without it they do. Must agree. Where
  /// several live on one node, selection_facts() tell whether it is so.
  std::optional<bool> shared_memory = std::nullopt;

  /// By default what the environment variable TUTTI_TRANSPORT says, mpi or ucx; without it MPI. Must agree. Once the
  /// communicator is made, its options tell what was found.
  std::optional<TransportKind> transport = std::nullopt;

  /// For layers that translate options of their own: what is wrong with those on this rank, so that every rank throws
  /// InvalidArgument with it, as with other options. Empty: nothing.
  std::string problem = {};
};

struct CollectiveOptions {
  // ---- How fast; nothing here changes what is computed, but reductions may round differently

  /// Name of the algorithm, from the tables in collectives/README.md and
  /// allreduce/README.md; empty: chosen by size and ranks. Must agree.
  std::string_view algorithm = {};

  /// How many ways a tree or exchange branches, for algorithms that have a radix: 2 to the number of ranks; 0: chosen.
  /// Must agree.
  int radix = 0;

  /// Messages are cut into pieces of about so many bytes, which are pipelined; 0: chosen. Must agree.
  std::size_t segment_bytes = 0;
};

}  // namespace tutti
#pragma GCC visibility pop
