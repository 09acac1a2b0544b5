// How the ranks of a communicator part: its destructor waits for all of them, since one that destroyed its part of the
// connections while another still waits would look to it like a rank that died.
#pragma once

#include <mpi.h>

#include <cstdint>
#include <memory>

#include <tutti/collectives/communicator/control_channel.hpp>
#include <tutti/collectives/communicator/failures.hpp>
#include <tutti/collectives/node/local_ranks.hpp>

namespace tutti::detail {

class EndProtocol {
 public:
  /// Ranks meet on `data`, or, if that is null, in the memory of `node`, or not at all if that is null too. All stay.
  EndProtocol(MPI_Comm data, LocalRanks* node, ControlChannel& control, Failures& failures) noexcept
      : data_(data), node_(node), control_(control), failures_(failures) {}
  EndProtocol(const EndProtocol&) = delete;
  EndProtocol& operator=(const EndProtocol&) = delete;

  /// MPI may still touch what ranks meet by, when not all came.
  ~EndProtocol();

  /// Begins to free the communicator, without waiting: no operation may follow. Collective.
  void begin() noexcept;

  /// Whether all ranks have begun to. \throws CommunicationError
  bool have_all_begun();

  /// Once all have: whether any control message was ever sent among them. Then MPI must not give the identity of their
  /// MPI communicator to another one, where a late message would arrive.
  bool any_control_messages() const noexcept { return meeting_ != nullptr && meeting_->control_messages != 0; }

 private:
  struct Meeting {
    int own_control_messages;  // 0 or 1
    int control_messages = 0;
    MPI_Request request = MPI_REQUEST_NULL;
  };

  MPI_Comm data_;
  LocalRanks* node_;
  ControlChannel& control_;
  Failures& failures_;
  std::shared_ptr<Meeting> meeting_;  // null until the end begins
};

}  // namespace tutti::detail
