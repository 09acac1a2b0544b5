#include "tools/ps/scan.hpp"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>

#include <tutti/collectives/inspect/processes.hpp>
#include <tutti/collectives/inspect/records.hpp>

namespace tutti::tools {
namespace {

using detail::BlockView;
using detail::ControlBlock;
using detail::ProcessStat;

/// The numbers that are names of entries of a folder of /proc; none if it is gone or may not be read.
std::vector<int> numbers_in(const std::string& folder) {
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir(folder.c_str()), closedir);
  std::vector<int> numbers;
  while (directory != nullptr) {
    const dirent* const entry = readdir(directory.get());
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    int number = 0;
    const auto [end, status] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (status == std::errc() && end == name.data() + name.size()) numbers.push_back(number);
  }
  return numbers;
}

bool is_own(pid_t process) {
  struct stat status {};
  return stat(("/proc/" + std::to_string(process)).c_str(), &status) == 0 && status.st_uid == geteuid();
}

/// The process's own block: a child may have inherited its parent's.
std::optional<BlockView> find_block(pid_t process, const ProcessStat& process_stat) {
  const std::string folder = "/proc/" + std::to_string(process) + "/fd/";
  const std::string wanted = std::string("/memfd:") + detail::kBlockName + " (deleted)";
  std::array<char, 64> target{};
  for (const int fd : numbers_in(folder)) {
    const ssize_t length = readlink((folder + std::to_string(fd)).c_str(), target.data(), target.size());
    if (length < 0 || std::string_view(target.data(), static_cast<std::size_t>(length)) != wanted) continue;
    auto view = BlockView::open(process, fd);
    if (view && view->block().start_time == process_stat.start_time) return view;
  }
  return std::nullopt;
}

std::vector<pid_t> ancestors_of(const ProcessStat& process_stat) {
  std::vector<pid_t> ancestors;
  for (std::optional<ProcessStat> at = process_stat; at && at->parent > 0;) {
    ancestors.push_back(at->parent);
    at = detail::read_process_stat(at->parent);
  }
  return ancestors;
}

std::string program_of(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/comm");
  std::string name;
  std::getline(file, name);
  return name;
}

}  // namespace

std::vector<SeenProcess> scan_processes(const Wanted& wanted, const detail::Alignment& alignment) {
  std::vector<SeenProcess> seen;
  for (const pid_t process : numbers_in("/proc")) {
    if (process == getpid() || !is_own(process)) continue;
    const auto process_stat = detail::read_process_stat(process);
    if (!process_stat) continue;
    const auto view = find_block(process, *process_stat);
    if (!view) continue;
    const ControlBlock& block = view->block();
    seen.push_back({.view = detail::view_process(*view, process, *process_stat),
                    .ancestors = ancestors_of(*process_stat),
                    .launcher = program_of(process_stat->parent),
                    .record = wanted.records ? detail::record_as_json(block, view->records()) : "",
                    .events = wanted.events ? detail::trace_events(block, view->records(), alignment, 0) : ""});
  }
  return seen;
}

}  // namespace tutti::tools
