// The communicators of the program's, and those of tutti's that stand beside them and serve their collectives.
//
// A communicator of the program's is written down when it is made, which costs it an attribute and nothing of MPI's.
// Its shadow is made in a collective call on it: the one with a certain number, for which all ranks come together
// anyhow and which all of them count alike, whatever they call it with. From then on all ranks have a shadow or none
// has, so that whether a call is looked at by tutti needs no message. Ranks of one node need nothing of MPI's for it
// but some collectives on the program's communicator; where messages are needed it has MPI communicators of its own.
//
// None have communicators that MPI does not share with all their ranks at once (MPI_Comm_idup), that join two groups,
// have one rank, or ranks of another MPI_COMM_WORLD, of which nobody knows whether they have the preload.
#pragma once

#include <mpi.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include <tutti/collectives/communicator.hpp>

#include "allreduce/preload/counts.hpp"
#include "allreduce/preload/operations.hpp"

namespace tutti::preload {

struct Shadow {
  Communicator own;
  OperationSet operations;           ///< served here
  std::uint64_t least_bytes;         ///< of calls that are served
  std::uint64_t least_rooted_bytes;  ///< of those that have a root
  Counts counts = {};
  std::vector<std::byte> scratch = {};  ///< used again from call to call
  std::vector<std::size_t> block_counts = {};
};

/// A communicator of the program's.
struct ProgramComm {
  MPI_Comm comm;
  int size = 0;                      ///< of its ranks; 0: nobody has looked yet
  bool is_left = false;              ///< to MPI, for good
  std::uint64_t calls = 0;           ///< that count before it has a shadow
  std::unique_ptr<Shadow> shadow{};  ///< null: none
  int failure = MPI_SUCCESS;         ///< what calls return since tutti failed
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

/// MPI is initialised: all ranks find each other, the settings are read, and the shadow of MPI_COMM_WORLD is made.
/// Settings that are wrong, and ranks without the preload, end the program with a line that says so. Collective over
/// MPI_COMM_WORLD.
void start();

/// The program is about to end MPI: frees all shadows, for which it waits for the other ranks at most 5 s, and prints
/// the report. Collective over MPI_COMM_WORLD; does nothing the second time.
void stop();

/// The program has made `comm`, in a function that is collective over its ranks. Local.
void know(MPI_Comm comm);

/// What is known of `comm`, or null.
ProgramComm* find_known(MPI_Comm comm) noexcept;

/// Makes the shadow, or leaves the communicator to MPI: the same on all ranks. Collective over the communicator, in the
/// call `where`. \throws CommunicationError if not all ranks come.
void make_shadow(ProgramComm& known, Operation where);

/// Frees the shadows that all ranks have parted from; true if none is left.
bool free_parted();

}  // namespace tutti::preload
