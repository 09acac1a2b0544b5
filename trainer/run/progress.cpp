#include <tutti/trainer/run/progress.hpp>

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

namespace tutti::trainer {

namespace {

/// Open MPI gives its ranks a pseudo-terminal even when its own output goes to a file: what counts then is where the
/// launcher, our parent process on this node, writes to.
bool on_terminal() {
  if (isatty(STDOUT_FILENO) == 0) return false;
  if (std::getenv("OMPI_COMM_WORLD_RANK") == nullptr) return true;
  std::error_code error;
  const auto target = std::filesystem::read_symlink(fmt::format("/proc/{}/fd/1", getppid()), error).string();
  return !error && (target.starts_with("/dev/pts/") || target.starts_with("/dev/tty"));
}

std::string clock_text(double seconds) {
  const long long whole = std::llround(std::max(0.0, seconds));
  if (whole < 3600) return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

std::string bar_text(double share) {
  constexpr std::size_t kWidth = 24;
  const auto filled = static_cast<std::size_t>(share * static_cast<double>(kWidth));
  return fmt::format("[{}{}] ", std::string(filled, '#'), std::string(kWidth - filled, '.'));
}

}  // namespace

Progress::Progress(const std::string& mode)
    : mode_(mode == "none"    ? Mode::none
            : mode == "bar"   ? Mode::bar
            : mode == "lines" ? Mode::lines
            : on_terminal()   ? Mode::bar
                              : Mode::lines),
      last_(Clock::now()) {}

Progress::~Progress() {
  if (drawn_) std::fputs("\n", stdout);
}

bool Progress::due() const {
  const auto interval = mode_ == Mode::bar ? std::chrono::milliseconds(200) : std::chrono::milliseconds(5000);
  return mode_ != Mode::none && Clock::now() - last_ >= interval;
}

void Progress::show(const State& state) {
  last_ = Clock::now();
  if (mode_ == Mode::none) return;
  const std::string text = progress_text(state, mode_ == Mode::bar);
  drawn_ = mode_ == Mode::bar;
  std::fputs((drawn_ ? "\r" + text + "\x1b[K" : text + "\n").c_str(), stdout);
  std::fflush(stdout);
}

void Progress::say(const std::string& line) {
  if (mode_ == Mode::none) return;
  std::fputs(((drawn_ ? "\r\x1b[K" : "") + line + "\n").c_str(), stdout);
  std::fflush(stdout);
  drawn_ = false;
}

std::string progress_text(const Progress::State& state, bool with_bar) {
  const double share = state.steps == 0 ? 1.0 : static_cast<double>(state.step) / static_cast<double>(state.steps);
  return fmt::format("epoch {}/{}  step {}/{}  {}{:.0f} samples/s  {} left  comm {:.1f}%  loss {:.4f}", state.epoch,
                     state.epochs, state.step, state.steps, with_bar ? bar_text(share) : "", state.samples_per_s,
                     clock_text(state.seconds_left), 100.0 * state.comm_share, state.loss);
}

}  // namespace tutti::trainer
