// Whether this build runs in a simulator of MPI.
#pragma once

namespace tutti::detail {

/// Whether this build runs in a simulator of MPI (bench/scale). There time passes only inside MPI, and polling costs
/// what the simulator makes up: a rank that waits blocks until a message is done, without timeouts or control messages,
/// and Request::test() waits for a message too. Large memory may be shared by all ranks, so that results mean nothing.
#ifdef TUTTI_SIMULATED
inline constexpr bool kSimulated = true;
#else
inline constexpr bool kSimulated = false;
#endif

}  // namespace tutti::detail
