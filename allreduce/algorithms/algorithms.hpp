// The allreduce algorithms that are no reduce_scatter followed by an all_gather of the same family (those are with the
// family, in collectives/schedule/algorithms); each is told in the file of its name.
#pragma once

#include <tutti/collectives/schedule/schedule.hpp>

namespace tutti {

extern const Algorithm kRecursiveDoublingAllreduce;
extern const Algorithm kHalvingDoublingAllreduce;
extern const Algorithm kSwingAllreduce;
extern const Algorithm kBucketAllreduce;
extern const Algorithm kKnomialAllreduce;
extern const Algorithm kDoubleTreeAllreduce;

}  // namespace tutti
