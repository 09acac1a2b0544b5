// Who waits for whom among the processes of a job, and who keeps all of them waiting.
//
// A wait is an arrow from a process to each that it waits for. A process that is dead waits for nobody, whatever it
// shows, and so does one that is stopped, unless the whole job is, and one that last looked after its operation long
// ago. Suspects are where all arrows end: a process without arrows of its own, or several that wait for each other in a
// circle.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <tutti/collectives/watch/process_view.hpp>

namespace tutti::detail {

/// "rank 5", "ranks 0-2, 7".
std::string ranks_in_words(std::vector<int> ranks);

struct Suspect {
  std::vector<int> ranks;  ///< in MPI_COMM_WORLD, of those that are seen
  std::string words;       ///< one line: who, what it does, and who waits for it
};

class HangReport {
 public:
  /// Of one job. What is kept refers to `job`, which stays.
  explicit HangReport(const std::vector<ProcessView>& job);

  /// "waits in allreduce #7 (sum f32 x 4, ring) for rank 3 for 12.3 s".
  std::string activity(const ProcessView& process) const;

  /// "rank 3 (pid 1234, stopped)", with the host if there are several.
  std::string name_of(const ProcessView& process) const;

  /// Nobody, if nobody waits.
  std::vector<Suspect> suspects() const;

  /// A communicator's number among those of the job, in the order in which they were made.
  int number_of(const CommunicatorView& communicator) const { return numbers_.at(communicator.stamp); }

  /// The ranks that the process waits for there, as people know them: in MPI_COMM_WORLD, or else in the communicator.
  std::string awaited_in_words(const CommunicatorView& communicator) const;

 private:
  /// A place in a graph: a process of the job, or behind all of these a rank that is not seen.
  using Node = std::size_t;
  struct Unseen {
    std::uint64_t stamp;
    int rank;
    int size;

    bool is(std::uint64_t its_stamp, int its_rank) const noexcept { return stamp == its_stamp && rank == its_rank; }
  };
  struct Graph {
    std::vector<std::vector<Node>> arrows;
    std::vector<Unseen> unseen;
  };

  bool is_held_up(const ProcessView& process, const CommunicatorView& communicator) const;
  std::optional<std::size_t> find(std::uint64_t stamp, int rank) const;
  std::vector<int> awaited(const CommunicatorView& communicator) const;
  Graph make_graph() const;
  const CommunicatorView* find_wait(const ProcessView& process) const;
  const CommunicatorView& wait_for(const Graph& graph, Node from, Node to) const;
  std::string name_of(const Unseen& unseen) const;
  std::string waiters_in_words(const Graph& graph, Node suspect) const;
  Suspect describe_one(const Graph& graph, Node suspect) const;
  Suspect describe_circle(const std::vector<Node>& circle) const;

  const std::vector<ProcessView>& job_;
  std::map<std::pair<std::uint64_t, int>, std::size_t> places_;  // by communicator and rank there
  std::map<std::uint64_t, int> numbers_;                         // of communicators, by stamp
  bool several_hosts_ = false;
  bool all_stopped_;
};

}  // namespace tutti::detail
