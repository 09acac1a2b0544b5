// Who is to blame in made-up jobs, and the graphs behind that.
#include <gtest/gtest.h>

#include <random>
#include <set>
#include <string>
#include <vector>

#include <tutti/collectives/watch/components.hpp>
#include <tutti/collectives/watch/hang_report.hpp>
#include <tutti/collectives/watch/process_view.hpp>

namespace tutti::detail {
namespace {

// ---- Graphs

/// Final components by the definition: sets of nodes that reach each other and nothing else, and that are reached.
std::set<std::vector<std::size_t>> final_by_definition(const Arrows& arrows) {
  const std::size_t n = arrows.size();
  std::vector<std::vector<bool>> reaches(n, std::vector<bool>(n));
  for (std::size_t from = 0; from < n; ++from) {
    for (const std::size_t to : arrows[from]) reaches[from][to] = true;
  }
  for (std::size_t k = 0; k < n; ++k) {
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) reaches[i][j] = reaches[i][j] || (reaches[i][k] && reaches[k][j]);
    }
  }
  std::set<std::vector<std::size_t>> found;
  for (std::size_t i = 0; i < n; ++i) {
    std::vector<std::size_t> component;
    bool leaves = false;
    bool reached = false;
    for (std::size_t j = 0; j < n; ++j) {
      if (j == i || (reaches[i][j] && reaches[j][i])) component.push_back(j);
      leaves = leaves || (reaches[i][j] && !reaches[j][i]);
      reached = reached || reaches[j][i];
    }
    if (!leaves && reached) found.insert(component);
  }
  return found;
}

TEST(Components, AreThoseOfTheDefinition) {
  constexpr unsigned kSeed = 20261125;
  std::mt19937 random(kSeed);
  for (int trial = 0; trial < 2000; ++trial) {
    Arrows arrows(1 + random() % 8);
    const std::size_t count = random() % (2 * arrows.size());
    for (std::size_t i = 0; i < count; ++i) arrows[random() % arrows.size()].push_back(random() % arrows.size());
    const auto found = final_components(arrows);
    EXPECT_EQ(std::set(found.begin(), found.end()), final_by_definition(arrows))
        << "trial " << trial << ", seed " << kSeed;
    EXPECT_EQ(std::set(found.begin(), found.end()).size(), found.size());
  }
}

