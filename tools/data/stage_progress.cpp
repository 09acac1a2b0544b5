// How far staging is; see stage_progress.hpp.
#include "tools/data/stage_progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include <tutti/kernels/clock.hpp>

namespace tutti::tools::data {
namespace {

std::string time_left(double seconds) {
  const long long whole = std::llround(std::max(0.0, seconds));
  if (whole < 3600) return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

}  // namespace

// Open MPI gives its ranks a pseudo-terminal even when its own output goes to a file: what counts then is where the
// launcher, our parent process on this node, writes to.
bool is_terminal(std::FILE* stream) {
  const int descriptor = ::fileno(stream);
  if (::isatty(descriptor) == 0) return false;
  if (std::getenv("OMPI_COMM_WORLD_RANK") == nullptr) return true;
  std::error_code error;
  const std::string target =
      std::filesystem::read_symlink(fmt::format("/proc/{}/fd/{}", ::getppid(), descriptor), error).string();
  return !error && (target.starts_with("/dev/pts/") || target.starts_with("/dev/tty"));
}

std::string decimal_bytes(double bytes) {
  constexpr std::array kUnits = {"bytes", "kB", "MB", "GB", "TB", "PB"};
  std::size_t unit = 0;
  while (bytes >= 999.5 && unit + 1 < kUnits.size()) {
    bytes /= 1000;
    ++unit;
  }
  return unit == 0 ? fmt::format("{:.0f} bytes", bytes) : fmt::format("{:.3g} {}", bytes, kUnits[unit]);
}

StageProgress::StageProgress(std::uint64_t total, std::FILE* stream)
    : total_(total),
      stream_(stream),
      bar_(stream != nullptr && is_terminal(stream)),
      begin_(std::chrono::steady_clock::now()),
      last_(begin_) {}

StageProgress::~StageProgress() {
  if (drawn_) std::fputs("\r\x1b[K", stream_);
}

void StageProgress::show(std::uint64_t done) {
  const auto now = std::chrono::steady_clock::now();
  if (stream_ == nullptr || now - last_ < (bar_ ? std::chrono::milliseconds(200) : std::chrono::milliseconds(5000)))
    return;
  last_ = now;
  const double share = static_cast<double>(done) / static_cast<double>(std::max<std::uint64_t>(1, total_));
  const double rate = static_cast<double>(done) / seconds_since(begin_);
  constexpr std::size_t kWidth = 24;
  const auto filled = std::min(kWidth, static_cast<std::size_t>(share * static_cast<double>(kWidth)));
  const std::string bar =
      bar_ ? fmt::format("[{}{}] ", std::string(filled, '#'), std::string(kWidth - filled, '.')) : std::string();
  const std::string line = fmt::format(
      "{}{:3.0f} %  {} of {}  {}/s  {} left", bar, 100 * share, decimal_bytes(static_cast<double>(done)),
      decimal_bytes(static_cast<double>(total_)), decimal_bytes(rate),
      rate > 0 ? time_left(static_cast<double>(total_ - std::min(done, total_)) / rate) : std::string("unknown time"));
  std::fputs((bar_ ? "\r" + line + "\x1b[K" : line + "\n").c_str(), stream_);
  std::fflush(stream_);
  drawn_ = bar_;
}

}  // namespace tutti::tools::data
