// Finding the processes of this user on this machine that use tutti.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include <tutti/collectives/inspect/processes.hpp>
#include <tutti/collectives/inspect/records.hpp>

namespace tutti::tools {

struct SeenProcess {
  detail::ProcessView view;
  std::vector<pid_t> ancestors;  ///< its parent first
  std::string launcher;          ///< the parent's program
  std::string record;            ///< its flight record, if that is wanted
  std::string events;            ///< its part of the timeline, if that is wanted, by rank 0's clock
};

struct Wanted {
  bool records = false;
  bool events = false;
};

/// All that have a control block of this version; `alignment` of this machine's clock. Processes of other users are not
/// looked at, whoever this one is.
std::vector<SeenProcess> scan_processes(const Wanted& wanted, const detail::Alignment& alignment);

}  // namespace tutti::tools