TEST(Components, OfALongChainNeedNoDeepStack) {
  Arrows chain(200'000);
  for (std::size_t i = 0; i + 1 < chain.size(); ++i) chain[i] = {i + 1};
  EXPECT_EQ(final_components(chain), (std::vector<std::vector<std::size_t>>{{chain.size() - 1}}));
}

// ---- Roll calls

ProcessView process(int rank, char state = 'S') {
  ProcessView view;
  view.host = "node1";
  view.process = 1000 + rank;
  view.state = state;
  view.world_rank = rank;
  view.world_size = 4;
  view.communicators = {{.serial = 1, .stamp = 77, .rank = rank, .size = 4, .begun = 7}};
  view.last = "allreduce #6 (sum f32 x 1)";
  view.last_s = 1.5;
  return view;
}

ProcessView waiting(int rank, std::vector<int> awaited, const std::string& label = "allreduce #7 (sum f32 x 1, ring)") {
  ProcessView view = process(rank);
  CommunicatorView& wait = view.communicators.front();
  wait.mode = WaitMode::waits;
  wait.label = label;
  wait.sequence = 7;
  wait.begun = 8;
  wait.waited_s = 12.34;
  wait.awaited = static_cast<int>(awaited.size());
  wait.ranks = std::move(awaited);
  return view;
}

std::vector<std::string> words_of(const std::vector<ProcessView>& job) {
  std::vector<std::string> words;
  for (const Suspect& suspect : HangReport(job).suspects()) words.push_back(suspect.words);
  return words;
}
using Words = std::vector<std::string>;

TEST(HangReport, NamesRanks) {
  EXPECT_EQ(ranks_in_words({3}), "rank 3");
  EXPECT_EQ(ranks_in_words({2, 0, 1, 5}), "ranks 0-2, 5");
  EXPECT_EQ(ranks_in_words({4, 5, 4}), "ranks 4, 5");
}

TEST(HangReport, BlamesNobodyWhoIsNotWaitedFor) {
  EXPECT_EQ(words_of({process(0), process(1)}), Words{});
  EXPECT_EQ(words_of({}), Words{});
}

TEST(HangReport, LeadsToTheRankThatStaysAway) {
  EXPECT_EQ(
      words_of({waiting(0, {3}), waiting(1, {0}), waiting(2, {3}), process(3)}),
      Words{"rank 3 (pid 1003) is in no tutti call since allreduce #6 ended, 1.5 s ago; ranks 0, 2 wait for it in "
            "allreduce #7, and rank 1 through them"});
}

TEST(HangReport, TellsWhatElseTheRankDoes) {
  ProcessView busy = process(1);
  busy.last_runs = true;
  ProcessView fresh = process(1);
  fresh.last.clear();
  ProcessView done = process(1);
  done.finished = true;
  ProcessView tests = waiting(1, {0});
  tests.communicators.front().mode = WaitMode::tests;
  tests.communicators.front().looked_s = 30;
  const std::string end = "; rank 0 waits for it in allreduce #7";
  const auto blamed = [&](const ProcessView& other) { return words_of({waiting(0, {1}), other}); };
  EXPECT_EQ(blamed(busy), Words{"rank 1 (pid 1001) is in allreduce #6 (sum f32 x 1) and does not wait" + end});
  EXPECT_EQ(blamed(fresh), Words{"rank 1 (pid 1001) is in no tutti call" + end});
  EXPECT_EQ(blamed(done), Words{"rank 1 (pid 1001) is in MPI_Finalize, or past it" + end});
  EXPECT_EQ(blamed(tests), Words{"rank 1 (pid 1001) is in no tutti call; it tested allreduce #7 (sum f32 x 1, ring) "
                                 "30.0 s ago" +
                                 end});
  EXPECT_EQ(blamed(process(1, 'Z')), Words{"rank 1 (pid 1001, dead) is dead" + end});
}

/// Whatever it waited for when it was stopped is not why the others wait.
TEST(HangReport, ExcusesNobodyWhoIsStopped) {
  ProcessView stopped = waiting(1, {0});
  stopped.state = 'T';
  EXPECT_EQ(words_of({waiting(0, {1}), stopped}),
            Words{"rank 1 (pid 1001, stopped) was stopped while it waited in allreduce #7 (sum f32 x 1, ring); rank 0 "
                  "waits for it in allreduce #7"});
}

/// A job that somebody stopped to look at it.
TEST(HangReport, SeesThroughAJobThatIsStoppedAsAWhole) {
  ProcessView zero = waiting(0, {1});
  zero.state = 'T';
  EXPECT_EQ(words_of({zero, process(1, 'T')}),
            Words{"rank 1 (pid 1001, stopped) is in no tutti call since allreduce #6 "
                  "ended, 1.5 s ago; rank 0 waits for it in allreduce #7"});
}

TEST(HangReport, FindsCircles) {
  const auto found = words_of(
      {waiting(0, {1}, "receive from rank 1 (i32 x 1)"), waiting(1, {0}, "barrier #7"), waiting(2, {0}), process(3)});
  EXPECT_EQ(found, Words{"ranks 0, 1 wait for each other: rank 0 (pid 1000) waits in receive from rank 1 (i32 x 1) for "
                         "rank 1, for 12.3 s; rank 1 (pid 1001) waits in barrier #7 for rank 0, for 12.3 s"});
}

TEST(HangReport, TellsOfRanksThatAreNotSeen) {
  EXPECT_EQ(words_of({waiting(0, {1, 3}), waiting(1, {3})}),
            Words{"rank 3 of the 4 of communicator 0, not seen; ranks 0, 1 wait for it in allreduce #7"});
  EXPECT_EQ(
      HangReport({waiting(0, {1, 3}), process(1)}).activity(waiting(0, {1, 3})),
      "waits in allreduce #7 (sum f32 x 1, ring) for rank 1, rank 3 of the 4 of communicator 0, not seen, for 12.3 s");
}

TEST(HangReport, NamesHostsWhereThereAreSeveral) {
  ProcessView far = process(1);
  far.host = "node2";
  EXPECT_EQ(words_of({waiting(0, {1}), far}).at(0).substr(0, 26), "rank 1 (pid 1001 on node2)");
}

/// Only so many ranks are named; the others follow from what they have begun.
TEST(HangReport, AddsThoseThatHaveNotBegun) {
  ProcessView zero = waiting(0, {1});
  zero.communicators.front().awaited = 3;
  const auto found = words_of({zero, process(1), waiting(2, {}), process(3)});
  ASSERT_EQ(found.size(), 2U);  // rank 2 has begun
  EXPECT_EQ(found[0].substr(0, 17), "rank 1 (pid 1001)");
  EXPECT_EQ(found[1].substr(0, 17), "rank 3 (pid 1003)");
}

TEST(HangReport, TakesAnyRankForAll) {
  ProcessView zero = waiting(0, {}, "receive from any rank (i32 x 1)");
  zero.communicators.front().sequence = UINT64_MAX;
  zero.communicators.front().anyone = true;
  const auto found = words_of({zero, waiting(1, {3}), process(2), process(3)});
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].substr(0, 17), "rank 2 (pid 1002)");
  EXPECT_EQ(found[1].substr(0, 17), "rank 3 (pid 1003)");
}

}  // namespace
}  // namespace tutti::detail
