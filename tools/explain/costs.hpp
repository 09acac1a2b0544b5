// The costs that `tutti explain` asks the model with, and where they are from.
#pragma once

#include <string>

#include <tutti/collectives/inspect/costs.hpp>
#include <tutti/collectives/selection_facts.hpp>

namespace tutti::tools {

/// What the command line says of them.
struct CostOptions {
  bool one_node = false;
  std::string transport;  ///< shared-memory, network or tcp; empty: this machine's network
  std::string tuning;     ///< a file, or empty: that of TUTTI_TUNING
};

struct ExplainedCosts {
  LevelCosts levels = {kSharedMemoryCosts, kRdmaCosts};
  bool one_node = false;
  CostSource source = CostSource::built_in;
  std::string why;      ///< this class of transport
  std::string refused;  ///< why a tuning file is not used

  const TransportCosts& used() const noexcept { return one_node ? levels.node : levels.network; }
};

/// The tuning file of the command line, or else of the environment; empty if there is none.
std::string named_tuning(const CostOptions& options);

/// As a communicator would find them, on nodes like this one; a file that it would refuse is refused here too.
/// \throws DataError if the file of the command line cannot be read, or is damaged.
ExplainedCosts find_costs(const CostOptions& options);

}  // namespace tutti::tools
