// Which class of network joins the nodes: a fact of the machine, found without measuring.
#pragma once

#include <tutti/kernels/cpp20.hpp>

#include <string>

#include <tutti/collectives/costs.hpp>

namespace tutti {

/// That of this node, as far as the kernel's list of devices tells: an RDMA network if a device has an active port, or
/// does not say whether it has. Local. `devices` is for tests.
NetworkClass find_network_class(const std::string& devices = "/sys/class");

}  // namespace tutti
