// Messages by MPI point-to-point; see mpi_transport.hpp.
#include <algorithm>
#include <string>

#include <tutti/collectives/system/mpi_call.hpp>
#include <tutti/collectives/transport/mpi_transport.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::detail {
namespace {

constexpr std::size_t kLargestMessageBytes = std::size_t{1} << 30;

// Below the 64 KiB, its header included, from which Open MPI's TCP asks first (btl_tcp_eager_limit). Enough under way
// to fill a link while the other end does something else, not enough to fill a receiver's memory.
constexpr std::size_t kEagerBytes = std::size_t{60} << 10;
constexpr int kPiecesUnderway = 32;

}  // namespace

void MpiTransport::send(int peer, int tag, std::span<const std::byte> bytes, Pending& pending) {
  start(peer, tag, Direction::send, {const_cast<std::byte*>(bytes.data()), bytes.size()}, pending);
}

void MpiTransport::receive(int peer, int tag, std::span<std::byte> bytes, Pending& pending) {
  start(peer, tag, Direction::receive, bytes, pending);
}

void MpiTransport::start(int peer, int tag, Direction direction, std::span<std::byte> bytes, Pending& pending) {
  const bool far = !far_.empty() && far_[static_cast<std::size_t>(peer)];
  const std::size_t limit = far ? kEagerBytes : kLargestMessageBytes;
  Queue* queue = queues_.empty() ? nullptr : find_queue(peer, tag, direction);
  if (bytes.size() <= limit && queue == nullptr) {
    ++pending.messages;
    post(peer, tag, direction, {bytes.data(), static_cast<int>(bytes.size()), &pending}, nullptr);
    return;
  }
  if (queue == nullptr) queue = &queues_.emplace_back(Queue{peer, tag, direction, 0, {}});
  std::size_t first = 0;
  do {
    const std::size_t piece = std::min(limit, bytes.size() - first);
    queue->waiting.push_back({bytes.data() + first, static_cast<int>(piece), &pending});
    ++pending.messages;
    first += piece;
  } while (first < bytes.size());
  post_waiting(*queue);
}

void MpiTransport::post(int peer, int tag, Direction direction, const Piece& piece, Queue* queue) {
  const Posted posted{{peer, direction, piece.pending}, queue};
  MPI_Request request = MPI_REQUEST_NULL;
  if (direction == Direction::receive) {
    check_mpi(MPI_Irecv(piece.data, piece.count, MPI_BYTE, peer, tag, comm_, &request), "MPI_Irecv");
  } else {
    check_mpi(MPI_Isend(piece.data, piece.count, MPI_BYTE, peer, tag, comm_, &request), "MPI_Isend");
    if (queue == nullptr && is_done_already(request, piece)) return complete(posted);
  }
  requests_.push_back(request);
  posted_.push_back(posted);
}

/// MPI has mostly copied a small message when MPI_Isend returns: then nothing needs to wait for it.
bool MpiTransport::is_done_already(MPI_Request& request, const Piece& piece) {
  constexpr int kSmallBytes = 8192;
  if (kSimulated || piece.count > kSmallBytes) return false;
  int done = 0;
  check_mpi(MPI_Test(&request, &done, MPI_STATUS_IGNORE), "MPI_Test");
  return done != 0;
}

void MpiTransport::post_waiting(Queue& queue) {
  for (; queue.posted < kPiecesUnderway && !queue.waiting.empty(); ++queue.posted) {
    post(queue.peer, queue.tag, queue.direction, queue.waiting.front(), &queue);
    queue.waiting.pop_front();
  }
}

MpiTransport::Queue* MpiTransport::find_queue(int peer, int tag, Direction direction) noexcept {
  for (Queue& queue : queues_) {
    if (queue.peer == peer && queue.tag == tag && queue.direction == direction) return &queue;
  }
  return nullptr;
}

void MpiTransport::complete(const Posted& posted) noexcept {
  count_down(*posted.message.pending);
  if (posted.queue != nullptr) --posted.queue->posted;
}

std::optional<int> MpiTransport::probe(int tag) {
  int there = 0;
  MPI_Status status;
  check_mpi(MPI_Iprobe(MPI_ANY_SOURCE, tag, comm_, &there, &status), "MPI_Iprobe");
  if (there == 0) return std::nullopt;
  return status.MPI_SOURCE;
}

std::vector<Underway> MpiTransport::underway() const {
  std::vector<Underway> all;
  all.reserve(posted_.size());
  for (const Posted& posted : posted_) all.push_back(posted.message);
  return all;
}

bool MpiTransport::progress() {
  if (kSimulated || requests_.empty()) return false;
  if (completed_.size() < requests_.size()) {
    completed_.resize(requests_.size());
    statuses_.resize(requests_.size());
  }
  int count = 0;
  const int code =
      MPI_Testsome(static_cast<int>(requests_.size()), requests_.data(), &count, completed_.data(), statuses_.data());
  if (code != MPI_SUCCESS && code != MPI_ERR_IN_STATUS) check_mpi(code, "MPI_Testsome");
  if (count == MPI_UNDEFINED || count == 0) return false;

  std::string failure;
  for (int i = 0; i < count; ++i) {
    const auto done = static_cast<std::size_t>(completed_[static_cast<std::size_t>(i)]);
    const Underway& message = posted_[done].message;
    const int error = statuses_[static_cast<std::size_t>(i)].MPI_ERROR;
    if (code == MPI_ERR_IN_STATUS && error != MPI_SUCCESS && error != MPI_ERR_PENDING) {
      failure = text(message.direction == Direction::send ? "message to rank " : "message from rank ", message.peer,
                     ": ", mpi_text(error));
    } else {
      complete(posted_[done]);
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
  complete(posted_[static_cast<std::size_t>(done)]);
  drop_completed();
}

// What has completed makes room for what waits. Started messages stay in order: people read them, and the oldest are
// the likeliest to be done.
void MpiTransport::drop_completed() {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < requests_.size(); ++i) {
    if (requests_[i] == MPI_REQUEST_NULL) continue;
    requests_[kept] = requests_[i];
    posted_[kept] = posted_[i];
    ++kept;
  }
  requests_.resize(kept);
  posted_.resize(kept);
  if (queues_.empty()) return;
  for (Queue& queue : queues_) post_waiting(queue);
  std::erase_if(queues_, [](const Queue& queue) { return queue.posted == 0 && queue.waiting.empty(); });
}

}  // namespace tutti::detail
