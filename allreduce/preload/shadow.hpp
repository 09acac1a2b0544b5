// The communicators of tutti's that stand beside those of the program, and serve their collectives.
//
// Making one takes a few collectives of MPI and shared memory on every rank, so it is done where the program makes its
// own, in functions that are collective anyhow, and never in a collective that it calls or in a local function. From
// then on all ranks of a communicator have a shadow or none has: whether a call is looked at by tutti needs no message.
// Of communicators that MPI does not share with all their ranks at once (MPI_Comm_idup), that join two groups, or have
// one rank there is none.
#pragma once

#include <mpi.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include <tutti/collectives/communicator.hpp>

#include "allreduce/preload/counts.hpp"
#include "allreduce/preload/operations.hpp"

namespace tutti::preload {

struct Shadow {
  MPI_Comm comm;  ///< the program's
  Communicator own;
  OperationSet operations;           ///< served here
  std::uint64_t least_bytes;         ///< of calls that are served
  std::uint64_t least_rooted_bytes;  ///< of those that have a root
  Counts counts = {};
  int failure = MPI_SUCCESS;            ///< what calls return since tutti failed
  std::vector<std::byte> scratch = {};  ///< used again from call to call
  std::vector<std::size_t> block_counts = {};
};

/// While one lives, MPI calls of this thread are tutti's own and go straight to MPI.
class Inside {
 public:
  Inside() noexcept { ++depth_; }
  ~Inside() { --depth_; }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;

  static bool here() noexcept { return depth_ > 0; }

 private:
  // Preloaded libraries are there when the program starts, so their variables have a fixed place in each thread.
  [[gnu::tls_model("initial-exec")]] static thread_local constinit int depth_;
};

/// Ends the program with a line that says so if it runs with an MPI library of another binary interface than this was
/// compiled for. Before MPI is initialised.
void require_own_library();

/// MPI is initialised: reads the settings and makes the shadow of MPI_COMM_WORLD. Settings that are wrong end the
/// program with a line that says so. Collective over MPI_COMM_WORLD.
void start();

/// The program is about to end MPI: frees all shadows, for which it waits for the other ranks at most 5 s, and prints
/// the report. Collective over MPI_COMM_WORLD.
void stop();

/// The program has made `comm`, in a function that is collective over its ranks: makes its shadow, if it may have one.
/// Collective over `comm`.
void adopt(MPI_Comm comm);

/// The program is about to free `comm`. Collective over it, and waits for nobody.
void part_from(MPI_Comm comm);

/// The shadow of `comm`, or null.
Shadow* find_shadow(MPI_Comm comm) noexcept;

}  // namespace tutti::preload
