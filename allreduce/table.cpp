// The table of allreduce algorithms; see table.hpp.
#include <tutti/allreduce/algorithms/algorithms.hpp>
#include <tutti/allreduce/hierarchical.hpp>
#include <tutti/allreduce/table.hpp>

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
