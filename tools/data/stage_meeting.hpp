// Meetings of the ranks that stage: they wait asleep, within a limit, and learn of each other's problems.
#pragma once

#include <mpi.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tutti/collectives/communicator.hpp>

namespace tutti::tools::data {

/// One rank of every node. Calls are collective over them.
class Meeting {
 public:
  explicit Meeting(const Communicator& leaders);
  ~Meeting();
  Meeting(const Meeting&) = delete;
  Meeting& operator=(const Meeting&) = delete;

  /// "node 2 (host)", as messages name it.
  std::string name(int node) const;
  std::string own_name() const { return name(rank_); }

  /// Returns once all are here. If any has a problem, all throw InvalidArgument with that of the lowest.
  /// \throws CommunicationError naming a node that is not here in `limit` seconds, and `what` is waited for
  void agree(const std::optional<std::string>& problem, std::string_view what, double limit) const;

 private:
  MPI_Comm comm_ = MPI_COMM_NULL;
  int rank_ = 0;
  int size_ = 1;
  std::vector<std::string> hosts_;
};

/// Collective over `world`: the message of rank 0 on all ranks, which wait asleep.
std::string hear_from_first(const Communicator& world, const std::string& message);

}  // namespace tutti::tools::data
