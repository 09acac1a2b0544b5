// The table of allreduce algorithms and the choice among them; see table.hpp.
#include <tutti/allreduce/algorithms/algorithms.hpp>
#include <tutti/allreduce/table.hpp>

namespace tutti {
namespace {

constexpr const Algorithm* kTable[] = {
    &kRingAllreduce,      &kTwoWayRingAllreduce, &kRecursiveDoublingAllreduce, &kHalvingDoublingAllreduce,
    &kCirculantAllreduce, &kSwingAllreduce,      &kKnomialAllreduce,           &kDoubleTreeAllreduce};

// Recursive doubling has the fewest rounds but sends everything in each; halving-doubling and the ring send the least
// there is, the ring in more rounds but in the same direction all the time and with segments that overlap reduction.
const Algorithm& choose(Collective, std::size_t bytes, int size) {
  constexpr std::size_t kLatencyBytes = std::size_t{16} << 10;
  constexpr std::size_t kBandwidthBytesPerRank = std::size_t{128} << 10;
  if (bytes <= kLatencyBytes) return kRecursiveDoublingAllreduce;
  if (bytes <= kBandwidthBytesPerRank * static_cast<std::size_t>(size)) return kHalvingDoublingAllreduce;
  return kRingAllreduce;
}

}  // namespace

std::span<const Algorithm* const> allreduce_algorithms() noexcept { return kTable; }

const detail::AlgorithmSource& detail::allreduce_source() noexcept {
  static const AlgorithmSource source{kTable, choose};
  return source;
}

}  // namespace tutti
