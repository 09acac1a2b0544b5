// Messages by MPI point-to-point; see mpi_transport.hpp.
#include <algorithm>
#include <functional>
#include <string>

#include <tutti/collectives/mpi_call.hpp>
#include <tutti/collectives/mpi_transport.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti::detail {
namespace {

constexpr std::size_t kPieceBytes = std::size_t{1} << 30;

std::string mpi_text(int code) {
  char buffer[MPI_MAX_ERROR_STRING] = {};
  int length = 0;
  MPI_Error_string(code, buffer, &length);
  return {buffer, static_cast<std::size_t>(length)};
}

/// Calls `start` with each piece of [0, bytes), at least once.
template <class Start>
void for_each_piece(std::size_t bytes, Start start) {
  std::size_t first = 0;
  do {
    const std::size_t piece = std::min(kPieceBytes, bytes - first);
    start(first, static_cast<int>(piece));
    first += piece;
  } while (first < bytes);
}

}  // namespace

void check_mpi(int code, const char* what, const char* file, int line) {
  if (code != MPI_SUCCESS) throw CommunicationError(text(what, ": ", mpi_text(code), " (", file, ":", line, ")"));
}

void MpiTransport::send(int peer, int tag, std::span<const std::byte> bytes, Pending& pending) {
  for_each_piece(bytes.size(), [&](std::size_t first, int count) {
    MPI_Request request = MPI_REQUEST_NULL;
    check_mpi(MPI_Isend(bytes.data() + first, count, MPI_BYTE, peer, tag, comm_, &request), "MPI_Isend");
    requests_.push_back(request);
    underway_.push_back({peer, Direction::send, &pending});
    ++pending.messages;
  });
}

void MpiTransport::receive(int peer, int tag, std::span<std::byte> bytes, Pending& pending) {
  for_each_piece(bytes.size(), [&](std::size_t first, int count) {
    MPI_Request request = MPI_REQUEST_NULL;
    check_mpi(MPI_Irecv(bytes.data() + first, count, MPI_BYTE, peer, tag, comm_, &request), "MPI_Irecv");
    requests_.push_back(request);
    underway_.push_back({peer, Direction::receive, &pending});
    ++pending.messages;
  });
}

std::optional<int> MpiTransport::probe(int tag) {
  int there = 0;
  MPI_Status status;
  check_mpi(MPI_Iprobe(MPI_ANY_SOURCE, tag, comm_, &there, &status), "MPI_Iprobe");
  if (there == 0) return std::nullopt;
  return status.MPI_SOURCE;
}

bool MpiTransport::progress() {
  if (kSimulated || requests_.empty()) return false;
  completed_.resize(requests_.size());
  statuses_.resize(requests_.size());
  int count = 0;
  const int code =
      MPI_Testsome(static_cast<int>(requests_.size()), requests_.data(), &count, completed_.data(), statuses_.data());
  if (code != MPI_SUCCESS && code != MPI_ERR_IN_STATUS) check_mpi(code, "MPI_Testsome");
  if (count == MPI_UNDEFINED || count == 0) return false;

  std::string failure;
  for (int i = 0; i < count; ++i) {
    const auto done = static_cast<std::size_t>(completed_[static_cast<std::size_t>(i)]);
    const Underway& message = underway_[done];
    const int error = statuses_[static_cast<std::size_t>(i)].MPI_ERROR;
    if (code == MPI_ERR_IN_STATUS && error != MPI_SUCCESS && error != MPI_ERR_PENDING) {
      failure = text(message.direction == Direction::send ? "message to rank " : "message from rank ", message.peer,
                     ": ", mpi_text(error));
    } else {
      --message.pending->messages;
    }
  }
  drop_completed();
  if (!failure.empty()) throw CommunicationError(failure);
  return true;
}

void MpiTransport::wait_any() {
  if (requests_.empty()) return;
  int done = 0;
  check_mpi(MPI_Waitany(static_cast<int>(requests_.size()), requests_.data(), &done, MPI_STATUS_IGNORE), "MPI_Waitany");
  --underway_[static_cast<std::size_t>(done)].pending->messages;
  drop_completed();
}

// Started messages stay in order: people read them, and the oldest are the likeliest to be done.
void MpiTransport::drop_completed() {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < requests_.size(); ++i) {
    if (requests_[i] == MPI_REQUEST_NULL) continue;
    requests_[kept] = requests_[i];
    underway_[kept] = underway_[i];
    ++kept;
  }
  requests_.resize(kept);
  underway_.resize(kept);
}

}  // namespace tutti::detail
