// Comparing clocks; see clock_offset.hpp.
#include <algorithm>
#include <cstring>
#include <fstream>
#include <span>
#include <string>

#include <tutti/collectives/system/process_stat.hpp>
#include <tutti/collectives/system/ticks.hpp>
#include <tutti/collectives/transport/clock_offset.hpp>
#include <tutti/kernels/crc32c.hpp>

namespace tutti::detail {
namespace {

constexpr int kExchanges = 32;

/// The same where the clock is the same: on one machine since it was started, in one time namespace.
std::int64_t clock_key() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string boot;
  file >> boot;
  const std::string words = boot + '/' + std::to_string(own_namespace("time"));
  const std::uint64_t low = crc32c(std::as_bytes(std::span(words)));
  return static_cast<std::int64_t>(own_namespace("time") << 32 ^ low);
}

std::string bytes_of(std::int64_t value) { return {reinterpret_cast<const char*>(&value), sizeof value}; }

std::int64_t time_from(const std::string& bytes) {
  std::int64_t value = 0;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

/// On rank 0.
ClockOffset compare_with(BoundedMpi& ranks, int other) {
  ClockOffset best;
  std::int64_t least = INT64_MAX;
  for (int i = 0; i < kExchanges; ++i) {
    const std::int64_t sent = monotonic_ns();
    ranks.send(other, "?");
    const std::int64_t theirs = time_from(ranks.receive(other, sizeof(std::int64_t)));
    const std::int64_t round_trip = monotonic_ns() - sent;
    if (round_trip >= least) continue;
    least = round_trip;
    best = {theirs, theirs - (sent + round_trip / 2), round_trip / 2};
  }
  return best;
}

void answer(BoundedMpi& ranks) {
  for (int i = 0; i < kExchanges; ++i) {
    ranks.receive(0, 1);
    ranks.send(0, bytes_of(monotonic_ns()));
  }
}

}  // namespace

ClockOffset measure_clock_offset(BoundedMpi& ranks) {
  const std::vector<std::int64_t> keys = ranks.all_gather(clock_key());
  const auto first_with = [&](std::int64_t key) { return std::find(keys.begin(), keys.end(), key) - keys.begin(); };
  ClockOffset own{monotonic_ns(), 0, 0};
  for (int other = 1; other < ranks.size(); ++other) {
    const std::int64_t key = keys[static_cast<std::size_t>(other)];
    if (key == keys.front() || first_with(key) != other) continue;
    ClockOffset measured;
    if (ranks.rank() == 0) measured = compare_with(ranks, other);
    if (ranks.rank() == other) answer(ranks);
    measured = {ranks.broadcast(measured.at_ns), ranks.broadcast(measured.ahead_ns),
                ranks.broadcast(measured.error_ns)};
    if (keys[static_cast<std::size_t>(ranks.rank())] == key) own = measured;
  }
  return own;
}

std::int64_t Alignment::aligned(std::int64_t own_ns) const noexcept {
  if (offsets_.empty()) return own_ns;
  const ClockOffset& first = offsets_.front();
  const ClockOffset& last = offsets_.back();
  double ahead = static_cast<double>(first.ahead_ns);
  if (last.at_ns > first.at_ns) {
    const double part = static_cast<double>(own_ns - first.at_ns) / static_cast<double>(last.at_ns - first.at_ns);
    ahead += std::clamp(part, 0.0, 1.0) * static_cast<double>(last.ahead_ns - first.ahead_ns);
  }
  return own_ns - static_cast<std::int64_t>(ahead);
}

}  // namespace tutti::detail
