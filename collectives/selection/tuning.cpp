// Reading and writing tuning files; see tuning.hpp.
#include <nlohmann/json.hpp>

#include <tutti/collectives/selection/tuning.hpp>
#include <tutti/collectives/system/json_reader.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>
#include <tutti/kernels/whole_file.hpp>

namespace tutti {
namespace {

using detail::JsonReader;

constexpr std::string_view kFormat = "tutti tuning";
constexpr int kVersion = 1;

/// The costs of a level, by name.
struct Field {
  const char* name;
  double TransportCosts::*value;
};
constexpr Field kFields[] = {
    {"latency", &TransportCosts::latency}, {"overhead", &TransportCosts::overhead}, {"gap", &TransportCosts::gap},
    {"byte", &TransportCosts::byte},       {"distance", &TransportCosts::distance}, {"reduce", &TransportCosts::reduce},
    {"copy", &TransportCosts::copy},
};

void take_level(JsonReader& contents, const std::string& level, TransportCosts& costs, bool& measured) {
  contents.object(level);
  measured = contents.boolean(level + ".measured");
  for (const Field& field : kFields) costs.*field.value = contents.number(level + "." + field.name);
  costs.overlaps = contents.boolean(level + ".overlaps");
}

nlohmann::ordered_json to_json(const TransportCosts& costs, bool measured) {
  nlohmann::ordered_json level = {{"measured", measured}};
  for (const Field& field : kFields) level[field.name] = costs.*field.value;
  level["overlaps"] = costs.overlaps;
  return level;
}

}  // namespace

Tuning parse_tuning(std::string_view content, const std::string& file) {
  JsonReader contents(content, file);
  if (const std::string& format = contents.string("format"); format != kFormat)
    contents.refuse("format", text("\"format\" is \"", format, "\", not \"", kFormat, '"'));
  if (const int version = contents.integer("version"); version != kVersion)
    contents.refuse("version", text("\"version\" is ", version, ", not ", kVersion));
  Tuning tuning;
  contents.object("measured_on");
  tuning.measured_on.cpu = contents.string("measured_on.cpu");
  tuning.measured_on.cores = contents.integer("measured_on.cores");
  tuning.measured_on.mpi = contents.string("measured_on.mpi");
  const std::string& network = contents.string("measured_on.network");
  if (network != name(NetworkClass::rdma) && network != name(NetworkClass::tcp))
    contents.refuse("measured_on.network",
                    text("\"measured_on.network\" is \"", network, "\", not \"rdma\" or \"tcp\""));
  tuning.measured_on.network = network == name(NetworkClass::rdma) ? NetworkClass::rdma : NetworkClass::tcp;
  tuning.costs.network = built_in_costs(tuning.measured_on.network);  // for the name
  take_level(contents, "node", tuning.costs.node, tuning.node_measured);
  take_level(contents, "network", tuning.costs.network, tuning.network_measured);
  contents.require_all_taken();
  return tuning;
}

Tuning read_tuning(const std::string& file) {
  std::string content;
  try {
    content = read_whole_file(file);
  } catch (const DataError&) {
    throw DataError(text("cannot read tuning file ", file));
  }
  return parse_tuning(content, file);
}

void require_measured_at(const Tuning& tuning, const Fingerprint& here, const std::string& file) {
  const Fingerprint& there = tuning.measured_on;
  std::string why;
  const auto compare = [&](const char* what, const auto& measured, const auto& found) {
    if (measured != found) why += text(why.empty() ? "" : "; ", what, " is ", found, ", not ", measured);
  };
  compare("the processor here", there.cpu, here.cpu);
  compare("the number of cores", there.cores, here.cores);
  compare("the MPI library", there.mpi, here.mpi);
  compare("the network", name(there.network), name(here.network));
  if (!why.empty()) throw DataError(text(file, ": measured elsewhere: ", why));
}

std::string tuning_text(const Tuning& tuning) {
  const Fingerprint& there = tuning.measured_on;
  const nlohmann::ordered_json all = {
      {"format", kFormat},
      {"version", kVersion},
      {"measured_on",
       {{"cpu", there.cpu}, {"cores", there.cores}, {"mpi", there.mpi}, {"network", name(there.network)}}},
      {"node", to_json(tuning.costs.node, tuning.node_measured)},
      {"network", to_json(tuning.costs.network, tuning.network_measured)}};
  return all.dump(2) + "\n";
}

}  // namespace tutti
