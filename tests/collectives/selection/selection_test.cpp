// The cost model against the formulas of the literature, and the choice of algorithms that rests on it.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <tests/support/draw.hpp>
#include <tutti/allreduce/allreduce_table.hpp>
#include <tutti/collectives/schedule/algorithm_table.hpp>
#include <tutti/collectives/schedule/message_sizes.hpp>
#include <tutti/collectives/schedule/step_order.hpp>
#include <tutti/collectives/selection/selection.hpp>
#include <tutti/collectives/selection/staged_algorithm.hpp>

namespace tutti {
namespace {

constexpr TransportCosts kUnits = {"units", 1000.0, 10.0, 20.0, 1.0, 0.0, 0.25, 0.125, false};

std::span<const Algorithm* const> table_of(Collective collective) {
  return collective == Collective::allreduce ? allreduce_algorithms() : collective_algorithms();
}

Prediction price(Collective collective, const char* name, const Shape& shape, std::size_t bytes) {
  return predict(profile(*find_algorithm(table_of(collective), collective, name), shape), bytes, 1, 1, kUnits);
}

TEST(CostModel, IsTheLiteratures) {
  const int p = 16;
  const std::size_t n = 1600;
  const auto expect = [](const Prediction& prediction, double rounds, double messages, double moved, double local) {
    EXPECT_DOUBLE_EQ(prediction.latency, rounds * kUnits.latency);
    EXPECT_DOUBLE_EQ(prediction.overhead, 2 * messages * kUnits.overhead);
    EXPECT_NEAR(prediction.transfer, moved, 1e-9);
    EXPECT_NEAR(prediction.local, local, 1e-9);
  };
  expect(price(Collective::allreduce, "ring", {p}, n), 30, 30, 2 * 1500, 0.25 * 1500);
  expect(price(Collective::allreduce, "two_way_ring", {p}, n), 16, 30, 2 * 1500, 0.25 * 1500);
  expect(price(Collective::allreduce, "recursive_doubling", {p}, n), 4, 4, 4 * 1600, 0.25 * 4 * 1600);
  expect(price(Collective::allreduce, "recursive_doubling", {p, 4}, n), 2, 6, 6 * 1600, 0.25 * 6 * 1600);
  expect(price(Collective::allreduce, "recursive_doubling", {p, p}, n), 1, 15, 15 * 1600, 0.25 * 15 * 1600);
  expect(price(Collective::allreduce, "halving_doubling", {p}, n), 8, 8, 2 * 1500, 0.25 * 1500);
  expect(price(Collective::allreduce, "halving_doubling", {p, 4}, n), 4, 12, 2 * 1500, 0.25 * 1500);
  expect(price(Collective::allreduce, "circulant", {p}, n), 8, 8, 2 * 1500, 0.25 * 1500);
  expect(price(Collective::allreduce, "circulant", {15}, 1500), 8, 8, 2 * 1400, 0.25 * 1400 + 0.125 * 100);
  expect(price(Collective::broadcast, "knomial", {p}, n), 4, 4, 4 * 1600, 0);
  expect(price(Collective::all_gather, "circulant", {p}, n), 4, 4, 1500, 0.125 * 100);
}

TEST(CostModel, ANetworkMovesBytesWhileFurtherMessagesArePrepared) {
  TransportCosts network = kUnits;
  network.overlaps = true;
  const auto overhead = [&](std::size_t bytes) {
    const Algorithm& butterfly = *find_algorithm(allreduce_algorithms(), Collective::allreduce, "recursive_doubling");
    return predict(profile(butterfly, {16, 4}), bytes, 1, 1, network).overhead;  // 2 rounds of 3 messages
  };
  EXPECT_DOUBLE_EQ(overhead(0), 2 * (20 + 2 * 20));
  EXPECT_DOUBLE_EQ(overhead(5), 2 * (20 + 2 * (20 - 5)));
  EXPECT_DOUBLE_EQ(overhead(4000), 2 * 20);
}

TEST(CostModel, BytesAreDearerTheFartherTheyGo) {
  TransportCosts far = kUnits;
  far.distance = 0.5;
  const auto moving = [&](const char* name, const Shape& shape) {
    return predict(profile(*find_algorithm(allreduce_algorithms(), Collective::allreduce, name), shape), 1600, 1, 1,
                   far)
        .transfer;
  };
  EXPECT_NEAR(moving("ring", {16}), 2 * 1500, 1e-9);  // the last rank's neighbour is the first
  EXPECT_NEAR(moving("recursive_doubling", {16}), 1600 * (4 + 0.5 * (0 + 1 + 2 + 3)), 1e-9);
}

TEST(CostModel, RanksOfANodeShareItsLink) {
  const auto moving = [&](const char* name, const Shape& shape, int ranks_per_node) {
    const Algorithm& algorithm = *find_algorithm(allreduce_algorithms(), Collective::allreduce, name);
    return predict(profile(algorithm, shape, {.ranks_per_node = ranks_per_node}), 1600, 1, 1, kUnits, 0.5).transfer;
  };
  // Of a ring one rank of a node sends to the next node, the others inside.
  EXPECT_NEAR(moving("ring", {16}, 4), (1 + 0.5) * 2 * 1500, 1e-9);
  // A butterfly's first two rounds stay inside; in the others all four ranks send to other nodes.
  EXPECT_NEAR(moving("recursive_doubling", {16}, 4), 2 * 0.5 * 1600 + 2 * 4 * 1600, 1e-9);
  EXPECT_NEAR(moving("recursive_doubling", {16}, 16), 4 * 0.5 * 1600, 1e-9);
}

TEST(CostModel, TheFirstMessageToAPeerCostsTwiceUnlessItsSignatureRidesAlong) {
  const auto messages = [](const char* name, const Shape& shape, std::size_t bytes) {
    return price(Collective::allreduce, name, shape, bytes).overhead / (2 * kUnits.overhead);
  };
  // Rings have one peer in each direction; a butterfly meets everyone in its first half and again in its second.
  EXPECT_DOUBLE_EQ(messages("ring", {16}, 16 * detail::kPackedBytes), 30);
  EXPECT_DOUBLE_EQ(messages("ring", {16}, 16 * (detail::kPackedBytes + 1)), 31);
  EXPECT_DOUBLE_EQ(messages("halving_doubling", {16}, detail::kPackedBytes), 8);
  EXPECT_DOUBLE_EQ(messages("halving_doubling", {16}, 1 << 20), 12);
}

TEST(CostModel, SegmentsApproachTheBusiestRanksTime) {
  const Algorithm& chain = *find_algorithm(collective_algorithms(), Collective::broadcast, "ring");
  const Profile its = profile(chain, {10});
  const std::size_t bytes = 1000000;
  EXPECT_NEAR(predict(its, bytes, 1, 9, kUnits).total(), 9 * (1000 + 2 * 20 + 1e6), 1);
  double before = predict(its, bytes, 1, 1, kUnits).total();
  for (const int segments : {2, 5, 20, 50}) {
    const double now = predict(its, bytes, segments, segment_spacing(chain, its.rounds), kUnits).total();
    EXPECT_LT(now, before) << segments;
    EXPECT_GT(now, 1e6);
    before = now;
  }
}

constexpr double kMostStep = 1.25;

TEST(Choice, PredictedTimeHasNoCliffsOverSize) {
  for (const TransportCosts& costs : {kRdmaCosts, kSharedMemoryCosts, kTcpCosts}) {
    for (const int ranks : {2, 3, 7, 16, 60, 97, 128}) {
      Selector selector(ranks, costs);
      for (const Collective collective : kAllCollectives) {
        double most = 0;
        for (std::size_t bytes = 1; bytes < 1'000'000'000; bytes += bytes / 3 + 1) {
          const Plan plan = selector.choose(table_of(collective), collective, bytes, {});
          ASSERT_NE(plan.algorithm, nullptr);
          EXPECT_GE(plan.predicted.total() * kMostStep, most) << name(collective) << " of " << bytes << " B, " << ranks;
          most = std::max(most, plan.predicted.total());
        }
      }
    }
  }
}

TEST(Choice, PredictedTimeHasNoCliffsOverRanks) {
  constexpr std::size_t kSizes[] = {8, 4096, std::size_t{1} << 20, std::size_t{64} << 20};
  const auto collectives = test::drawn(std::vector(std::begin(kAllCollectives), std::end(kAllCollectives)), 3, 1);
  for (const TransportCosts& costs : {kRdmaCosts, kTcpCosts}) {
    std::map<std::pair<Collective, std::size_t>, double> most;
    for (int ranks = 2; ranks <= 128; ++ranks) {
      Selector selector(ranks, costs);
      for (const Collective collective : collectives) {
        for (const std::size_t size : kSizes) {
          const std::size_t bytes = has_bound_blocks(collective) ? size * static_cast<std::size_t>(ranks) : size;
          const double now = selector.choose(table_of(collective), collective, bytes, {}).predicted.total();
          double& before = most[{collective, size}];
          EXPECT_GE(now * kMostStep, before)
              << name(collective) << " of " << size << " B, " << ranks << " ranks, " << costs.name;
          before = std::max(before, now);
        }
      }
    }
  }
}

TEST(Choice, IsTheFastestCandidateAndRemembered) {
  Selector selector(24, kRdmaCosts);
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{100}, std::size_t{1} << 16, std::size_t{1} << 25}) {
    const std::vector<Plan> all = selector.candidates(allreduce_algorithms(), Collective::allreduce, bytes);
    for (int turn = 0; turn < 2; ++turn) {
      const Plan plan = selector.choose(allreduce_algorithms(), Collective::allreduce, bytes, {});
      EXPECT_EQ(plan.algorithm, all.front().algorithm);
      EXPECT_EQ(plan.radix, all.front().radix);
      EXPECT_EQ(plan.segments, all.front().segments);
    }
  }
}

