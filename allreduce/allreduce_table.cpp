// The table of allreduce algorithms; see allreduce_table.hpp.
#include <tutti/allreduce/algorithms/algorithms.hpp>
#include <tutti/allreduce/allreduce_table.hpp>
#include <tutti/allreduce/hierarchical.hpp>
#include <tutti/collectives/schedule/algorithms/circulant.hpp>
#include <tutti/collectives/schedule/algorithms/ring.hpp>
#include <tutti/collectives/schedule/algorithms/two_way_ring.hpp>

namespace tutti {
namespace {

constexpr const Algorithm* kTable[] = {&kRingAllreduce,
                                       &kTwoWayRingAllreduce,
                                       &kRecursiveDoublingAllreduce,
                                       &kHalvingDoublingAllreduce,
                                       &kCirculantAllreduce,
                                       &kSwingAllreduce,
                                       &kBucketAllreduce,
                                       &kKnomialAllreduce,
                                       &kDoubleTreeAllreduce,
                                       &kHierarchicalAllreduce};

}  // namespace

std::span<const Algorithm* const> allreduce_algorithms() noexcept { return kTable; }

}  // namespace tutti
