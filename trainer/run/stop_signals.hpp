// Signals that ask a run to stop: batch systems and launchers send them before they kill.
#pragma once

namespace tutti::trainer {

/// While it lives, SIGTERM, SIGINT, SIGHUP, SIGUSR1 and SIGUSR2 are noted instead of ending the process, except those
/// that the program's caller has had ignored (nohup) or that a handler is installed for already. SIGPIPE is ignored: a
/// reader of the output that goes away does not end the run. One at a time in a process.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  /// The number of the last signal that came; 0: none.
  static int received() noexcept;
};

}  // namespace tutti::trainer