TEST(Choice, MeetsWishes) {
  Selector selector(24, kRdmaCosts);
  const auto choose = [&](const Constraints& constraints) {
    return selector.choose(allreduce_algorithms(), Collective::allreduce, 1 << 20, constraints);
  };
  EXPECT_EQ(choose({.algorithm = "ring"}).algorithm->name, "ring");
  EXPECT_EQ(choose({.algorithm = "ring", .segment_bytes = 1000}).segments, 44);  // messages of 2^20 / 24 bytes
  EXPECT_EQ(choose({.radix = 5}).radix, 5);
  EXPECT_EQ(choose({.algorithm = "snail"}).algorithm, nullptr);
}

TEST(Choice, LeavesOutWhatNeedsBlocksOfOneSize) {
  Selector selector(24, kRdmaCosts);
  const auto names = [&](bool uneven) {
    std::set<std::string_view> found;
    for (const Plan& plan :
         selector.candidates(collective_algorithms(), Collective::all_to_all, 1000, {.uneven = uneven})) {
      found.insert(plan.algorithm->name);
    }
    return found;
  };
  EXPECT_EQ(names(false), (std::set<std::string_view>{"bruck", "pairwise"}));
  EXPECT_EQ(names(true), (std::set<std::string_view>{"pairwise"}));
  // Small data in blocks of one size are asked for first, and what is remembered of them does not serve the others.
  EXPECT_EQ(selector.choose(collective_algorithms(), Collective::all_to_all, 24, {}).algorithm->name, "bruck");
  EXPECT_EQ(selector.choose(collective_algorithms(), Collective::all_to_all, 24, {.uneven = true}).algorithm->name,
            "pairwise");
}

