// Which processes belong together, and which of them are meant.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "tools/ps/scan.hpp"

namespace tutti::tools {

/// The processes of a job, by rank. Processes of one launcher's or batch step's job belong together, and those that
/// share a communicator.
struct Job {
  std::vector<SeenProcess> processes;
  std::string name;      ///< the launcher's name of it, or the batch system's; may be empty
  std::string launcher;  ///< the program that started all processes of one host; empty if none did
  pid_t launcher_process = 0;
};

/// `all` may have a process twice, where two ranks of `tutti ps` have looked at one machine.
std::vector<Job> group_by_job(std::vector<SeenProcess> all);

/// Whether `wanted` names the job: a launcher's or batch system's name, with or without the step, or the number of a
/// process of the job, or of one that started it.
bool is_meant(const Job& job, const std::string& wanted);

}  // namespace tutti::tools
