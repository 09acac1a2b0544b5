// Answers as text and as JSON; see answer_text.hpp.
#include "tools/explain/answer_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "tools/command_line.hpp"

namespace tutti::tools {
namespace {

std::string time_text(double seconds) {
  if (seconds < 1e-3) return fmt::format("{:.2f} us", seconds * 1e6);
  if (seconds < 1) return fmt::format("{:.2f} ms", seconds * 1e3);
  return fmt::format("{:.2f} s", seconds);
}

nlohmann::json to_json(const Plan& plan) {
  return {{"algorithm", plan.algorithm->name},
          {"radix", plan.algorithm->radix == Radix::none ? nlohmann::json() : nlohmann::json(plan.radix)},
          {"segments", plan.segments},
          {"seconds", plan.predicted.total()},
          {"latency_seconds", plan.predicted.latency},
          {"overhead_seconds", plan.predicted.overhead},
          {"transfer_seconds", plan.predicted.transfer},
          {"local_seconds", plan.predicted.local}};
}

bool is_same(const Plan& a, const Plan& b) noexcept {
  return a.algorithm == b.algorithm && a.radix == b.radix && a.segments == b.segments;
}

/// The fastest schedule, or what is made of stages if there is nothing else.
const Plan& fastest_of(const std::vector<Plan>& plans) {
  const auto rank = [](const Plan& plan) {
    return std::pair(plan.algorithm->staged != nullptr, plan.predicted.total());
  };
  return *std::min_element(plans.begin(), plans.end(), [&](const Plan& a, const Plan& b) { return rank(a) < rank(b); });
}

/// The best plan of each algorithm, and the fastest schedule, the fastest first. The first of `plans` is among them.
std::vector<Plan> best_of_each(const std::vector<Plan>& plans) {
  std::vector<Plan> best;
  for (const Plan& plan : plans) {
    const auto same = [&](const Plan& other) { return other.algorithm == plan.algorithm; };
    if (std::none_of(best.begin(), best.end(), same)) best.push_back(plan);
  }
  const Plan& fastest = fastest_of(plans);
  if (std::none_of(best.begin(), best.end(), [&](const Plan& plan) { return is_same(plan, fastest); })) {
    best.push_back(fastest);
  }
  std::stable_sort(best.begin(), best.end(),
                   [](const Plan& a, const Plan& b) { return a.predicted.total() < b.predicted.total(); });
  return best;
}

/// What the winner saves most against `other`, and what it pays.
std::string reason(const Plan& winner, const Plan& other) {
  struct Term {
    const char* name;
    double saved;
  };
  Term terms[] = {{"latency", other.predicted.latency - winner.predicted.latency},
                  {"per-message overhead", other.predicted.overhead - winner.predicted.overhead},
                  {"transfer", other.predicted.transfer - winner.predicted.transfer},
                  {"reduction and copying", other.predicted.local - winner.predicted.local}};
  std::sort(std::begin(terms), std::end(terms), [](const Term& a, const Term& b) { return a.saved > b.saved; });
  std::string out = fmt::format("saves {} of {}", time_text(terms[0].saved), terms[0].name);
  if (terms[3].saved < -0.01 * winner.predicted.total()) {
    out += fmt::format(" and costs {} more {}", time_text(-terms[3].saved), terms[3].name);
  }
  return out;
}

/// "Chosen: ..." where the cost model chose a schedule.
std::string chosen_by_model(const std::vector<Plan>& plans, double as_good) {
  const Plan& winner = plans.front();
  const Plan& fastest = fastest_of(plans);
  const std::string chosen = fmt::format("Chosen: {}.", plan_text(winner));
  if (fastest.predicted.total() < winner.predicted.total()) {
    const std::string decides =
        winner.messages < fastest.messages
            ? fmt::format("the fewest messages per rank win: {:.0f} against {:.0f}", winner.messages, fastest.messages)
            : std::string("reduction in rank order wins");
    return fmt::format("{} ({} is predicted {:.1f}% faster, but within {:.0f}% {}.)\n", chosen, plan_text(fastest),
                       100 * (winner.predicted.total() / fastest.predicted.total() - 1), 100 * (as_good - 1), decides);
  }
  const auto other =
      std::find_if(plans.begin(), plans.end(), [&](const Plan& plan) { return plan.algorithm != winner.algorithm; });
  if (other == plans.end()) return fmt::format("{} There is no other algorithm.\n", chosen);
  return fmt::format("{} Against {} it {}.\n", chosen, plan_text(*other), reason(winner, *other));
}

/// The same where what runs is made of stages.
std::string chosen_in_stages(const Answer& answer, const std::string& rule) {
  const Plan& winner = answer.plans.front();
  if (!rule.empty() && !answer.rule->algorithm.empty())
    return fmt::format("Chosen: {}, by {}.\n", winner.algorithm->name, rule);
  if (answer.plans.size() == 1) return fmt::format("Chosen: {}, as asked.\n", winner.algorithm->name);
  const Plan& flat = answer.plans[1];
  return fmt::format("Chosen: {}. Two levels are predicted to take {}, one level {} ({}).\n", winner.algorithm->name,
                     time_text(winner.predicted.total()), time_text(flat.predicted.total()), plan_text(flat));
}

std::string chosen(const Answer& answer, double as_good) {
  const std::string rule =
      answer.rule == nullptr ? "" : fmt::format("rule '{}' of {}", answer.rule->words, answer.rule->place);
  switch (answer.winner) {
    case Winner::node_memory:
      return fmt::format(
          "Chosen: node memory. The ranks of one node read and write each other's memory, without a schedule.\n"
          "(With TUTTI_SHARED_MEMORY=0 the choice would be {}.)\n",
          plan_text(answer.plans.front()));
    case Winner::algorithm:
      break;
  }
  if (answer.is_staged()) return chosen_in_stages(answer, rule);
  if (!rule.empty() && !answer.rule->algorithm.empty())
    return fmt::format("Chosen: {}, by {}.\n", plan_text(answer.plans.front()), rule);
  return chosen_by_model(answer.plans, as_good);
}

struct Line {
  std::string name, radix, segments;
  Prediction predicted;
  bool wins;
};

std::string table_text(const Answer& answer) {
  std::vector<Line> lines;
  for (const Plan& plan : best_of_each(answer.plans)) {
    lines.push_back({std::string(plan.algorithm->name),
                     plan.algorithm->radix == Radix::none ? "-" : fmt::to_string(plan.radix),
                     fmt::to_string(plan.segments), plan.predicted,
                     answer.winner == Winner::algorithm && is_same(plan, answer.plans.front())});
  }
  std::stable_sort(lines.begin(), lines.end(),
                   [](const Line& a, const Line& b) { return a.predicted.total() < b.predicted.total(); });
  std::string out = fmt::format("  {:<20} {:>6} {:>9} {:>12} {:>11} {:>11} {:>11} {:>11}\n", "algorithm", "radix",
                                "segments", "predicted", "latency", "overhead", "transfer", "reduction");
  for (const Line& line : lines) {
    out += fmt::format("{} {:<20} {:>6} {:>9} {:>12} {:>11} {:>11} {:>11} {:>11}\n", line.wins ? '*' : ' ', line.name,
                       line.radix, line.segments, time_text(line.predicted.total()), time_text(line.predicted.latency),
                       time_text(line.predicted.overhead), time_text(line.predicted.transfer),
                       time_text(line.predicted.local));
  }
  return out;
}

/// What a chunk of the hierarchical allreduce goes through.
std::string stages_text(const detail::HierarchicalStages& stages, bool shares_memory) {
  std::string out = fmt::format("hierarchical: {} chunk{} of {} bytes, each through\n", stages.chunks,
                                stages.chunks == 1 ? "" : "s", format_size(stages.chunk_bytes));
  const auto stage = [&](const char* what, std::size_t bytes, const Plan& plan) {
    if (plan.algorithm == nullptr) return;
    out += fmt::format("  {:<28} {:>8} bytes  {:>11}  {}\n", what, format_size(bytes),
                       time_text(plan.predicted.total()), plan_text(plan));
  };
  stage("reduce_scatter in the nodes", stages.chunk_bytes, stages.reduce_in_node);
  stage("allreduce across the nodes", stages.slice_bytes, stages.across_nodes);
  stage("all_gather in the nodes", stages.chunk_bytes, stages.gather_in_node);
  if (shares_memory) out += "  in the nodes by memory that the ranks share, instead of these schedules\n";
  return out;
}

std::string nodes_text(const Ranks& ranks) {
  const int nodes = ranks.nodes();
  const int most = ranks.most_on_node();
  return fmt::format("{} node{}, {}{} rank{} each{}", nodes, nodes == 1 ? "" : "s",
                     ranks.count == nodes * most ? "" : "at most ", most, most == 1 ? "" : "s", ranks.from);
}

}  // namespace

std::string plan_text(const Plan& plan) {
  std::string out(plan.algorithm->name);
  if (plan.algorithm->radix != Radix::none) out += fmt::format(", radix {}", plan.radix);
  if (plan.segments > 1) out += fmt::format(", {} segments", plan.segments);
  return out;
}

std::string answer_text(const Question& question, const Ranks& ranks, const Answer& answer) {
  const TransportCosts& costs = ranks.costs.used();
  std::string out;
  if (!ranks.costs.refused.empty()) out += fmt::format("tuning file refused: {}\n", ranks.costs.refused);
  const bool moves = question.collective != Collective::barrier;
  out += fmt::format("{}{} on {} ranks: {}\n", question.name(),
                     moves ? fmt::format(" of {} bytes", format_size(question.bytes)) : "", ranks.count,
                     nodes_text(ranks));
  if (question.counted_by_pair())
    out += "planned as if each pair of ranks exchanged 4K bytes, since no rank knows all counts\n";
  out += fmt::format("cost model: {} for {}{}{}{}\n", name(ranks.costs.source), costs.name, ranks.costs.why,
                     ranks.costs.source == CostSource::tuning_file ? ", " + ranks.tuning : "",
                     ranks.network ? ", " + to_text(ranks.network) : "");
  out += fmt::format("  latency {}, overhead {} per message, {:.1f} GB/s per link\n", time_text(costs.latency),
                     time_text(costs.overhead), 1e-9 / costs.byte);
  for (const std::string& passed : answer.passed_over) out += passed + "\n";
  out += "\n" + table_text(answer);
  if (answer.stages) out += "\n" + stages_text(*answer.stages, ranks.shares_memory);
  return out + "\n" + chosen(answer, ranks.selector.as_good());
}

nlohmann::json answer_json(const Question& question, const Ranks& ranks, const Answer& answer) {
  nlohmann::json rows = nlohmann::json::array();
  for (const Plan& plan : answer.plans) rows.push_back(to_json(plan));
  const std::string_view winner = answer.winner == Winner::node_memory ? "node_memory"
                                  : answer.is_staged()                 ? answer.plans.front().algorithm->name
                                                                       : "schedule";
  nlohmann::json all = {{"collective", question.name()},
                        {"ranks", ranks.count},
                        {"nodes", ranks.nodes()},
                        {"bytes", question.bytes},
                        {"ranks_per_node", ranks.most_on_node()},
                        {"network", to_text(ranks.network)},
                        {"in_node_memory", answer.winner == Winner::node_memory},
                        {"chosen", winner},
                        {"rule", answer.rule == nullptr ? "" : answer.rule->words},
                        {"transport", ranks.costs.used().name},
                        {"costs_from", name(ranks.costs.source)},
                        {"tuning_file", ranks.tuning},
                        {"tuning_refused", ranks.costs.refused},
                        {"candidates", rows}};
  if (answer.stages) {
    const Prediction total = answer.stages->total();
    all["hierarchical"] = {{"chunks", answer.stages->chunks},    {"seconds", total.total()},
                           {"latency_seconds", total.latency},   {"overhead_seconds", total.overhead},
                           {"transfer_seconds", total.transfer}, {"local_seconds", total.local}};
  }
  return all;
}

}  // namespace tutti::tools
