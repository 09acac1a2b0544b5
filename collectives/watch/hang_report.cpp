// Finding who keeps a job waiting; see hang_report.hpp.
#include <algorithm>
#include <climits>
#include <cstdio>
#include <set>

#include <tutti/collectives/watch/components.hpp>
#include <tutti/collectives/watch/hang_report.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::detail {
namespace {

/// A process that tests its operation less often is not held up by it.
constexpr double kTestedLately = 1.0;

bool are_all_stopped(const std::vector<ProcessView>& job) {
  return std::all_of(job.begin(), job.end(), [](const ProcessView& process) { return is_stopped(process.state); });
}

/// Whether the process waits for this, unless it was stopped.
bool does_wait(const CommunicatorView& communicator) {
  return communicator.mode == WaitMode::waits ||
         (communicator.mode == WaitMode::tests && communicator.looked_s <= kTestedLately);
}

/// "allreduce #7" of "allreduce #7 (sum f32 x 4, ring)".
std::string short_label(const std::string& label) { return label.substr(0, label.find(" (")); }

std::string seconds_in_words(double seconds) {
  char words[32];
  std::snprintf(words, sizeof words, "%.1f s", seconds);
  return words;
}

bool has_failed(const ProcessView& process) {
  return std::any_of(process.communicators.begin(), process.communicators.end(),
                     [](const CommunicatorView& communicator) { return communicator.failed; });
}

}  // namespace

std::string ranks_in_words(std::vector<int> ranks) {
  std::sort(ranks.begin(), ranks.end());
  ranks.erase(std::unique(ranks.begin(), ranks.end()), ranks.end());
  std::string words = ranks.size() == 1 ? "rank " : "ranks ";
  for (std::size_t i = 0; i < ranks.size();) {
    std::size_t end = i + 1;
    while (end < ranks.size() && ranks[end] == ranks[end - 1] + 1) ++end;
    if (end == i + 2) end = i + 1;  // two are no range
    words += text(i == 0 ? "" : ", ", ranks[i]);
    if (end > i + 1) words += text('-', ranks[end - 1]);
    i = end;
  }
  return words;
}

HangReport::HangReport(const std::vector<ProcessView>& job) : job_(job), all_stopped_(are_all_stopped(job)) {
  for (std::size_t i = 0; i < job.size(); ++i) {
    several_hosts_ = several_hosts_ || job[i].host != job.front().host;
    for (const CommunicatorView& communicator : job[i].communicators) {
      if (!communicator.freed) places_[{communicator.stamp, communicator.rank}] = i;
      numbers_.emplace(communicator.stamp, 0);
    }
  }
  int number = 0;
  for (auto& [stamp, its] : numbers_) its = number++;
}

bool HangReport::is_held_up(const ProcessView& process, const CommunicatorView& communicator) const {
  return does_wait(communicator) && !is_dead(process.state) && (all_stopped_ || !is_stopped(process.state));
}

/// Of several waits one that holds the process up.
const CommunicatorView* HangReport::find_wait(const ProcessView& process) const {
  const CommunicatorView* found = nullptr;
  for (const CommunicatorView& communicator : process.communicators) {
    if (communicator.mode == WaitMode::none) continue;
    if (is_held_up(process, communicator)) return &communicator;
    if (found == nullptr) found = &communicator;
  }
  return found;
}

std::optional<std::size_t> HangReport::find(std::uint64_t stamp, int rank) const {
  const auto found = places_.find({stamp, rank});
  if (found == places_.end()) return std::nullopt;
  return found->second;
}

