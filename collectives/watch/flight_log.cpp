// Looking for a record; see flight_log.hpp.
#include <tutti/collectives/watch/flight_log.hpp>

namespace tutti::detail {

std::uint64_t FlightRecorder::find(std::uint32_t communicator, std::uint64_t sequence) const noexcept {
  if (!records()) return 0;
  const std::uint64_t last = block_->recorded.load(std::memory_order_relaxed);
  const std::uint64_t first = last > mask_ ? last - mask_ : 1;
  for (std::uint64_t number = last; number >= first; --number) {
    if (is_of(number, communicator, sequence)) return number;
  }
  return 0;
}

}  // namespace tutti::detail
