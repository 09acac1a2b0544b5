// MPI's lifetime; see session.hpp.
#include <mpi.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <thread>

#include <tutti/collectives/session.hpp>
#include <tutti/collectives/system/mpi_call.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti {
namespace {

std::string current_error() {
  const std::exception_ptr error = std::current_exception();
  if (error == nullptr) return "std::terminate was called";
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& known) {
    return known.what();
  } catch (...) {
    return "an exception that is no std::exception";
  }
}

/// Most errors reach all ranks, and rank 0 alone then says what happened: it ends the others while they wait.
[[noreturn]] void end_all_ranks() noexcept {
  int initialized = 0;
  int finalized = 0;
  MPI_Initialized(&initialized);
  MPI_Finalized(&finalized);
  const bool has_mpi = initialized != 0 && finalized == 0;
  int rank = 0;
  if (has_mpi) MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  if (rank > 0) std::this_thread::sleep_for(std::chrono::milliseconds(400 + 100 * std::min(rank, 16)));
  const std::string line = text("tutti: error: rank ", rank, ": ", current_error(), "\n");
  std::fputs(line.c_str(), stderr);
  std::fflush(stderr);
  if (has_mpi) MPI_Abort(MPI_COMM_WORLD, EXIT_FAILURE);
  std::abort();
}

}  // namespace

Session::Session(int* argc, char*** argv) {
  int initialized = 0;
  MPI_Initialized(&initialized);
  if (initialized != 0) return;
  int provided = 0;
  detail::check_mpi(MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &provided), "MPI_Init_thread");
  owner_ = true;
  before_ = std::set_terminate(end_all_ranks);
}

Session::~Session() {
  int finalized = 0;
  MPI_Finalized(&finalized);
  if (owner_ && std::get_terminate() == end_all_ranks) std::set_terminate(before_);
  if (owner_ && finalized == 0) MPI_Finalize();
}

}  // namespace tutti
