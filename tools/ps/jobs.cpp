#include "tools/ps/jobs.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <tuple>
#include <utility>

namespace tutti::tools {
namespace {

/// Sets that are joined.
class Sets {
 public:
  explicit Sets(std::size_t count) : above_(count) { std::iota(above_.begin(), above_.end(), std::size_t{0}); }

  std::size_t find(std::size_t at) const {
    while (above_[at] != at) at = above_[at];
    return at;
  }
  void join(std::size_t a, std::size_t b) { above_[find(b)] = find(a); }

 private:
  std::vector<std::size_t> above_;
};

/// What all processes of a job have in common, as far as the environment tells; empty if it does not.
std::string common_name(const detail::ProcessView& view) {
  if (!view.launcher_job.empty()) return view.launcher_job;
  return view.batch_job.find('.') != std::string::npos ? view.batch_job : "";
}

void drop_duplicates(std::vector<SeenProcess>& all) {
  std::set<std::tuple<std::string, pid_t>> known;
  std::erase_if(
      all, [&](const SeenProcess& process) { return !known.emplace(process.view.host, process.view.process).second; });
}

Job make_job(std::vector<SeenProcess> processes) {
  std::sort(processes.begin(), processes.end(), [](const SeenProcess& a, const SeenProcess& b) {
    return std::pair(a.view.world_rank, a.view.process) < std::pair(b.view.world_rank, b.view.process);
  });
  Job job{.processes = std::move(processes), .name = {}, .launcher = {}};
  const SeenProcess& first = job.processes.front();
  job.name = !first.view.launcher_job.empty() ? first.view.launcher_job : first.view.batch_job;
  const bool one_parent = std::all_of(job.processes.begin(), job.processes.end(), [&](const SeenProcess& process) {
    return process.view.host != first.view.host || process.view.parent == first.view.parent;
  });
  if (one_parent) {
    job.launcher = first.launcher;
    job.launcher_process = first.view.parent;
  }
  return job;
}

}  // namespace

std::vector<Job> group_by_job(std::vector<SeenProcess> all) {
  drop_duplicates(all);
  Sets sets(all.size());
  std::map<std::string, std::size_t> by_name;
  std::map<std::uint64_t, std::size_t> by_communicator;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::string name = common_name(all[i].view);
    if (!name.empty()) sets.join(by_name.emplace(name, i).first->second, i);
    for (const auto& communicator : all[i].view.communicators) {
      sets.join(by_communicator.emplace(communicator.stamp, i).first->second, i);
    }
  }
  std::map<std::size_t, std::vector<SeenProcess>> members;
  for (std::size_t i = 0; i < all.size(); ++i) members[sets.find(i)].push_back(std::move(all[i]));
  std::vector<Job> jobs;
  jobs.reserve(members.size());
  for (auto& [set, processes] : members) jobs.push_back(make_job(std::move(processes)));
  return jobs;
}

bool is_meant(const Job& job, const std::string& wanted) {
  return std::any_of(job.processes.begin(), job.processes.end(), [&](const SeenProcess& process) {
    const detail::ProcessView& view = process.view;
    const std::string batch = view.batch_job.substr(0, view.batch_job.find('.'));
    const auto is_it = [&](pid_t ancestor) { return std::to_string(ancestor) == wanted; };
    return wanted == view.launcher_job || wanted == view.batch_job || wanted == batch || is_it(view.process) ||
           std::any_of(process.ancestors.begin(), process.ancestors.end(), is_it);
  });
}

}  // namespace tutti::tools
