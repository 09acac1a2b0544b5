// Where costs were measured, as far as they depend on it.
#pragma once

#include <string>

#include <tutti/collectives/selection/network_class.hpp>

namespace tutti {

/// Nodes of a machine are taken to be alike.
struct Fingerprint {
  std::string cpu;  ///< model
  int cores = 0;    ///< of the node, not only those that this process may use
  std::string mpi;  ///< the MPI library's name and version
  NetworkClass network = NetworkClass::tcp;
};

/// The processor's model, from /proc/cpuinfo; "unknown" where that does not say.
std::string cpu_model();

/// The MPI library's name and version: the first line of what it says, up to the first comma. Works before MPI_Init.
std::string mpi_library();

/// That of this node. Local.
Fingerprint local_fingerprint(NetworkClass network);

}  // namespace tutti
