// What the kernel tells of a process, in /proc.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

namespace tutti::detail {

struct ProcessStat {
  char state = '?';  ///< R running, S or D asleep, T or t stopped, Z or X dead, as ps(1) tells
  pid_t parent = 0;
  std::uint64_t start_time = 0;  ///< in clock ticks since boot: with the PID it names one process for ever
};

/// None if there is no such process, or it may not be seen.
std::optional<ProcessStat> read_process_stat(pid_t process);

/// Whether the state is that of a process that does nothing until somebody else does something.
constexpr bool is_stopped(char state) noexcept { return state == 'T' || state == 't'; }
constexpr bool is_dead(char state) noexcept { return state == 'Z' || state == 'X' || state == 'x'; }

/// "running", "asleep", "stopped", "dead", ....
const char* state_in_words(char state) noexcept;

/// The number by which the kernel knows a namespace ("pid", "time") of this process; 0 if it does not tell.
std::uint64_t own_namespace(const char* kind);

}  // namespace tutti::detail
