// Looking for RDMA devices; see network_class.hpp.
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

#include <tutti/collectives/selection/network_class.hpp>

namespace tutti {
namespace {

namespace fs = std::filesystem;

/// Calls `look` with what lies in a folder, until it returns true; whether it did.
template <class Look>
bool any_in(const fs::path& folder, Look look) {
  std::error_code failed;
  fs::directory_iterator entry(folder, failed);
  for (; !failed && entry != fs::directory_iterator(); entry.increment(failed)) {
    if (look(entry->path())) return true;
  }
  return false;
}

/// The kernel's verbs devices (InfiniBand, RoCE, Omni-Path, EFA): ports/N/state is "4: ACTIVE" where there is a link.
/// Soft-RoCE and soft-iWARP run over TCP/IP hosts' own interfaces and are no RDMA networks: they have no device behind
/// them.
bool is_active_verbs_device(const fs::path& device) {
  std::error_code failed;
  if (!fs::exists(device / "device", failed)) return false;
  bool says = false;
  const bool active = any_in(device / "ports", [&](const fs::path& port) {
    std::string state;
    if (!std::getline(std::ifstream(port / "state"), state)) return false;
    says = true;
    return state.find("ACTIVE") != std::string::npos;
  });
  return active || !says;
}

}  // namespace

std::string_view name(NetworkClass network) noexcept { return network == NetworkClass::rdma ? "rdma" : "tcp"; }

const TransportCosts& built_in_costs(NetworkClass network) noexcept {
  return network == NetworkClass::rdma ? kRdmaCosts : kTcpCosts;
}

NetworkClass find_network_class(const std::string& devices) {
  const fs::path folder = devices;
  // Omni-Path's hfi1 devices are verbs devices too; Slingshot's lie in a class of their own.
  const bool rdma = any_in(folder / "infiniband", is_active_verbs_device) ||
                    any_in(folder / "cxi", [](const fs::path&) { return true; });
  return rdma ? NetworkClass::rdma : NetworkClass::tcp;
}

}  // namespace tutti
