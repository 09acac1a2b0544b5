// Meeting before the end; see end_protocol.hpp.
#include <utility>

#include <tutti/collectives/communicator/end_protocol.hpp>
#include <tutti/collectives/communicator/sequence.hpp>
#include <tutti/collectives/system/leak_until_exit.hpp>
#include <tutti/collectives/system/mpi_call.hpp>
#include <tutti/collectives/transport/waiting.hpp>

namespace tutti::detail {

EndProtocol::~EndProtocol() {
  if (meeting_ != nullptr && meeting_->request != MPI_REQUEST_NULL) leak_until_exit(std::move(meeting_));
}

void EndProtocol::begin() noexcept {
  if (control_.size() == 1 || meeting_ != nullptr || failures_.unusable()) return;
  if (data_ == MPI_COMM_NULL) {
    if (node_ != nullptr) node_->part();
    return;
  }
  meeting_ = std::make_shared<Meeting>(Meeting{.own_control_messages = control_.any() ? 1 : 0});
  if constexpr (kSimulated) {
    MPI_Allreduce(&meeting_->own_control_messages, &meeting_->control_messages, 1, MPI_INT, MPI_MAX, data_);
  } else if (MPI_Iallreduce(&meeting_->own_control_messages, &meeting_->control_messages, 1, MPI_INT, MPI_MAX, data_,
                            &meeting_->request) != MPI_SUCCESS) {
    failures_.fail(kNoSequence, "the ranks cannot meet to free the communicator");
  }
}

bool EndProtocol::have_all_begun() {
  if (data_ == MPI_COMM_NULL) return node_ == nullptr || node_->have_all_parted();
  int done = 0;
  check_mpi(MPI_Test(&meeting_->request, &done, MPI_STATUS_IGNORE), "MPI_Test");  // of a null request it is done
  return done != 0;
}

}  // namespace tutti::detail
