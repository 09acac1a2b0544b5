#include <tutti/kernels/control_groups.hpp>

#include <algorithm>
#include <fstream>

#include <tutti/kernels/system_files.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti {

std::vector<std::filesystem::path> control_groups(const std::filesystem::path& root, const std::string& controller) {
  std::vector<std::filesystem::path> folders;
  std::ifstream in(root / "proc/self/cgroup");
  for (std::string line; std::getline(in, line);) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = text(',', line.substr(first + 1, second - first - 1), ',');
    const bool is_second = controllers == ",,";
    if (!is_second && controllers.find(text(',', controller, ',')) == std::string::npos) continue;
    const std::filesystem::path mounted = root / "sys/fs/cgroup" / (is_second ? "" : controller);
    std::filesystem::path inner = std::filesystem::path(line.substr(second + 1)).relative_path();
    for (;; inner = inner.parent_path()) {
      folders.push_back(inner.empty() ? mounted : mounted / inner);
      if (inner.empty()) break;
    }
  }
  return folders;
}

std::optional<double> processor_quota(const std::filesystem::path& root) {
  std::optional<double> least;
  for (const auto& folder : control_groups(root, "cpu")) {
    const std::string both = first_line(folder / "cpu.max");  // "150000 100000" or "max 100000"
    const auto quota = leading_number<long long>(both.empty() ? first_line(folder / "cpu.cfs_quota_us") : both);
    const auto period = leading_number<long long>(both.empty() ? first_line(folder / "cpu.cfs_period_us")
                                                               : both.substr(both.find(' ') + 1));
    if (!quota || !period || *quota <= 0 || *period <= 0) continue;
    const double processors = static_cast<double>(*quota) / static_cast<double>(*period);
    least = std::min(least.value_or(processors), processors);
  }
  return least;
}

}  // namespace tutti
