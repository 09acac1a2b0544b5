// The ranks of a communicator that run on this machine, as processes: which of them are gone, and what they show.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <tutti/collectives/transport/bootstrap.hpp>
#include <tutti/collectives/watch/process_view.hpp>
#include <tutti/collectives/watch/process_watch.hpp>

namespace tutti::detail {

class NodeWatch {
 public:
  struct Peer {
    int rank;
    ProcessId id;
    std::shared_ptr<Watched> process;  ///< null of this rank itself, and where it cannot be watched
    bool told = false;                 ///< that it is gone
  };

  /// A rank that is gone.
  struct Gone {
    int rank;
    bool finished;      ///< it had called MPI_Finalize
    std::string words;  ///< "rank 2 (pid 1234 on node1) has died"
  };

  /// Watches nobody.
  NodeWatch() = default;

  /// Watches the ranks of one machine, in rank order, of which this one is `rank`, as far as process numbers do.
  NodeWatch(std::vector<Peer> machine, int rank);

  /// Joins those that do not see each other's process numbers, on all machines of the communicator that have such.
  /// Ranks that cannot watch each other are told on standard error, by the first that cannot. `stamp` is the
  /// communicator's. Collective over `ranks`. \throws CommunicationError
  void join_by_sockets(Bootstrap& ranks, std::uint64_t stamp);

  /// Ranks that were found to be gone since the last look.
  std::vector<Gone> look(std::chrono::steady_clock::time_point now);

  /// What the processes show, this one's among them, in rank order; without those that cannot be seen.
  std::vector<ProcessView> view() const;

  bool is_peer(int rank) const noexcept;
  /// Of how many ranks the machine is, this one among them; 0 if nobody is watched.
  std::size_t peers() const noexcept { return peers_.size(); }

 private:
  void connect_to_earlier(const ProcessId& self, std::uint64_t stamp);
  void accept_from_later(int listener);

  std::shared_ptr<ProcessWatch> watch_;
  std::vector<Peer> peers_;  // by rank, this one among them
  std::string host_;
  std::uint64_t seen_ = 0;  // how many of those that this process watches were gone at the last look
};

}  // namespace tutti::detail
