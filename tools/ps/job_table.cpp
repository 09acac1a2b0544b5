#include "tools/ps/job_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include <tutti/collectives/inspect/processes.hpp>

namespace tutti::tools {
namespace {

constexpr std::size_t kColumns = 8;
using Row = std::array<std::string, kColumns>;

std::string in_words(double seconds) {
  constexpr double kMinute = 60;
  constexpr double kLong = 600;
  return seconds < kLong ? fmt::format("{:.1f} s", seconds) : fmt::format("{:.0f} min", seconds / kMinute);
}

std::string operation_of(const detail::ProcessView& view) {
  if (view.finished) return "MPI_Finalize";
  if (view.last.empty()) return "none yet";
  return view.last_runs ? view.last : "none, after " + view.last;
}

/// What is the same in every row of a process.
Row row_of(const detail::ProcessView& view, std::string communicator, std::string operation, std::string since,
           std::string awaited) {
  return {std::to_string(view.world_rank),
          view.host,
          std::to_string(view.process),
          detail::state_in_words(view.state),
          std::move(communicator),
          std::move(operation),
          std::move(since),
          std::move(awaited)};
}

/// One for each communicator on which the process waits, or one that says what it does instead.
std::vector<Row> rows_of(const detail::HangReport& hang_report, const detail::ProcessView& view) {
  std::vector<Row> rows;
  for (const detail::CommunicatorView& communicator : view.communicators) {
    if (communicator.mode == detail::WaitMode::none) continue;
    const char* const how = communicator.mode == detail::WaitMode::tests ? "tests " : "";
    rows.push_back(row_of(
        view, fmt::format("{}: {} of {}", hang_report.number_of(communicator), communicator.rank, communicator.size),
        how + communicator.label, in_words(communicator.waited_s), hang_report.awaited_in_words(communicator)));
  }
  const std::string since = view.last.empty() ? std::string(1, '-') : in_words(view.last_s);
  if (rows.empty()) rows.push_back(row_of(view, std::string(1, '-'), operation_of(view), since, std::string(1, '-')));
  return rows;
}

std::string head_line(const Job& job) {
  const std::size_t seen = job.processes.size();
  const int world = job.processes.front().view.world_size;
  std::string line = "job";
  if (!job.name.empty()) line += " " + job.name;
  if (!job.launcher.empty()) line += fmt::format(", started by {} (pid {})", job.launcher, job.launcher_process);
  return line + fmt::format(": {} of {} rank{} seen\n", seen, world, world == 1 ? "" : "s");
}

std::vector<detail::ProcessView> views_of(const Job& job) {
  std::vector<detail::ProcessView> views;
  for (const SeenProcess& process : job.processes) views.push_back(process.view);
  return views;
}

}  // namespace

bool has_stalled(const Job& job) {
  const std::vector<detail::ProcessView> views = views_of(job);
  return !detail::HangReport(views).suspects().empty();
}

std::string to_table(const Job& job) {
  const std::vector<detail::ProcessView> views = views_of(job);
  const detail::HangReport hang_report(views);
  std::vector<Row> rows = {{"rank", "host", "pid", "state", "communicator", "operation", "for", "waits for"}};
  for (const detail::ProcessView& view : views) {
    for (Row& row : rows_of(hang_report, view)) rows.push_back(std::move(row));
  }
  std::array<std::size_t, kColumns> widths{};
  for (const Row& row : rows) {
    for (std::size_t c = 0; c < kColumns; ++c) widths[c] = std::max(widths[c], row[c].size());
  }
  std::string out = head_line(job);
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t c = 0; c < kColumns; ++c) {
      const bool is_number = c == 0 || c == 2 || c == 6;
      line += is_number ? fmt::format("{:>{}}  ", row[c], widths[c]) : fmt::format("{:<{}}  ", row[c], widths[c]);
    }
    out += line.substr(0, line.find_last_not_of(' ') + 1) + '\n';
  }
  for (const detail::ProcessView& view : views) {
    if (view.unlisted == 0) continue;
    out +=
        fmt::format("rank {} has had {} communicators more than it has room to show\n", view.world_rank, view.unlisted);
  }
  const auto suspects = hang_report.suspects();
  for (const auto& suspect : suspects) out += "suspect: " + suspect.words + '\n';
  if (suspects.empty()) out += "nobody waits for long\n";
  return out;
}

}  // namespace tutti::tools
