// The timeline of all ranks, at the program's wish; see flight_recorder.hpp.
#include <chrono>
#include <string>

#include <tutti/collectives/communicator/communicator_state.hpp>
#include <tutti/collectives/flight_recorder.hpp>
#include <tutti/collectives/transport/bounded_mpi.hpp>
#include <tutti/collectives/watch/trace.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti {

void write_trace(const Communicator& comm, const std::string& path) {
  constexpr std::chrono::duration<double> kLimit = std::chrono::seconds(60);
  detail::CommunicatorState& state = comm.state();
  if (state.failures().unusable()) state.failures().throw_unusable();
  const auto patience = std::chrono::duration_cast<detail::Clock::duration>(comm.options().timeout.value_or(kLimit));
  // Who is done may end while others still write; who has died will not come.
  const auto look = [&state] {
    const auto now = detail::Clock::now();
    if (!state.progress().is_look_due(now)) return;
    state.poll_control_messages();
    state.liveness().look(now);
    for (const auto& [rank, gone] : state.liveness().gone()) {
      if (!gone.finished && now - gone.since >= detail::kGoneGrace) throw CommunicationError(gone.words);
    }
  };
  try {
    detail::BoundedMpi ranks(comm.mpi(), detail::Clock::now() + patience, look);
    detail::write_merged_trace(ranks, path, {});
  } catch (const CommunicationError& error) {  // what others have begun there will never be complete
    state.failures().fail(detail::kNoSequence, text("write_trace: ", error.what()));
    state.failures().throw_unusable();
  }
}

}  // namespace tutti
