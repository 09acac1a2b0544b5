#include "tools/doctor/report.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

#include "tools/doctor/words.hpp"

namespace tutti::tools::doctor {
namespace {

bool same(const Finding& a, const Finding& b) {
  return a.status == b.status && a.found == b.found && a.remedy == b.remedy;
}

std::vector<Line> examine_hosts(const HostCheck& check, const std::vector<HostFacts>& hosts) {
  std::vector<Line> lines;
  for (const HostFacts& host : hosts) {
    const Finding finding = check.judge(host);
    const auto like =
        std::find_if(lines.begin(), lines.end(), [&](const Line& line) { return same(line.finding, finding); });
    if (like != lines.end()) {
      like->hosts.push_back(host.host);
    } else {
      lines.push_back({check.name, finding, {host.host}});
    }
  }
  std::stable_sort(lines.begin(), lines.end(),
                   [](const Line& a, const Line& b) { return a.finding.status > b.finding.status; });
  return lines;
}

std::string host_names(const std::vector<std::string>& hosts) {
  constexpr std::size_t kShown = 3;
  const std::size_t shown = std::min(hosts.size(), kShown);
  std::string names =
      fmt::format("{}", fmt::join(hosts.begin(), hosts.begin() + static_cast<std::ptrdiff_t>(shown), ", "));
  if (hosts.size() > shown) names += fmt::format(" and {} more", hosts.size() - shown);
  return names;
}

}  // namespace

std::vector<Line> examine(const JobFacts& job) {
  std::vector<Line> lines;
  for (const HostCheck& check : host_checks()) {
    for (Line& line : examine_hosts(check, job.hosts)) lines.push_back(std::move(line));
  }
  for (const JobCheck& check : job_checks()) lines.push_back({check.name, check.judge(job), {}});
  return lines;
}

int count(const std::vector<Line>& lines, Status status) {
  return static_cast<int>(
      std::count_if(lines.begin(), lines.end(), [&](const Line& line) { return line.finding.status == status; }));
}

std::string to_text(const std::vector<Line>& lines, std::size_t hosts) {
  std::string all;
  for (const auto& [check, finding, places] : lines) {
    const bool some = !places.empty() && places.size() < hosts;
    all += fmt::format("{:<8} {:<14} {}{}{}\n", name(finding.status), check, some ? host_names(places) + ": " : "",
                       finding.found, finding.remedy.empty() ? "" : "; remedy: " + finding.remedy);
  }
  all += fmt::format("{}, {}\n", counted(count(lines, Status::problem), "problem"),
                     counted(count(lines, Status::warning), "warning"));
  return all;
}

nlohmann::json to_json(const std::vector<Line>& lines, const JobFacts& job) {
  nlohmann::json findings = nlohmann::json::array();
  for (const auto& [check, finding, hosts] : lines) {
    findings.push_back({{"check", check},
                        {"status", name(finding.status)},
                        {"found", finding.found},
                        {"remedy", finding.remedy},
                        {"hosts", hosts}});
  }
  nlohmann::json ranks = nlohmann::json::array();
  for (const HostFacts& host : job.hosts) {
    for (const RankFacts& rank : host.ranks) ranks.push_back(to_json(rank));
  }
  return {{"problems", count(lines, Status::problem)},
          {"warnings", count(lines, Status::warning)},
          {"findings", findings},
          {"ranks", ranks}};
}

}  // namespace tutti::tools::doctor
