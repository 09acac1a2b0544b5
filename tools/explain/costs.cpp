// Costs to explain by; see costs.hpp.
#include "tools/explain/costs.hpp"

#include <tutti/collectives/tuning.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::tools {
namespace {

NetworkClass wanted_network(const CostOptions& options) {
  if (options.transport == "network") return NetworkClass::fabric;
  if (options.transport == "tcp") return NetworkClass::tcp;
  return find_network_class();
}

}  // namespace

ExplainedCosts find_costs(const CostOptions& options) {
  const NetworkClass network = wanted_network(options);
  ExplainedCosts found;
  found.one_node = options.one_node || options.transport == "shared-memory";
  found.levels.network = built_in_costs(network);
  if (!found.one_node && options.transport.empty()) found.why = text(", the network of this machine: ", name(network));
  if (options.tuning.empty()) return found;
  try {
    const Tuning tuning = read_tuning(options.tuning);
    require_measured_at(tuning, local_fingerprint(network), options.tuning);
    found.levels = tuning.costs;
    found.source = CostSource::tuning_file;
    if (!(found.one_node ? tuning.node_measured : tuning.network_measured))
      found.why += ", where this level was not measured";
  } catch (const DataError& error) {
    found.refused = error.what();
  }
  return found;
}

}  // namespace tutti::tools