TEST(Choice, TakesWideRoundsForSmallDataAndFewBytesForLarge) {
  Selector selector(64, kRdmaCosts);
  const Plan small = selector.choose(allreduce_algorithms(), Collective::allreduce, 8, {});
  EXPECT_EQ(small.algorithm->name, "recursive_doubling");
  EXPECT_GT(small.radix, 2);
  const Plan large = selector.choose(allreduce_algorithms(), Collective::allreduce, 1 << 26, {});
  EXPECT_LT(profile(*large.algorithm, {64, large.radix}).rank.moved, 2.0);
}

TEST(Choice, TakesAlignedGroupsWhereTheNumberOfRanksHasSmallFactors) {
  const auto chosen = [](int ranks, Collective collective, const char* wish = "") {
    TransportCosts costs = kRdmaCosts;
    costs.copy = costs.reduce = 0;
    Selector selector(ranks, costs);
    return selector.choose(collective_algorithms(), collective, 2 << 20, {.algorithm = wish}).algorithm->name;
  };
  for (const int ranks : {60, 64, 98, 100}) {
    EXPECT_EQ(chosen(ranks, Collective::all_gather), "distance_halving") << ranks;
    EXPECT_EQ(chosen(ranks, Collective::reduce_scatter), "distance_doubling") << ranks;
    EXPECT_EQ(chosen(ranks, Collective::all_gather, "pat"), "pat") << ranks;
  }
  for (const int ranks : {61, 62, 97}) {
    EXPECT_EQ(chosen(ranks, Collective::all_gather), "pat") << ranks;
    EXPECT_EQ(chosen(ranks, Collective::reduce_scatter), "pat") << ranks;
  }
}

