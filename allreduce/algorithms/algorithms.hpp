// The allreduce algorithms; each is told in the file of its name.
#pragma once

#include <tutti/collectives/schedule/schedule.hpp>

namespace tutti {

extern const Algorithm kRingAllreduce;
extern const Algorithm kRecursiveDoublingAllreduce;
extern const Algorithm kHalvingDoublingAllreduce;
extern const Algorithm kCirculantAllreduce;
extern const Algorithm kTwoWayRingAllreduce;
extern const Algorithm kSwingAllreduce;
extern const Algorithm kBucketAllreduce;
extern const Algorithm kKnomialAllreduce;
extern const Algorithm kDoubleTreeAllreduce;

}  // namespace tutti
