// Messages with a limit; see bounded_mpi.hpp.
#include <sched.h>

#include <algorithm>
#include <utility>

#include <tutti/collectives/system/leak_until_exit.hpp>
#include <tutti/collectives/system/mpi_call.hpp>
#include <tutti/collectives/transport/bounded_mpi.hpp>
#include <tutti/collectives/transport/tags.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti::detail {
namespace {

constexpr std::size_t kPieceBytes = std::size_t{1} << 28;

}  // namespace

BoundedMpi::BoundedMpi(MPI_Comm comm, std::chrono::steady_clock::time_point limit, std::function<void()> look)
    : comm_(comm), limit_(limit), look_(std::move(look)) {
  check_mpi(MPI_Comm_rank(comm, &rank_), "MPI_Comm_rank");
  check_mpi(MPI_Comm_size(comm, &size_), "MPI_Comm_size");
}

void BoundedMpi::wait(MPI_Request request, const std::shared_ptr<void>& memory) {
  constexpr int kSpins = 1000;
  try {
    for (int tries = 0;; ++tries) {
      int done = 0;
      check_mpi(MPI_Test(&request, &done, MPI_STATUS_IGNORE), "MPI_Test");
      if (done != 0) return;
      if (tries < kSpins) continue;
      if (std::chrono::steady_clock::now() >= limit_) throw CommunicationError("not all ranks came in time");
      if (look_) look_();
      sched_yield();
    }
  } catch (...) {
    leak_until_exit(memory);
    throw;
  }
}

void BoundedMpi::barrier() {
  MPI_Request request = MPI_REQUEST_NULL;
  check_mpi(MPI_Ibarrier(comm_, &request), "MPI_Ibarrier");
  wait(request, nullptr);
}

std::vector<std::int64_t> BoundedMpi::all_gather(std::int64_t value) {
  const auto values = std::make_shared<std::vector<std::int64_t>>(static_cast<std::size_t>(size_) + 1);
  values->back() = value;
  MPI_Request request = MPI_REQUEST_NULL;
  check_mpi(MPI_Iallgather(&values->back(), 1, MPI_INT64_T, values->data(), 1, MPI_INT64_T, comm_, &request),
            "MPI_Iallgather");
  wait(request, values);
  return {values->begin(), values->end() - 1};
}

std::int64_t BoundedMpi::broadcast(std::int64_t value) {
  const auto place = std::make_shared<std::int64_t>(value);
  MPI_Request request = MPI_REQUEST_NULL;
  check_mpi(MPI_Ibcast(place.get(), 1, MPI_INT64_T, 0, comm_, &request), "MPI_Ibcast");
  wait(request, place);
  return *place;
}

void BoundedMpi::send(int to, std::string_view bytes) {
  const auto copy = std::make_shared<std::string>(bytes);
  for (std::size_t first = 0; first < copy->size(); first += kPieceBytes) {
    const auto count = static_cast<int>(std::min(kPieceBytes, copy->size() - first));
    MPI_Request request = MPI_REQUEST_NULL;
    check_mpi(MPI_Isend(copy->data() + first, count, MPI_BYTE, to, kTraceTag, comm_, &request), "MPI_Isend");
    wait(request, copy);
  }
}

std::string BoundedMpi::receive(int from, std::size_t bytes) {
  const auto place = std::make_shared<std::string>(bytes, '\0');
  for (std::size_t first = 0; first < bytes; first += kPieceBytes) {
    const auto count = static_cast<int>(std::min(kPieceBytes, bytes - first));
    MPI_Request request = MPI_REQUEST_NULL;
    check_mpi(MPI_Irecv(place->data() + first, count, MPI_BYTE, from, kTraceTag, comm_, &request), "MPI_Irecv");
    wait(request, place);
  }
  return std::move(*place);
}

}  // namespace tutti::detail
