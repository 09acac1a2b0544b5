// What a measurement must say about where it was made.
#pragma once

#include <cstddef>
#include <string>

namespace tutti::tools {

/// "AMD EPYC 7B13": the processor's name, from /proc/cpuinfo; "unknown" where that does not say.
std::string cpu_model();

/// Cores this process may run on.
int cores_allowed();

/// Bytes that can still be had on this node: the smaller of what the kernel calls available and what the control group
/// leaves.
std::size_t memory_available();

/// First line of MPI_Get_library_version, shortened at the first comma.
std::string mpi_library();

/// Name of the node, as MPI gives it.
std::string node_name();

/// Now, in UTC, as 2026-01-31T23:59:59Z.
std::string timestamp();

}  // namespace tutti::tools
