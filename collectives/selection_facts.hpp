// What the choice of algorithms knows on a communicator, and where it is from.
#pragma once

#include <tutti/kernels/cpp20.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <tutti/collectives/costs.hpp>
#include <tutti/collectives/network.hpp>

#pragma GCC visibility push(default)
namespace tutti {

struct AlgorithmRule;  // rules.hpp

enum class CostSource : std::uint8_t {
  built_in,     ///< constants of the class of transport
  option,       ///< CommunicatorOptions::costs
  tuning_file,  ///< CommunicatorOptions::tuning_file or TUTTI_TUNING
};

/// "built-in constants", "the option costs", "the tuning file".
std::string_view name(CostSource source) noexcept;

/// The same on all ranks of a communicator, and on those of its parts.
struct SelectionFacts {
  LevelCosts costs = {kSharedMemoryCosts, kRdmaCosts};
  CostSource source = CostSource::built_in;
  NetworkClass network = NetworkClass::rdma;  ///< an RDMA network only if every node has one
  NetworkDescription description;             ///< of that network, unless it has another number of nodes
  bool shared_memory = false;                 ///< ranks of a node use each other's memory
  std::string tuning_file;                    ///< the one that is named, if any
  std::string refused;                        ///< why it is not used, if it is not

  /// Those of TUTTI_ALGORITHM and TUTTI_ALGORITHM_FILE, which go before the cost model; null if there are none.
  std::shared_ptr<const std::vector<AlgorithmRule>> rules;

  /// Of what the choice depends on: ranks, nodes, options, costs, rules, the library's version and the algorithms of
  /// this folder. Runs of one version with the same digest choose alike.
  std::uint64_t digest = 0;
};

}  // namespace tutti
#pragma GCC visibility pop
