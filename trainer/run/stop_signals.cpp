#include <tutti/trainer/run/stop_signals.hpp>

#include <array>
#include <csignal>

namespace tutti::trainer {

namespace {

constexpr std::array kStop{SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2};

// A handler reaches nothing but what has one place in the process.
volatile std::sig_atomic_t last_signal = 0;

extern "C" void note_stop_signal(int number) { last_signal = number; }

void handle(int number, void (*from)(int), void (*to)(int)) {
  struct sigaction now = {};
  if (sigaction(number, nullptr, &now) != 0 || (now.sa_flags & SA_SIGINFO) != 0 || now.sa_handler != from) return;
  struct sigaction next = {};
  next.sa_handler = to;
  next.sa_flags = SA_RESTART;  // reading and writing go on: the step is finished
  sigemptyset(&next.sa_mask);
  sigaction(number, &next, nullptr);
}

}  // namespace

StopSignals::StopSignals() {
  last_signal = 0;
  for (const int number : kStop) handle(number, SIG_DFL, note_stop_signal);
  handle(SIGPIPE, SIG_DFL, SIG_IGN);
}

StopSignals::~StopSignals() {
  for (const int number : kStop) handle(number, note_stop_signal, SIG_DFL);
  handle(SIGPIPE, SIG_IGN, SIG_DFL);
}

int StopSignals::received() noexcept { return last_signal; }

}  // namespace tutti::trainer
