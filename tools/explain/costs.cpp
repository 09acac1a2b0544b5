// Costs to explain by; see costs.hpp.
#include "tools/explain/costs.hpp"

#include <cstdlib>
#include <optional>

#include <tutti/collectives/inspect/costs.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::tools {
namespace {

NetworkClass wanted_network(const CostOptions& options) {
  if (options.transport == "rdma") return NetworkClass::rdma;
  if (options.transport == "tcp") return NetworkClass::tcp;
  return find_network_class();
}

}  // namespace

std::string named_tuning(const CostOptions& options) {
  if (!options.tuning.empty()) return options.tuning;
  const char* const variable = std::getenv("TUTTI_TUNING");
  return variable == nullptr ? "" : variable;
}

ExplainedCosts find_costs(const CostOptions& options) {
  const NetworkClass network = wanted_network(options);
  ExplainedCosts found;
  found.one_node = options.one_node || options.transport == "shared-memory";
  found.levels.network = built_in_costs(network);
  if (!found.one_node && options.transport.empty()) found.why = " (this machine's network)";
  const std::string file = named_tuning(options);
  if (file.empty()) return found;
  const auto take = [&](const Tuning& tuning) {
    require_measured_at(tuning, local_fingerprint(network), file);
    found.levels = tuning.costs;
    found.source = CostSource::tuning_file;
    if (!(found.one_node ? tuning.node_measured : tuning.network_measured))
      found.why += ", where this level was not measured";
  };
  std::optional<Tuning> own;  // of the command line, which has to be readable
  if (!options.tuning.empty()) own = read_tuning(file);
  try {
    take(own ? *own : read_tuning(file));
  } catch (const DataError& error) {
    found.refused = error.what();
  }
  return found;
}

}  // namespace tutti::tools
