// Tori: their arithmetic and text, what schedules ask of their links, schedules laid out on them, and what is chosen
// there.
#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <string>
#include <vector>

#include <tutti/allreduce/allreduce_table.hpp>
#include <tutti/collectives/network.hpp>
#include <tutti/collectives/schedule/algorithm_table.hpp>
#include <tutti/collectives/schedule/proof/verifier.hpp>
#include <tutti/collectives/selection/link_use.hpp>
#include <tutti/collectives/selection/selection.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti {
namespace {

std::string refusal(std::string_view description) {
  try {
    parse_network(description);
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return "none";
}

TEST(Torus, CountsNodesWithTheFirstCoordinateFastest) {
  const Torus torus = Torus::parse("4x3x2");
  EXPECT_EQ(torus.nodes(), 24);
  EXPECT_EQ(torus.longest_side(), 4);
  for (int node = 0; node < 24; ++node) {
    EXPECT_EQ(torus.coordinate(node, 0), node % 4);
    EXPECT_EQ(torus.coordinate(node, 1), node / 4 % 3);
    EXPECT_EQ(torus.coordinate(node, 2), node / 12);
  }
  EXPECT_EQ(torus.moved(0, 0, -1), 3);
  EXPECT_EQ(torus.moved(3, 0, 1), 0);
  EXPECT_EQ(torus.moved(5, 1, 2), 1);
  EXPECT_EQ(torus.moved(13, 2, 1), 1);
  EXPECT_EQ(torus.moved(13, 2, -1), 1);
}

TEST(Torus, IsMostEvenWhereNothingIsKnown) {
  EXPECT_EQ(Torus::most_even(60).text(), "3x4x5");
  EXPECT_EQ(Torus::most_even(64).text(), "4x4x4");
  EXPECT_EQ(Torus::most_even(16).text(), "2x2x4");
  EXPECT_EQ(Torus::most_even(97).text(), "97");
  EXPECT_EQ(Torus::most_even(6).text(), "2x3");
  for (int nodes = 2; nodes < 3000; ++nodes) {
    const Torus torus = Torus::most_even(nodes);
    ASSERT_EQ(torus.nodes(), nodes);
    for (int d = 0; d < torus.dimensions(); ++d) ASSERT_GE(torus.side(d), d > 0 ? torus.side(d - 1) : 2);
  }
}

TEST(Torus, NodesOfSeveralRanksAreADimensionOfTheirOwn) {
  EXPECT_EQ(Torus::parse("4x1x3").refined(1).text(), "4x3");
  EXPECT_EQ(Torus::parse("4x1x3").refined(2).text(), "2x4x3");
  EXPECT_FALSE(Torus::parse("1").refined(1));
}

TEST(Torus, DescriptionsAreReadBack) {
  for (const char* description : {"torus:8x8x4", "torus:5,ports:2", "torus:2x3x2x3x2x3,ports:12,hop:1e-07"}) {
    EXPECT_EQ(to_text(parse_network(description)), description);
  }
  const NetworkDescription network = parse_network("hop:2e-7,torus:3x5");
  EXPECT_EQ(network.torus.nodes(), 15);
  EXPECT_EQ(network.ports, 0);
  EXPECT_DOUBLE_EQ(network.hop, 2e-7);
  EXPECT_EQ(to_text({}), "");
}

TEST(Torus, WrongDescriptionsAreRefusedByName) {
  for (const char* sides :
       {"", "x", "8x", "x8", "8xx8", "8x0", "8x-1", "8x8x8a", "1x1x1x1x1x1x1", "1024x1025", "99999999999"}) {
    EXPECT_NE(refusal("torus:" + std::string(sides)).find(text("'", sides, "'")), std::string::npos) << sides;
  }
  for (const char* part : {"ports:0", "ports:", "ports:2.5", "hop:-1", "hop:x", "hop:inf", "mesh:4x4", "4x4"}) {
    EXPECT_NE(refusal(text("torus:4x4,", part)).find(text("'", part, "'")), std::string::npos) << part;
  }
  EXPECT_NE(refusal("ports:2").find("torus"), std::string::npos);
  EXPECT_NE(refusal("").find("torus"), std::string::npos);
}

// ---- Links

LinkUse use_of(const char* name, const Shape& shape, const char* network, int ranks_per_node = 1) {
  return links_used(*find_algorithm(allreduce_algorithms(), Collective::allreduce, name), shape, ranks_per_node,
                    parse_network(network));
}

TEST(Links, ARingLoadsEachLinkOfItsRowOnce) {
  // Rounds of a 16th each; on 4x4 the wrap from a row's end to the next row takes two links.
  const LinkUse row = use_of("ring", {16}, "torus:16");
  ASSERT_EQ(row.rounds.size(), 30U);
  EXPECT_NEAR(row.rounds[3].moved, 1.0 / 16, 1e-12);
  EXPECT_EQ(row.rounds[3].links, 1);
  EXPECT_NEAR(row.moved, 30.0 / 16, 1e-12);
  const LinkUse rows = use_of("ring", {16}, "torus:4x4");
  EXPECT_NEAR(rows.rounds[3].moved, 1.0 / 16, 1e-12);
  EXPECT_EQ(rows.rounds[3].links, 2);
}

TEST(Links, ExchangesOverADistanceShareTheLinksBetween) {
  // On a ring of 8 in the third round of recursive doubling ranks 0 to 3 send 4 to the right, and 4 to 7 round the end.
  const LinkUse use = use_of("recursive_doubling", {8}, "torus:8");
  ASSERT_EQ(use.rounds.size(), 3U);
  EXPECT_NEAR(use.rounds[0].moved, 1, 1e-12);
  EXPECT_NEAR(use.rounds[1].moved, 2, 1e-12);  // 0 to 2 and 1 to 3 share the link from 1 to 2
  EXPECT_NEAR(use.rounds[2].moved, 4, 1e-12);
  EXPECT_EQ(use.rounds[2].links, 4);
}

TEST(Links, PortsLimitWhatANodeSendsAndPassesOn) {
  // All 6 links of a node at once, a 6th of the bytes on each, or as many bytes over one.
  const double all = use_of("bucket", {64, 2, Torus::parse("4x4x4")}, "torus:4x4x4").moved;
  const double one = use_of("bucket", {64, 2, Torus::parse("4x4x4")}, "torus:4x4x4,ports:1").moved;
  EXPECT_NEAR(all, 2 * 63.0 / 64 / 6, 1e-9);
  EXPECT_NEAR(one, 2 * 63.0 / 64, 1e-9);
}

TEST(Links, MessagesInsideANodeUseNone) {
  const LinkUse use = use_of("recursive_doubling", {8}, "torus:2", 4);
  EXPECT_EQ(use.rounds[0].links, 0);
  EXPECT_DOUBLE_EQ(use.rounds[1].moved, 0);
  EXPECT_DOUBLE_EQ(use.rounds[2].moved, 4);
}

TEST(Links, LongSchedulesAreSampled) {
  const LinkUse use = use_of("ring", {500}, "torus:500");
  ASSERT_EQ(use.rounds.size(), 998U);
  EXPECT_NEAR(use.moved, 998.0 / 500, 1e-9);
}

// ---- Schedules and choice

TEST(BucketSchedules, AreProvenOnToriOfAllKinds) {
  std::vector<const Algorithm*> algorithms;
  for (const Collective collective : {Collective::allreduce, Collective::all_gather, Collective::reduce_scatter}) {
    const auto table = collective == Collective::allreduce ? allreduce_algorithms() : collective_algorithms();
    algorithms.push_back(find_algorithm(table, collective, "bucket"));
    ASSERT_NE(algorithms.back(), nullptr);
  }
  for (const char* sides : {"2", "3", "7", "2x2", "2x2x2", "2x2x2x2x2x2", "3x2", "2x3", "1x5x1", "5x4x3", "3x4x5",
                            "4x2x2", "2x7x2", "16x2", "3x3x3x3", "2x2x2x3x2x2", "8x8x4"}) {
    const Torus torus = Torus::parse(sides);
    for (const Algorithm* algorithm : algorithms) {
      for (const bool in_place : {false, true}) {
        const Verdict verdict = verify(*algorithm, {torus.nodes(), 2, torus}, 0, in_place);
        ASSERT_TRUE(verdict) << sides << ": " << verdict.why_not;
      }
      if (torus.nodes() > 40) continue;
      const Verdict pipelined = verify_pipelining(*algorithm, {torus.nodes(), 2, torus}, 5, 2);
      ASSERT_TRUE(pipelined) << sides << ": " << pipelined.why_not;
    }
  }
}

TEST(BucketSchedules, OnlyNeighboursExchangeMessages) {
  const Torus torus = Torus::parse("5x4x3");
  const Algorithm& algorithm = *find_algorithm(allreduce_algorithms(), Collective::allreduce, "bucket");
  const Shape shape{60, 2, torus};
  for (int rank = 0; rank < 60; ++rank) {
    std::set<int> neighbours;
    for (int d = 0; d < 3; ++d) neighbours.insert({torus.moved(rank, d, 1), torus.moved(rank, d, -1)});
    for (int index = 0; index < algorithm.rounds(shape); ++index) {
      Round round;
      algorithm.round({.rank = rank, .size = 60, .torus = torus}, index, round);
      for (const Send& send : round.sends) EXPECT_TRUE(neighbours.contains(send.peer)) << rank << " to " << send.peer;
    }
  }
}

constexpr TransportCosts kRdma = {.name = "rdma",
                                  .latency = 1e-6,
                                  .overhead = 0.4e-6,
                                  .gap = 0.5e-6,
                                  .byte = 0.8e-10,
                                  .distance = 0.07,
                                  .reduce = 0,
                                  .copy = 0,
                                  .overlaps = true};

TEST(TorusChoice, LargeDataGoOverAllLinksAtOnce) {
  Selector unknown(60, kRdma);
  Selector known(60, kRdma, {.network = parse_network("torus:5x4x3,hop:1e-7")});
  const std::size_t large = std::size_t{16} << 20;
  const Plan plan = known.choose(allreduce_algorithms(), Collective::allreduce, large, {});
  EXPECT_EQ(plan.algorithm->name, "bucket");
  EXPECT_EQ(plan.torus.text(), "5x4x3");
  const Plan elsewhere = unknown.choose(allreduce_algorithms(), Collective::allreduce, large, {});
  EXPECT_LT(plan.predicted.total(), elsewhere.predicted.total() / 3);
  EXPECT_NE(known.choose(allreduce_algorithms(), Collective::allreduce, 8, {}).algorithm->name, "bucket");
}

TEST(TorusChoice, FurtherLinksDelayMessages) {
  const auto latency = [](const char* network) {
    const Algorithm& algorithm = *find_algorithm(allreduce_algorithms(), Collective::allreduce, "recursive_doubling");
    const CostContext where = {.network = parse_network(network)};
    return predict(profile(algorithm, {8, 2, where.network.torus}, where), 8, 1, 1, kRdma).latency;
  };
  EXPECT_NEAR(latency("torus:8"), 3e-6, 1e-12);
  EXPECT_NEAR(latency("torus:8,hop:1e-7"), 3e-6 + (0 + 1 + 3) * 1e-7, 1e-12);
  EXPECT_NEAR(latency("torus:2x2x2,hop:1e-7"), 3e-6, 1e-12);
}

TEST(TorusChoice, LinksOfVeryLargeToriAreNotFollowed) {
  const Algorithm& algorithm = *find_algorithm(allreduce_algorithms(), Collective::allreduce, "recursive_doubling");
  const auto profile_on = [&](const char* network) {
    const CostContext where = {.network = parse_network(network)};
    return profile(algorithm, {where.network.torus.nodes(), 2, where.network.torus}, where).rank;
  };
  EXPECT_EQ(profile_on("torus:16x16x16").carried, 0);
  EXPECT_GT(profile_on("torus:32x16x16").carried, 0);  // by distance, as where nothing is known
}

TEST(TorusChoice, ATorusOfOtherRanksIsRefused) {
  EXPECT_THROW(Selector(61, kRdma, {.network = parse_network("torus:5x4x3")}), InvalidArgument);
  EXPECT_NO_THROW(Selector(120, kRdma, {.ranks_per_node = 2, .network = parse_network("torus:5x4x3")}));
}

}  // namespace
}  // namespace tutti
