// How far the monotonic clocks of machines are apart.
#pragma once

#include <cstdint>
#include <vector>

#include <tutti/collectives/transport/bounded_mpi.hpp>

namespace tutti::detail {

/// At some moment of this rank's clock, by how much it was ahead of rank 0's.
struct ClockOffset {
  std::int64_t at_ns = 0;
  std::int64_t ahead_ns = 0;
  std::int64_t error_ns = 0;  ///< at most so wrong
};

/// The lowest rank on every other machine exchanges small messages with rank 0; in the fastest exchange both ways took
/// nearly the same time. Exactly 0 where machine, and clock, are rank 0's. Collective. \throws CommunicationError
ClockOffset measure_clock_offset(BoundedMpi& ranks);

/// Times of this rank as rank 0 would have read them: between two measurements clocks are taken to drift evenly.
class Alignment {
 public:
  void add(const ClockOffset& offset) { offsets_.push_back(offset); }
  bool empty() const noexcept { return offsets_.empty(); }
  std::int64_t aligned(std::int64_t own_ns) const noexcept;
  std::int64_t error_ns() const noexcept { return offsets_.empty() ? 0 : offsets_.back().error_ns; }

 private:
  std::vector<ClockOffset> offsets_;
};

}  // namespace tutti::detail
