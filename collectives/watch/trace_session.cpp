// The timeline that TUTTI_TRACE asks for; see trace.hpp.
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <optional>

#include <tutti/collectives/mpi_call.hpp>
#include <tutti/collectives/watch/own_block.hpp>
#include <tutti/collectives/watch/record_file.hpp>
#include <tutti/collectives/watch/trace.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti::detail {
namespace {

constexpr auto kPatience = std::chrono::seconds(30);

/// What this process has found out about its timeline.
struct Session {
  std::mutex mutex;
  std::string path;               // empty: none is asked for here
  bool begun = false;             // whether `path` has been looked at
  bool compared = false;          // whether all ranks have been asked
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
  write_whole_file(part_path(of), trace_file(trace_events(own.block(), own.records(), of.alignment, zero)));
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
    write_merged_trace(its.comm, its.path, its.alignment, std::chrono::steady_clock::now() + kPatience);
    if (its.wrote_part) std::remove(part_path(its).c_str());
    MPI_Comm_free(&its.comm);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "tutti: warning: TUTTI_TRACE: %s; this rank's part is %s\n", error.what(),
                 part_path(its).c_str());
    write_part_or_warn(its);
  }
}

/// All ranks of the world are here. Clocks are compared now and at the end, between which they may drift.
void compare(Session& of, MPI_Comm comm) {
  of.compared = true;
  const int asked = of.path.empty() ? 0 : 1;
  int all_asked = 0;
  check_mpi(MPI_Allreduce(&asked, &all_asked, 1, MPI_INT, MPI_MIN, comm), "MPI_Allreduce");
  if (all_asked == 0) {
    if (asked != 0) {
      std::fprintf(stderr, "tutti: warning: TUTTI_TRACE is not set on all ranks; this rank's part is %s\n",
                   part_path(of).c_str());
    }
    return;
  }
  check_mpi(MPI_Comm_dup(comm, &of.comm), "MPI_Comm_dup");
  check_mpi(MPI_Comm_set_errhandler(of.comm, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  BoundedMpi ranks(of.comm, std::chrono::steady_clock::now() + kPatience);
  of.alignment.add(measure_clock_offset(ranks));
  of.zero_ns = ranks.broadcast(OwnBlock::get().block().made.monotonic_ns);
}

}  // namespace

void begin_trace_if_asked(MPI_Comm comm) {
  Session& its = session();
  const std::lock_guard lock(its.mutex);
  if (!its.begun) {
    its.begun = true;
    const char* const said = std::getenv("TUTTI_TRACE");
    if (said != nullptr) its.path = said;
    if (!its.path.empty()) OwnBlock::get().at_finish(end_trace);
  }
  int size = 0;
  check_mpi(MPI_Comm_size(comm, &size), "MPI_Comm_size");
  if (!its.compared && size == OwnBlock::get().block().world_size) compare(its, comm);
}

void write_trace_part_on_error() noexcept {
  Session& its = session();
  const std::lock_guard lock(its.mutex);
  if (!its.path.empty()) write_part_or_warn(its);
}

}  // namespace tutti::detail
