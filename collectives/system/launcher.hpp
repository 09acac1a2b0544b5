// What the launcher of a job says about it, in the environment.
#pragma once

#include <optional>
#include <string>

namespace tutti {

struct WrongLauncher {
  std::string what;      ///< is wrong, as a sentence
  bool is_first = true;  ///< of the launcher's processes: one is enough to say it
};

/// Where a launcher started several processes, and MPI, which has been initialised, knows of one only, each would do
/// the whole work for itself. That is so under the launcher of another MPI, and under srun without the PMI that the
/// library wants. Local.
std::optional<WrongLauncher> wrong_launcher(int world_size);

}  // namespace tutti
