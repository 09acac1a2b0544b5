#include "tools/ps/json.hpp"

#include <nlohmann/json.hpp>

#include <tutti/collectives/inspect/processes.hpp>

namespace tutti::tools {
namespace {

using nlohmann::ordered_json;

const char* name_of(detail::WaitMode mode) {
  switch (mode) {
    case detail::WaitMode::waits:
      return "waits";
    case detail::WaitMode::tests:
      return "tests";
    default:
      return "none";
  }
}

detail::WaitMode mode_from(const std::string& name) {
  if (name == "waits") return detail::WaitMode::waits;
  return name == "tests" ? detail::WaitMode::tests : detail::WaitMode::none;
}

ordered_json communicator_json(const detail::CommunicatorView& view) {
  ordered_json json = {{"id", view.serial},       {"stamp", view.stamp},        {"rank", view.rank},
                       {"ranks", view.size},      {"failed", view.failed},      {"freed", view.freed},
                       {"begun", view.begun},     {"mode", name_of(view.mode)}, {"operation", view.label},
                       {"sequence", nullptr},     {"waited_s", view.waited_s},  {"looked_s", view.looked_s},
                       {"any_rank", view.anyone}, {"awaited", view.awaited},    {"awaited_ranks", view.ranks}};
  if (view.sequence != UINT64_MAX) json["sequence"] = view.sequence;
  return json;
}

detail::CommunicatorView communicator_from(const ordered_json& json) {
  return {.serial = json["id"],
          .stamp = json["stamp"],
          .rank = json["rank"],
          .size = json["ranks"],
          .failed = json["failed"],
          .freed = json["freed"],
          .begun = json["begun"],
          .mode = mode_from(json["mode"]),
          .label = json["operation"],
          .sequence = json["sequence"].is_null() ? UINT64_MAX : json["sequence"].get<std::uint64_t>(),
          .waited_s = json["waited_s"],
          .looked_s = json["looked_s"],
          .anyone = json["any_rank"],
          .awaited = json["awaited"],
          .ranks = json["awaited_ranks"]};
}

ordered_json process_json(const detail::ProcessView& view) {
  ordered_json communicators = ordered_json::array();
  for (const auto& communicator : view.communicators) communicators.push_back(communicator_json(communicator));
  return {{"rank", view.world_rank},
          {"ranks", view.world_size},
          {"host", view.host},
          {"pid", view.process},
          {"parent", view.parent},
          {"state", std::string(1, view.state)},
          {"program", view.program},
          {"launcher_job", view.launcher_job},
          {"batch_job", view.batch_job},
          {"finished", view.finished},
          {"communicators_unlisted", view.unlisted},
          {"last_operation", view.last},
          {"last_runs", view.last_runs},
          {"last_s", view.last_s},
          {"communicators", communicators}};
}

detail::ProcessView process_from(const ordered_json& json) {
  detail::ProcessView view{.host = json["host"],
                           .process = json["pid"],
                           .parent = json["parent"],
                           .state = json["state"].get<std::string>().front(),
                           .program = json["program"],
                           .launcher_job = json["launcher_job"],
                           .batch_job = json["batch_job"],
                           .world_rank = json["rank"],
                           .world_size = json["ranks"],
                           .finished = json["finished"],
                           .unlisted = json["communicators_unlisted"],
                           .last = json["last_operation"],
                           .last_runs = json["last_runs"],
                           .last_s = json["last_s"]};
  for (const auto& communicator : json["communicators"]) view.communicators.push_back(communicator_from(communicator));
  return view;
}

}  // namespace

std::string to_text(const std::vector<SeenProcess>& processes) {
  ordered_json all = ordered_json::array();
  for (const SeenProcess& process : processes) {
    all.push_back({{"process", process_json(process.view)},
                   {"ancestors", process.ancestors},
                   {"launcher", process.launcher},
                   {"record", process.record},
                   {"events", process.events}});
  }
  // Names may hold any bytes.
  return all.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

std::vector<SeenProcess> processes_from(const std::string& text) {
  std::vector<SeenProcess> processes;
  for (const auto& json : ordered_json::parse(text)) {
    processes.push_back({.view = process_from(json["process"]),
                         .ancestors = json["ancestors"],
                         .launcher = json["launcher"],
                         .record = json["record"],
                         .events = json["events"]});
  }
  return processes;
}

ordered_json to_json(const Job& job) {
  std::vector<detail::ProcessView> views;
  ordered_json processes = ordered_json::array();
  for (const SeenProcess& process : job.processes) views.push_back(process.view);
  const detail::HangReport hang_report(views);
  for (const detail::ProcessView& view : views) {
    ordered_json json = process_json(view);
    json["activity"] = hang_report.activity(view);
    processes.push_back(json);
  }
  ordered_json suspects = ordered_json::array();
  for (const auto& suspect : hang_report.suspects())
    suspects.push_back({{"ranks", suspect.ranks}, {"text", suspect.words}});
  return {{"job", job.name},
          {"launcher", job.launcher},
          {"launcher_pid", job.launcher_process},
          {"processes", processes},
          {"suspects", suspects}};
}

}  // namespace tutti::tools