// A message costs TCP's hosts more than the bytes of a small one: data of up to 64 KiB are not cut, and large ones only
// into messages that are large themselves.
TEST(Choice, TakesFewMessagesOverTcp) {
  for (const int ranks : {2, 4, 16}) {
    Selector selector(ranks, kTcpCosts);
    for (std::size_t bytes = 8; bytes <= std::size_t{64} << 20; bytes *= 2) {
      const Plan plan = selector.choose(allreduce_algorithms(), Collective::allreduce, bytes, {});
      EXPECT_GE(bytes / static_cast<std::size_t>(plan.segments), std::min<std::size_t>(bytes, std::size_t{1} << 20))
          << plan.algorithm->name << " on " << ranks << " ranks";
    }
  }
}

// ---- Rows that are made of stages

/// 16 ranks on nodes of 4.
struct TwoLevels {
  Selector selector{16, kTcpCosts, {.ranks_per_node = 4, .node_byte = kSharedMemoryCosts.byte}};
  detail::LevelPrices levels{4, Selector(4, kSharedMemoryCosts), Selector(4, kTcpCosts)};

  std::vector<Plan> candidates(std::size_t bytes, const Constraints& constraints) {
    return selector.candidates(allreduce_algorithms(), Collective::allreduce, bytes, constraints);
  }
};

int count_staged(const std::vector<Plan>& plans) {
  return static_cast<int>(
      std::count_if(plans.begin(), plans.end(), [](const Plan& plan) { return plan.algorithm->staged != nullptr; }));
}

TEST(Choice, AStagedRowIsACandidateWhereThereAreLevelsAndAllIsOpen) {
  TwoLevels two;
  detail::LevelPrices* const levels = &two.levels;
  EXPECT_EQ(count_staged(two.candidates(1 << 20, {})), 0);
  EXPECT_EQ(count_staged(two.candidates(1 << 20, {.levels = levels})), 1);
  EXPECT_EQ(count_staged(two.candidates(1 << 20, {.radix = 4, .levels = levels})), 0);
  EXPECT_EQ(count_staged(two.candidates(1 << 20, {.segment_bytes = 1 << 16, .levels = levels})), 0);
  EXPECT_EQ(count_staged(two.candidates(1 << 20, {.order = Order::one_pass, .levels = levels})), 0);
  EXPECT_EQ(count_staged(two.candidates(1 << 20, {.order = Order::by_rank, .levels = levels})), 0);
  EXPECT_EQ(count_staged(two.candidates(1 << 20, {.algorithm = "ring", .levels = levels})), 0);
  EXPECT_TRUE(two.candidates(1 << 20, {.algorithm = "hierarchical"}).empty());
  EXPECT_EQ(two.selector.candidates(collective_algorithms(), Collective::reduce, 1 << 20, {.levels = levels}).size(),
            two.selector.candidates(collective_algorithms(), Collective::reduce, 1 << 20).size());
}

TEST(Choice, ANamedStagedRowTakesPartsOfTheSegmentsSize) {
  TwoLevels two;
  const auto parts = [&](std::size_t segment_bytes) {
    const auto plans =
        two.candidates(1 << 20, {.algorithm = "hierarchical", .segment_bytes = segment_bytes, .levels = &two.levels});
    EXPECT_EQ(plans.size(), 1U);
    return plans.front().segments;
  };
  EXPECT_EQ(parts(1 << 18), 4);
  EXPECT_EQ(parts(1 << 20), 1);
  EXPECT_EQ(parts(1), 128);
}

TEST(Choice, AStagedRowWinsOnlyIfItIsPredictedFasterThanTheBestSchedule) {
  TwoLevels two;
  std::set<bool> seen;
  for (std::size_t bytes = 8; bytes <= std::size_t{64} << 20; bytes *= 4) {
    for (int slow = 1; slow <= 1000; slow *= 10) {  // memory of the nodes, against the same network
      TransportCosts node = kSharedMemoryCosts;
      node.latency *= slow;
      node.byte *= slow;
      two.levels.node = Selector(4, node);
      const Plan flat = two.candidates(bytes, {}).front();
      const auto plans = two.candidates(bytes, {.levels = &two.levels});
      const auto staged =
          std::find_if(plans.begin(), plans.end(), [](const Plan& plan) { return plan.algorithm->staged != nullptr; });
      const bool wins = staged->predicted.total() < flat.predicted.total();
      EXPECT_EQ(staged == plans.begin(), wins) << bytes << " bytes, " << slow;
      EXPECT_EQ(plans[wins ? 1 : 0].algorithm, flat.algorithm);
      EXPECT_TRUE(std::is_sorted(plans.begin() + (wins ? 2 : 1), plans.end(), [](const Plan& a, const Plan& b) {
        return a.predicted.total() < b.predicted.total();
      }));
      seen.insert(wins);
    }
  }
  EXPECT_EQ(seen.size(), 2U);
}

}  // namespace
}  // namespace tutti
