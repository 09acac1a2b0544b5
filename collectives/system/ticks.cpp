// Ticks and what they mean; see ticks.hpp.
#include <ctime>
#include <fstream>
#include <sstream>
#include <string>

#include <tutti/collectives/system/ticks.hpp>

namespace tutti::detail {
namespace {

std::int64_t read_clock(clockid_t clock) noexcept {
  timespec time{};
  clock_gettime(clock, &time);
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

#if defined(__x86_64__)
/// The processor's features, as the first of its cores tells them.
bool has_even_counter() {
  std::ifstream cpuinfo("/proc/cpuinfo");
  for (std::string line; std::getline(cpuinfo, line);) {
    if (line.rfind("flags", 0) != 0) continue;
    bool constant = false;
    bool nonstop = false;
    std::istringstream words(line);
    for (std::string word; words >> word;) {
      constant = constant || word == "constant_tsc";
      nonstop = nonstop || word == "nonstop_tsc";
    }
    return constant && nonstop;
  }
  return false;
}

/// A kernel that found the counters of its cores to differ keeps time by something slower.
bool does_kernel_trust_it() {
  std::ifstream file("/sys/devices/system/clocksource/clocksource0/current_clocksource");
  std::string source;
  if (!(file >> source)) return true;  // a container may hide it
  return source == "tsc" || source == "kvm-clock" || source == "hyperv_clocksource_tsc_page";
}
#endif

}  // namespace

std::int64_t monotonic_ns() noexcept { return read_clock(CLOCK_MONOTONIC); }

TickSource find_tick_source() {
#if defined(__x86_64__)
  if (has_even_counter() && does_kernel_trust_it()) return TickSource::time_stamp_counter;
#endif
  return TickSource::monotonic;
}

// The clocks are read between two readings of the ticks; of several tries the one that nothing came between is right.
Moment take_moment(TickSource source) noexcept {
  constexpr int kTries = 5;
  Moment best;
  std::uint64_t least = UINT64_MAX;
  for (int i = 0; i < kTries; ++i) {
    const std::uint64_t before = read_ticks(source);
    const std::int64_t time = monotonic_ns();
    const std::uint64_t after = read_ticks(source);
    const std::int64_t realtime = read_clock(CLOCK_REALTIME);
    if (after - before >= least) continue;
    least = after - before;
    best = {before + (after - before) / 2, time, realtime};
  }
  return best;
}

TickScale::TickScale(const Moment& early, const Moment& late) noexcept : early_(early) {
  const auto ticks = static_cast<double>(static_cast<std::int64_t>(late.ticks - early.ticks));
  const auto ns = static_cast<double>(late.monotonic_ns - early.monotonic_ns);
  if (ticks > 0 && ns > 0) ns_per_tick_ = ns / ticks;
}

std::int64_t TickScale::monotonic_ns(std::uint64_t ticks) const noexcept {
  return early_.monotonic_ns + static_cast<std::int64_t>(seconds_between(early_.ticks, ticks) * 1e9);
}

double TickScale::seconds_between(std::uint64_t early, std::uint64_t late) const noexcept {
  return static_cast<double>(static_cast<std::int64_t>(late - early)) * ns_per_tick_ * 1e-9;
}

}  // namespace tutti::detail