/// Those that the process names; all others that have not begun its collective, if it named only some; all, if any
/// would do.
std::vector<int> HangReport::awaited(const CommunicatorView& communicator) const {
  std::set<int> ranks(communicator.ranks.begin(), communicator.ranks.end());
  const bool all_named = static_cast<std::size_t>(communicator.awaited) == communicator.ranks.size();
  if (all_named && !communicator.anyone) return {ranks.begin(), ranks.end()};
  for (auto at = places_.lower_bound({communicator.stamp, INT_MIN});
       at != places_.end() && at->first.first == communicator.stamp; ++at) {
    const int rank = at->first.second;
    if (rank == communicator.rank) continue;
    for (const CommunicatorView& theirs : job_[at->second].communicators) {
      const bool is_late = communicator.sequence != UINT64_MAX && theirs.begun <= communicator.sequence;
      if (theirs.stamp == communicator.stamp && (communicator.anyone || is_late)) ranks.insert(rank);
    }
  }
  return {ranks.begin(), ranks.end()};
}

HangReport::Graph HangReport::make_graph() const {
  Graph graph;
  graph.arrows.resize(job_.size());
  std::map<std::pair<std::uint64_t, int>, Node> unseen;
  for (Node from = 0; from < job_.size(); ++from) {
    for (const CommunicatorView& communicator : job_[from].communicators) {
      if (!is_held_up(job_[from], communicator)) continue;
      for (const int rank : awaited(communicator)) {
        const auto place = find(communicator.stamp, rank);
        if (place) {
          if (*place != from) graph.arrows[from].push_back(*place);
          continue;
        }
        const auto [found, is_new] = unseen.emplace(std::pair(communicator.stamp, rank), graph.arrows.size());
        if (is_new) {
          graph.arrows.emplace_back();
          graph.unseen.push_back({communicator.stamp, rank, communicator.size});
        }
        graph.arrows[from].push_back(found->second);
      }
    }
  }
  return graph;
}

std::string HangReport::awaited_in_words(const CommunicatorView& communicator) const {
  if (communicator.anyone) return "any rank";
  std::vector<int> world;
  std::vector<int> unseen;
  for (const int rank : awaited(communicator)) {
    const auto place = find(communicator.stamp, rank);
    if (place) world.push_back(job_[*place].world_rank);
    if (!place) unseen.push_back(rank);
  }
  std::string words = world.empty() ? "" : ranks_in_words(world);
  if (!unseen.empty()) {
    const Unseen example{communicator.stamp, unseen.front(), communicator.size};
    words +=
        text(words.empty() ? "" : ", ", unseen.size() == 1 ? name_of(example) : ranks_in_words(unseen) + ", not seen");
  }
  return words.empty() ? "nobody" : words;
}

std::string HangReport::activity(const ProcessView& process) const {
  if (is_dead(process.state)) return "is dead";
  if (process.finished) return "is in MPI_Finalize, or past it";
  if (const CommunicatorView* wait = find_wait(process)) {
    if (is_stopped(process.state) && !all_stopped_) return text("was stopped while it waited in ", wait->label);
    const std::string whom = awaited_in_words(*wait);
    if (wait->mode == WaitMode::waits)
      return text("waits in ", wait->label, " for ", whom, ", for ", seconds_in_words(wait->waited_s));
    if (is_held_up(process, *wait)) return text("tests ", wait->label, ", which waits for ", whom);
    return text("is in no tutti call; it tested ", wait->label, " ", seconds_in_words(wait->looked_s), " ago");
  }
  if (process.last_runs)
    return text(is_stopped(process.state) ? "was stopped in " : "is in ", process.last, " and does not wait");
  std::string words = "is in no tutti call";
  if (!process.last.empty())
    words += text(" since ", short_label(process.last), " ended, ", seconds_in_words(process.last_s), " ago");
  if (process.unlisted > 0) words += text(", as far as it shows; ", process.unlisted, " communicators have no room");
  return has_failed(process) ? words + ", and has a communicator that failed" : words;
}

std::string HangReport::name_of(const ProcessView& process) const {
  const std::string host = several_hosts_ ? text(" on ", process.host) : "";
  const bool is_special = is_stopped(process.state) || is_dead(process.state) || process.state == 'D';
  return text("rank ", process.world_rank, " (pid ", process.process, host,
              is_special ? text(", ", state_in_words(process.state)) : "", ")");
}

