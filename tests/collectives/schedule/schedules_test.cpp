// Every schedule of every table is proved symbolically, and the verifier is shown to refute schedules that are wrong.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include <tests/support/draw.hpp>
#include <tutti/allreduce/allreduce_table.hpp>
#include <tutti/collectives/schedule/algorithm_table.hpp>
#include <tutti/collectives/schedule/proof/verifier.hpp>
#include <tutti/collectives/schedule/step_order.hpp>

namespace tutti {
namespace {

std::vector<const Algorithm*> all_algorithms() {
  std::vector<const Algorithm*> all;
  for (const Algorithm* a : collective_algorithms()) all.push_back(a);
  for (const Algorithm* a : allreduce_algorithms()) {
    if (a->staged == nullptr) all.push_back(a);
  }
  return all;
}

std::vector<int> sizes() {
  std::vector<int> sizes;
  std::vector<int> larger;
  for (int p = 2; p <= 64; ++p) (p <= 16 ? sizes : larger).push_back(p);
  larger.insert(larger.end(), {97, 128, 251});
  for (const int p : test::drawn(larger, 10, 1)) sizes.push_back(p);
  return sizes;
}

std::vector<int> radices(const Algorithm& a, int size) {
  if (a.radix == Radix::none) return {2};
  std::vector<int> radices = {2};
  for (const int radix : {3, 4, 5, 8, 10, size}) {
    if (size > 64 && radix != 10) continue;
    if (radix <= size && radix > radices.back()) radices.push_back(radix);
  }
  return radices;
}

bool has_in_place_form(const Algorithm& a) {
  return a.collective != Collective::broadcast && a.collective != Collective::all_to_all &&
         a.collective != Collective::barrier;
}

class Schedule : public testing::TestWithParam<const Algorithm*> {};

/// Every rank reduces in one round at most, and there everything that comes for the same blocks in one pass.
void expect_one_pass(const Algorithm& algorithm, const Shape& shape, int root) {
  Round round;
  for (int rank = 0; rank < shape.size; ++rank) {
    int passes = 0;
    for (int index = 0; index < algorithm.rounds(shape); ++index) {
      round.clear();
      algorithm.round({.rank = rank, .size = shape.size, .root = root, .radix = shape.radix}, index, round);
      const Receive* before = nullptr;
      for (const Receive& receive : round.receives) {
        if (receive.reduction == Reduction::copy) continue;
        if (before == nullptr || !reduced_together(*before, receive)) ++passes;
        before = &receive;
      }
    }
    EXPECT_LE(passes, 1) << algorithm.name << ", P = " << shape.size << ", root " << root << ", rank " << rank;
  }
}

void expect_proven(const Algorithm& algorithm, const Shape& shape, int root) {
  const Verdict verdict = verify(algorithm, shape, root);
  ASSERT_TRUE(verdict) << verdict.why_not;
  const bool by_rank = algorithm.canonical_order && (root == 0 || !algorithm.order_from_root);
  const bool at_once = algorithm.reduces_at_once && shape.radix == shape.size;
  EXPECT_TRUE(verdict.canonical_order || (!by_rank && !at_once))
      << algorithm.name << ", P = " << shape.size << ", radix " << shape.radix << ", root " << root
      << ": not in rank order";
  if (at_once) expect_one_pass(algorithm, shape, root);
  if (!has_in_place_form(algorithm)) return;
  const Verdict in_place = verify(algorithm, shape, root, true);
  ASSERT_TRUE(in_place) << "in place: " << in_place.why_not;
}

TEST_P(Schedule, IsProvenForEverySize) {
  const Algorithm& algorithm = *GetParam();
  for (const int size : sizes()) {
    for (const int radix : radices(algorithm, size)) {
      std::vector<int> roots = {0};
      if (is_rooted(algorithm.collective))
        roots = radix == 2 ? std::vector{0, 1, size / 2, size - 1} : std::vector{size / 3};
      for (const int root : roots) {
        expect_proven(algorithm, {size, radix}, root);
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST_P(Schedule, IsProvenForAThousandRanks) {
  const Algorithm& algorithm = *GetParam();
  for (const int radix : {2, 10}) {
    if (radix > 2 && algorithm.radix == Radix::none) break;
    const Verdict verdict = verify(algorithm, {1000, radix}, is_rooted(algorithm.collective) ? 7 : 0);
    ASSERT_TRUE(verdict) << verdict.why_not;
  }
}

TEST_P(Schedule, PipelinesWithoutDeadlock) {
  const Algorithm& algorithm = *GetParam();
  for (const int size : {2, 3, 4, 5, 6, 7, 8, 12, 13, 31, 32, 33}) {
    for (const int radix : radices(algorithm, size)) {
      for (const int spacing : {1, 2, 3, size}) {
        const Verdict verdict = verify_pipelining(algorithm, {size, radix}, 5, spacing);
        ASSERT_TRUE(verdict) << "spacing " << spacing << ": " << verdict.why_not;
      }
    }
  }
}

std::string test_name(const testing::TestParamInfo<const Algorithm*>& info) {
  return std::string(name(info.param->collective)) + "_" + std::string(info.param->name);
}

INSTANTIATE_TEST_SUITE_P(Table, Schedule, testing::ValuesIn(all_algorithms()), test_name);

TEST(StepOrder, VisitsEveryStepOnceAndEachSegmentInRoundOrder) {
  for (const int rounds : {1, 2, 5}) {
    for (const int segments : {1, 2, 7}) {
      for (const int spacing : {1, 2, 5, 9}) {
        std::vector<int> next_round(static_cast<std::size_t>(segments));
        for (StepOrder order(rounds, segments, spacing); !order.done(); order.next()) {
          ASSERT_EQ(order.round(), next_round.at(static_cast<std::size_t>(order.segment()))++);
        }
        for (const int reached : next_round) EXPECT_EQ(reached, rounds);
      }
    }
  }
}

// ---- Costs that the READMEs state

TEST(Cost, RoundsAndBlocksAreWhatTheLiteratureSays) {
  const auto cost = [](Collective collective, const char* name, int size) {
    const auto table = collective == Collective::allreduce ? allreduce_algorithms() : collective_algorithms();
    return verify(*find_algorithm(table, collective, name), {size});
  };
  const Verdict ring = cost(Collective::allreduce, "ring", 8);
  EXPECT_EQ(ring.rounds, 14);
  EXPECT_EQ(ring.most_blocks_sent, 14);
  const Verdict halving = cost(Collective::allreduce, "halving_doubling", 8);
  EXPECT_EQ(halving.rounds, 6);
  EXPECT_EQ(halving.most_blocks_sent, 14);
  EXPECT_EQ(cost(Collective::allreduce, "recursive_doubling", 8).rounds, 3);
  EXPECT_EQ(cost(Collective::allreduce, "recursive_doubling", 7).rounds, 3);
  EXPECT_TRUE(cost(Collective::allreduce, "recursive_doubling", 7).canonical_order);
  EXPECT_TRUE(cost(Collective::allreduce, "knomial", 7).canonical_order);
  EXPECT_FALSE(ring.canonical_order);
  EXPECT_EQ(cost(Collective::barrier, "dissemination", 5).rounds, 3);
}

// ---- The verifier refutes what is wrong

/// The ring all-gather with `Spoil` applied to each round.
template <void (*Spoil)(const Position&, int, Round&)>
Algorithm spoiled(const Algorithm& original) {
  static const Algorithm* base;
  base = &original;
  Algorithm copy = original;
  copy.round = [](const Position& at, int index, Round& round) {
    base->round(at, index, round);
    Spoil(at, index, round);
  };
  return copy;
}

const Algorithm& ring_all_gather() { return *find_algorithm(collective_algorithms(), Collective::all_gather, "ring"); }
const Algorithm& doubling_allreduce() {
  return *find_algorithm(allreduce_algorithms(), Collective::allreduce, "recursive_doubling");
}

void wrong_block(const Position& at, int index, Round& round) {
  if (at.rank == 1 && index == 1) round.sends[0].blocks = {(round.sends[0].blocks.begin()->first + 1) % at.size, 1};
}
void wrong_block_on_both_sides(const Position&, int index, Round& round) {
  if (index != 1) return;
  round.sends[0].blocks = {0, 1};
  round.receives[0].blocks = {0, 1};
}
void wrong_peer(const Position& at, int index, Round& round) {
  if (at.rank == 0 && index == 0) round.sends[0].peer = at.size - 1;
}
void nobody_sends_first(const Position&, int, Round& round) { round.sends.clear(); }
void twice(const Position& at, int index, Round& round) {
  if (index == 1 && at.rank < 2) round.receives[0].with = Slot::output;
  if (index == 1) round.sends[0].from = Slot::input;
}
void into_input(const Position&, int, Round& round) { round.receives[0].to = Slot::input; }
void copied_while_sent(const Position&, int index, Round& round) {
  if (index == 0) round.receives[0].reduction = Reduction::copy;
}

TEST(Verifier, RefutesAWrongIndex) {
  EXPECT_FALSE(verify(spoiled<wrong_block>(ring_all_gather()), {4}));
  EXPECT_FALSE(verify(spoiled<wrong_block_on_both_sides>(ring_all_gather()), {4}));
  EXPECT_FALSE(verify(spoiled<wrong_peer>(ring_all_gather()), {4}));
}

TEST(Verifier, NamesDeadlock) {
  const Verdict verdict = verify(spoiled<nobody_sends_first>(ring_all_gather()), {4});
  EXPECT_FALSE(verdict);
  EXPECT_NE(verdict.why_not.find("deadlock"), std::string::npos) << verdict.why_not;
  EXPECT_FALSE(verify_pipelining(spoiled<nobody_sends_first>(ring_all_gather()), {4}, 3, 1));
}

TEST(Verifier, RefutesMissingContributionsAndHazards) {
  EXPECT_FALSE(verify(spoiled<twice>(doubling_allreduce()), {4}));
  EXPECT_FALSE(verify(spoiled<into_input>(doubling_allreduce()), {4}));
  EXPECT_FALSE(verify(spoiled<copied_while_sent>(doubling_allreduce()), {4}, 0, true));
}

TEST(Table, DigestsTellTablesApart) {
  const Algorithm& ring = *allreduce_algorithms().front();
  const auto digest = [](const Algorithm& row) {
    const Algorithm* const table[] = {&row};
    return digest_of(table);
  };
  std::vector<std::uint32_t> digests = {digest(ring)};
  const auto expect_new = [&](const char* what, std::uint32_t found) {
    EXPECT_EQ(std::count(digests.begin(), digests.end(), found), 0) << what;
    digests.push_back(found);
  };
  const auto change = [&](const char* what, auto set) {
    Algorithm other = ring;
    set(other);
    expect_new(what, digest(other));
  };
  change("name", [](Algorithm& a) { a.name = "rings"; });
  change("collective", [](Algorithm& a) { a.collective = Collective::reduce; });
  change("radix", [](Algorithm& a) { a.radix = Radix::per_rank; });
  change("single_block", [](Algorithm& a) { a.single_block = !a.single_block; });
  change("moves_blocks", [](Algorithm& a) { a.moves_blocks = !a.moves_blocks; });
  change("canonical_order", [](Algorithm& a) { a.canonical_order = !a.canonical_order; });
  change("order_from_root", [](Algorithm& a) { a.order_from_root = !a.order_from_root; });
  change("reduces_at_once", [](Algorithm& a) { a.reduces_at_once = !a.reduces_at_once; });
  change("pipelining", [](Algorithm& a) { a.pipelining = Pipelining::each_round; });
  change("alternating_parts", [](Algorithm& a) { a.alternating_parts = 2; });
  change("staged", [](Algorithm& a) { a.staged = allreduce_algorithms().back()->staged; });
  change("blocks", [](Algorithm& a) { a.blocks = two_blocks; });
  change("rounds", [](Algorithm& a) { a.rounds = one_block; });
  Algorithm same = ring;
  EXPECT_EQ(digest(same), digests.front());

  // Rows that are missing or change places.
  const auto all = collective_algorithms();
  std::vector<const Algorithm*> rows(all.begin(), all.end());
  expect_new("the whole table", digest_of(rows));
  std::swap(rows[1], rows[2]);
  expect_new("two rows swapped", digest_of(rows));
  rows.pop_back();
  expect_new("one row less", digest_of(rows));
}

}  // namespace
}  // namespace tutti
