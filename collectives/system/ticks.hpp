// The clock of the flight recorder: the processor's time stamp counter where that runs evenly and never stops, the
// system's monotonic clock elsewhere. A reading of the counter takes a third of one of the clock; what it means is
// found out when somebody reads the record, from two moments that lie as far apart as the record is long.
#pragma once

#include <cstdint>

namespace tutti::detail {

/// What ticks are. The numeric values lie in control blocks.
enum class TickSource : std::uint32_t { monotonic = 0, time_stamp_counter = 1 };

/// The counter, if this machine's is constant, does not stop, and is what the kernel itself keeps time by or near it.
TickSource find_tick_source();

std::int64_t monotonic_ns() noexcept;

inline std::uint64_t read_ticks(TickSource source) noexcept {
#if defined(__x86_64__)
  if (source == TickSource::time_stamp_counter) return __builtin_ia32_rdtsc();
#endif
  return static_cast<std::uint64_t>(monotonic_ns());
}

/// One moment by all clocks.
struct Moment {
  std::uint64_t ticks = 0;
  std::int64_t monotonic_ns = 0;
  std::int64_t realtime_ns = 0;  ///< since 1970
};
Moment take_moment(TickSource source) noexcept;

/// What ticks mean between two moments of one machine, which both processes of a time namespace may have taken.
class TickScale {
 public:
  TickScale(const Moment& early, const Moment& late) noexcept;

  std::int64_t monotonic_ns(std::uint64_t ticks) const noexcept;
  double seconds_between(std::uint64_t early, std::uint64_t late) const noexcept;

 private:
  Moment early_;
  double ns_per_tick_ = 1;
};

}  // namespace tutti::detail