std::string HangReport::name_of(const Unseen& unseen) const {
  return text("rank ", unseen.rank, " of the ", unseen.size, " of communicator ", numbers_.at(unseen.stamp),
              ", not seen");
}

/// What an arrow stands for.
const CommunicatorView& HangReport::wait_for(const Graph& graph, Node from, Node to) const {
  const ProcessView& process = job_[from];
  for (const CommunicatorView& communicator : process.communicators) {
    if (!is_held_up(process, communicator)) continue;
    for (const int rank : awaited(communicator)) {
      const auto place = find(communicator.stamp, rank);
      if (place ? *place == to : to >= job_.size() && graph.unseen[to - job_.size()].is(communicator.stamp, rank)) {
        return communicator;
      }
    }
  }
  return *find_wait(process);
}

/// "ranks 0-2 wait for it in allreduce #7, rank 4 in receive from rank 3, and ranks 5-6 through them".
std::string HangReport::waiters_in_words(const Graph& graph, Node suspect) const {
  std::map<std::string, std::vector<int>> direct;  // by what they are in
  std::vector<bool> known(graph.arrows.size());
  std::vector<Node> frontier;
  const auto leads = [&](Node from, Node to) {
    return std::find(graph.arrows[from].begin(), graph.arrows[from].end(), to) != graph.arrows[from].end();
  };
  known[suspect] = true;
  for (Node from = 0; from < job_.size(); ++from) {
    if (!leads(from, suspect)) continue;
    known[from] = true;
    frontier.push_back(from);
    direct[short_label(wait_for(graph, from, suspect).label)].push_back(job_[from].world_rank);
  }
  std::string words;
  for (const auto& [what, ranks] : direct) {
    words += text(words.empty() ? "" : ", ", ranks_in_words(ranks));
    if (words.find(" for it") == std::string::npos) words += ranks.size() == 1 ? " waits for it" : " wait for it";
    words += text(" in ", what);
  }
  std::vector<int> indirect;
  std::vector<std::vector<Node>> sources = reversed(graph.arrows);
  while (!frontier.empty()) {
    const Node node = frontier.back();
    frontier.pop_back();
    for (const Node from : sources[node]) {
      if (known[from]) continue;
      known[from] = true;
      frontier.push_back(from);
      indirect.push_back(job_[from].world_rank);
    }
  }
  return indirect.empty() ? words : text(words, ", and ", ranks_in_words(indirect), " through them");
}

Suspect HangReport::describe_one(const Graph& graph, Node suspect) const {
  const std::string waiters = waiters_in_words(graph, suspect);
  if (suspect >= job_.size()) return {{}, text(name_of(graph.unseen[suspect - job_.size()]), "; ", waiters)};
  const ProcessView& process = job_[suspect];
  return {{process.world_rank}, text(name_of(process), " ", activity(process), "; ", waiters)};
}

Suspect HangReport::describe_circle(const std::vector<Node>& circle) const {
  constexpr std::size_t kShown = 4;
  Suspect suspect;
  for (const Node node : circle) suspect.ranks.push_back(job_[node].world_rank);
  suspect.words = text(ranks_in_words(suspect.ranks), " wait for each other: ");
  for (std::size_t i = 0; i < circle.size() && i < kShown; ++i) {
    suspect.words += text(i == 0 ? "" : "; ", name_of(job_[circle[i]]), " ", activity(job_[circle[i]]));
  }
  if (circle.size() > kShown) suspect.words += text("; and ", circle.size() - kShown, " more");
  return suspect;
}

std::vector<Suspect> HangReport::suspects() const {
  const Graph graph = make_graph();
  std::vector<Suspect> all;
  for (const std::vector<Node>& component : final_components(graph.arrows)) {
    all.push_back(component.size() == 1 ? describe_one(graph, component.front()) : describe_circle(component));
  }
  return all;
}

}  // namespace tutti::detail
