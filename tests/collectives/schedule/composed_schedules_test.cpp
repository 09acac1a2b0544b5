// Allreduces composed of a reduce_scatter and an all_gather: proven for pairs of families too that no table has.
#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>
#include <vector>

#include <tutti/allreduce/allreduce_table.hpp>
#include <tutti/collectives/schedule/algorithm_table.hpp>
#include <tutti/collectives/schedule/algorithms/bucket.hpp>
#include <tutti/collectives/schedule/algorithms/butterfly.hpp>
#include <tutti/collectives/schedule/algorithms/circulant.hpp>
#include <tutti/collectives/schedule/algorithms/pat.hpp>
#include <tutti/collectives/schedule/algorithms/ring.hpp>
#include <tutti/collectives/schedule/algorithms/two_way_ring.hpp>
#include <tutti/collectives/schedule/proof/verifier.hpp>
#include <tutti/collectives/schedule/reduce_scatter_then_all_gather.hpp>

namespace tutti {
namespace {

template <const Algorithm& kReduceScatter, const Algorithm& kAllGather>
void expect_composed(const char* name) {
  const Algorithm row = reduce_scatter_then_all_gather<kReduceScatter, kAllGather>(name);
  EXPECT_EQ(row.name, name);
  for (int size = 2; size <= 17; ++size) {
    for (const int radix : {2, 3, size}) {
      if (radix > size) continue;
      const Shape shape{size, radix};
      for (const bool in_place : {false, true}) {
        const Verdict verdict = verify(row, shape, 0, in_place);
        EXPECT_TRUE(verdict) << name << ", P = " << size << ", radix " << radix << ": " << verdict.why_not;
      }
      EXPECT_TRUE(verify_pipelining(row, shape, 5, 1)) << name << ", P = " << size;
      const Verdict first = verify(kReduceScatter, shape);
      const Verdict second = verify(kAllGather, shape);
      const Verdict both = verify(row, shape);
      EXPECT_EQ(both.rounds, first.rounds + second.rounds);
      EXPECT_LE(both.most_blocks_sent, first.most_blocks_sent + second.most_blocks_sent);
      EXPECT_FALSE(row.needs_scratch({.rank = 0, .size = size, .radix = radix}));
    }
  }
}

TEST(Composed, AllreducesAreProvenAndCostWhatTheirHalvesCost) {
  expect_composed<kRingReduceScatter, kRingAllGather>("ring");
  expect_composed<kCirculantReduceScatter, kCirculantAllGather>("circulant");
  expect_composed<kTwoWayRingReduceScatter, kRingAllGather>("two_way_ring, ring");
  expect_composed<kBucketReduceScatter, kTwoWayRingAllGather>("bucket, two_way_ring");
  expect_composed<kRecursiveHalvingReduceScatter, kCirculantAllGather>("recursive_halving, circulant");
  expect_composed<kCirculantReduceScatter, kRecursiveDoublingAllGather>("circulant, recursive_doubling");
}

TEST(Composed, RoundsHaveNoCopiesLeftThatStayWhereTheyAre) {
  const Algorithm& ring = *find_algorithm(allreduce_algorithms(), Collective::allreduce, "ring");
  Round round;
  for (int index = 0; index < ring.rounds({5}); ++index) {
    round.clear();
    ring.round({.rank = 2, .size = 5}, index, round);
    EXPECT_TRUE(round.copies.empty()) << index;
    EXPECT_TRUE(std::all_of(round.sends.begin(), round.sends.end(),
                            [&](const Send& send) { return send.from == (index == 0 ? Slot::input : Slot::output); }));
  }
}

TEST(Composed, OfHalvesThatDoNotMeetIsAnError) {
  EXPECT_THROW((reduce_scatter_then_all_gather<kRingAllGather, kRingReduceScatter>("swapped")), std::logic_error);
  EXPECT_THROW((reduce_scatter_then_all_gather<kPatReduceScatter, kPatAllGather>("moved")), std::logic_error);
  EXPECT_THROW((reduce_scatter_then_all_gather<kRingReduceScatter, kCirculantAllGather>("radix")), std::logic_error);
}

}  // namespace
}  // namespace tutti
