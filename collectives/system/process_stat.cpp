// Reading /proc; see process_stat.hpp.
#include <sys/stat.h>

#include <fstream>
#include <iterator>
#include <sstream>

#include <tutti/collectives/system/process_stat.hpp>

namespace tutti::detail {

std::optional<ProcessStat> read_process_stat(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/stat");
  const std::string content{std::istreambuf_iterator<char>(file), {}};
  const std::size_t name_end = content.rfind(')');  // the program's name may hold anything, parentheses too
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(content.substr(name_end + 1));
  ProcessStat stat;
  if (!(fields >> stat.state >> stat.parent)) return std::nullopt;
  constexpr int kBetween = 17;  // fields 5 to 21
  std::string skipped;
  for (int i = 0; i < kBetween; ++i) fields >> skipped;
  if (!(fields >> stat.start_time)) return std::nullopt;
  return stat;
}

const char* state_in_words(char state) noexcept {
  if (is_stopped(state)) return "stopped";
  if (is_dead(state)) return "dead";
  switch (state) {
    case 'R':
      return "running";
    case 'S':
    case 'I':
      return "asleep";
    case 'D':
      return "in the kernel";
    default:
      return "in an unknown state";
  }
}

std::uint64_t own_namespace(const char* kind) {
  struct stat status {};
  return stat((std::string("/proc/self/ns/") + kind).c_str(), &status) == 0 ? status.st_ino : 0;
}

}  // namespace tutti::detail
