// What ranks find out together, within a time limit.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "tools/doctor/facts.hpp"

namespace tutti::tools::doctor {

using Seconds = std::chrono::duration<double>;

/// Ends the program with a line that says which stage did not come to an end, unless stage() or the destructor comes in
/// time. What waits there is MPI, which cannot be told to stop. One at a time.
class Watch {
 public:
  explicit Watch(Seconds limit);
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  /// A new stage, with all the time again. `name` is a literal.
  void stage(const char* name) const;

 private:
  Seconds limit_;
};

/// Rank 0 greets every rank and waits for the answers. Collective over the world; on rank 0 the ranks that did not
/// answer in time, elsewhere itself if rank 0 did not greet it.
std::vector<int> find_silent_ranks(Seconds limit);

/// Adds what local ranks find out about each other. Collective over the world.
void probe_peers(RankFacts& facts);

/// Makes a communicator of all ranks, and one of each host, and adds what they say. Collective over the world; `job`
/// is filled on every rank.
void probe_communicators(RankFacts& facts, JobFacts& job);

/// All facts on rank 0, by host in the order of their lowest ranks; elsewhere none. Collective over the world.
std::vector<HostFacts> gather(const RankFacts& facts);

}  // namespace tutti::tools::doctor
