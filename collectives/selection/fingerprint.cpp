// What a node says of itself; see fingerprint.hpp.
#include <mpi.h>
#include <unistd.h>

#include <algorithm>

#include <tutti/collectives/selection/fingerprint.hpp>
#include <tutti/kernels/system_files.hpp>

namespace tutti {

std::string cpu_model() { return value_in_file("/proc/cpuinfo", "model name").value_or("unknown"); }

std::string mpi_library() {
  std::string version(MPI_MAX_LIBRARY_VERSION_STRING, '\0');
  int length = 0;
  MPI_Get_library_version(version.data(), &length);
  version.resize(static_cast<std::size_t>(length));
  std::string line = version.substr(0, version.find_first_of(",\n"));
  // MPICH puts its number after a colon and tabs: one space reads better.
  line.erase(std::unique(line.begin(), line.end(), [](char a, char b) { return a == '\t' && b == '\t'; }), line.end());
  std::replace(line.begin(), line.end(), '\t', ' ');
  while (!line.empty() && (line.back() == ' ' || line.back() == '\0')) line.pop_back();
  return line;
}

Fingerprint local_fingerprint(NetworkClass network) {
  return {.cpu = cpu_model(),
          .cores = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN)),
          .mpi = mpi_library(),
          .network = network};
}

}  // namespace tutti
