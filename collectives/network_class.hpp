// Which class of network joins the nodes: a fact of the machine, found without measuring.
#pragma once

#include <tutti/kernels/cpp20.hpp>

#include <cstdint>
#include <string>
#include <string_view>

#include <tutti/collectives/cost_model.hpp>

#pragma GCC visibility push(default)
namespace tutti {

enum class NetworkClass : std::uint8_t {
  fabric,  ///< devices that move messages without the kernel: InfiniBand, RoCE, Omni-Path, Slingshot
  tcp,     ///< anything else
};

/// "fabric", "tcp".
std::string_view name(NetworkClass network) noexcept;

/// Built-in constants.
const TransportCosts& built_in_costs(NetworkClass network) noexcept;

/// That of this node, as far as the kernel's list of devices tells: a fabric if a device has an active port, or does
/// not say whether it has. Local. `devices` is for tests.
NetworkClass find_network_class(const std::string& devices = "/sys/class");

}  // namespace tutti
#pragma GCC visibility pop
