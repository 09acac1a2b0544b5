// Which ranks' processes have ended, and who keeps whom waiting on this machine.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include <tutti/collectives/communicator/control_channel.hpp>
#include <tutti/collectives/transport/waiting.hpp>
#include <tutti/collectives/watch/node_watch.hpp>

namespace tutti::detail {

/// So long after a rank's process has ended, whatever it sent before has arrived.
inline constexpr auto kGoneGrace = std::chrono::milliseconds(150);

/// A rank whose process has ended.
struct GoneRank {
  Clock::time_point since;  ///< when this was learned
  bool finished = false;    ///< it had called MPI_Finalize
  std::string words;        ///< "rank 2 (pid 1234 on node1) has died"
};

class Liveness {
 public:
  /// `watch` has the ranks of this machine, and ranks of others learn over `control` who is gone; both stay. `stamp` is
  /// the communicator's.
  Liveness(NodeWatch& watch, ControlChannel& control, std::uint64_t stamp) noexcept
      : watch_(watch), control_(control), stamp_(stamp) {}
  Liveness(const Liveness&) = delete;
  Liveness& operator=(const Liveness&) = delete;

  /// Looks which ranks of this machine have ended, if that is due.
  enum class NotifyScope : std::uint8_t { other_machines, nobody };
  void look(Clock::time_point now, NotifyScope whom = NotifyScope::other_machines);

  /// A rank of another machine says who is gone there.
  void handle(const ControlMessage& message, Clock::time_point now);

  const std::map<int, GoneRank>& gone() const noexcept { return gone_; }

  /// Whether a rank ended so long ago that whatever it sent before has arrived.
  bool is_any_gone(Clock::time_point now) const noexcept;

  /// Who keeps the ranks of this machine waiting, as far as they show it; empty if nobody does.
  std::string node_suspects() const;

  /// The same in lines of its own, and before them what each rank does. Nothing if a rank of this machine with a lower
  /// number waits in operation `sequence` too: that one tells it.
  std::optional<std::string> node_hang_report(std::uint64_t sequence) const;

 private:
  NodeWatch& watch_;
  ControlChannel& control_;
  std::uint64_t stamp_;
  std::map<int, GoneRank> gone_;  // by rank
};

}  // namespace tutti::detail
