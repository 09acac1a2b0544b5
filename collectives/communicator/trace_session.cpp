// The timeline that TUTTI_TRACE asks for; see trace.hpp.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <utility>

#include <tutti/collectives/system/mpi_call.hpp>
#include <tutti/collectives/watch/own_block.hpp>
#include <tutti/collectives/watch/record_file.hpp>
#include <tutti/collectives/watch/trace.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>
#include <tutti/kernels/whole_file.hpp>

namespace tutti::detail {
namespace {

constexpr auto kPatience = std::chrono::seconds(30);

/// What this process has found out about its timeline.
struct Session {
  std::mutex mutex;
  std::string path;               // empty: none is asked for here
  bool begun = false;             // whether `path` has been looked at
  bool taken = false;             // a communicator is asking all ranks, or has
  MPI_Comm comm = MPI_COMM_NULL;  // of all ranks, if all are asked for it
  Alignment alignment;
  std::int64_t zero_ns = 0;
  bool wrote_part = false;
};

Session& session() {
  static auto* const the_session = new Session;  // used until the process ends
  return *the_session;
}

std::string part_path(const Session& of) { return text(of.path, ".rank", OwnBlock::get().block().world_rank); }

/// What is not aligned says so by its times, which are those since 1970.
void write_part(Session& of) {
  OwnBlock& own = OwnBlock::get();
  const Moment& made = own.block().made;
  const std::int64_t zero = of.alignment.empty() ? made.monotonic_ns - made.realtime_ns : of.zero_ns;
  write_whole_file(part_path(of),
                   trace_file(trace_events(own.block(), own.records(), of.alignment, zero, ProgramSpans::get().all())));
  of.wrote_part = true;
}

void write_part_or_warn(Session& of) noexcept {
  try {
    write_part(of);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "tutti: warning: TUTTI_TRACE: %s\n", error.what());
  }
}

void end_trace() noexcept {
  Session& its = session();
  const std::lock_guard lock(its.mutex);
  if (its.comm == MPI_COMM_NULL) return write_part_or_warn(its);
  try {
    BoundedMpi ranks(its.comm, std::chrono::steady_clock::now() + kPatience);
    write_merged_trace(ranks, its.path, its.alignment);
    if (its.wrote_part) std::remove(part_path(its).c_str());
    MPI_Comm_free(&its.comm);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "tutti: warning: TUTTI_TRACE: %s; this rank's part is %s\n", error.what(),
                 part_path(its).c_str());
    write_part_or_warn(its);
  }
}

bool has_all_of_world(MPI_Comm comm) {
  int comparison = MPI_UNEQUAL;
  check_mpi(MPI_Comm_compare(comm, MPI_COMM_WORLD, &comparison), "MPI_Comm_compare");
  return comparison != MPI_UNEQUAL;
}

/// Clocks are compared now and at the end, between which they may drift.
void compare(Session& of, MPI_Comm comm) {
  MPI_Comm own = MPI_COMM_NULL;
  check_mpi(MPI_Comm_dup(comm, &own), "MPI_Comm_dup");
  check_mpi(MPI_Comm_set_errhandler(own, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  BoundedMpi ranks(own, std::chrono::steady_clock::now() + kPatience);
  const ClockOffset offset = measure_clock_offset(ranks);
  const std::int64_t zero = ranks.broadcast(OwnBlock::get().block().made.monotonic_ns);
  const std::lock_guard lock(of.mutex);
  of.comm = own;
  of.alignment.add(offset);
  of.zero_ns = zero;
}

/// Whether this rank is asked for a timeline; registers what that takes.
bool is_asked(Session& its) {
  const std::lock_guard lock(its.mutex);
  if (!its.begun) {
    its.begun = true;
    const char* const said = std::getenv("TUTTI_TRACE");
    if (said != nullptr) its.path = said;
    if (!its.path.empty()) OwnBlock::get().at_finish(end_trace);
  }
  return !its.path.empty();
}

}  // namespace

// Several threads may make communicators at one time, in another order on each rank: none waits for another here, and
// where not all ranks offer the same communicator, a later one serves.
void begin_trace_if_asked(MPI_Comm comm) {
  Session& its = session();
  const bool asked = is_asked(its);
  const bool whole = has_all_of_world(comm);
  bool offers = false;
  {
    const std::lock_guard lock(its.mutex);
    offers = whole && !std::exchange(its.taken, true);
  }
  const std::array<int, 2> own = {offers ? 1 : 0, asked ? 1 : 0};
  std::array<int, 2> all{};
  check_mpi(MPI_Allreduce(own.data(), all.data(), 2, MPI_INT, MPI_MIN, comm), "MPI_Allreduce");
  if (!offers) return;
  if (all[0] == 0) {
    const std::lock_guard lock(its.mutex);
    its.taken = false;
  } else if (all[1] != 0) {
    compare(its, comm);
  } else if (asked) {
    std::fprintf(stderr, "tutti: warning: TUTTI_TRACE is not set on all ranks; this rank's part is %s\n",
                 part_path(its).c_str());
  }
}

void write_trace_part_on_error() noexcept {
  Session& its = session();
  const std::lock_guard lock(its.mutex);
  if (!its.path.empty()) write_part_or_warn(its);
}

}  // namespace tutti::detail
