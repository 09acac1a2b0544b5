// How many threads ranks get by what their launcher lets them use.
#include <gtest/gtest.h>

#include <initializer_list>
#include <vector>

#include <tutti/trainer/run/cores.hpp>

namespace tutti::trainer::test {

namespace {

Seat seat(std::uint64_t node, std::initializer_list<int> processors) {
  Seat result{.node = node, .processors = {}};
  for (const int processor : processors)
    result.processors[static_cast<std::size_t>(processor) / 64] |= std::uint64_t{1} << processor % 64;
  return result;
}

std::vector<int> threads(const std::vector<Seat>& seats, std::optional<double> quota = {}) {
  std::vector<int> result;
  for (const Seat& mine : seats) result.push_back(threads_for(mine, seats, quota));
  return result;
}

TEST(Cores, BoundRanksHaveTheirOwn) {
  EXPECT_EQ(threads({seat(0, {0, 1}), seat(0, {2, 3})}), (std::vector{2, 2}));
  EXPECT_EQ(threads({seat(0, {0}), seat(0, {1, 2, 70, 8191})}), (std::vector{1, 4}));
}

TEST(Cores, UnboundRanksShareThoseOfTheirNode) {
  const Seat four = seat(0, {0, 1, 2, 3});
  EXPECT_EQ(threads({four, four}), (std::vector{2, 2}));
  EXPECT_EQ(threads({four, four, four}), (std::vector{1, 1, 1}));
  EXPECT_EQ(threads({four, four, four, four, four}), (std::vector{1, 1, 1, 1, 1}));
  const Seat six = seat(0, {0, 1, 2, 3, 4, 5});
  EXPECT_EQ(threads({six, six, six}), (std::vector{2, 2, 2})) << "thirds do not add up";
  const Seat elsewhere = seat(1, {0, 1, 2, 3});
  EXPECT_EQ(threads({four, elsewhere}), (std::vector{4, 4}));
  EXPECT_EQ(threads({seat(0, {0, 1}), seat(0, {1, 2, 3})}), (std::vector{1, 2}));
}

TEST(Cores, AQuotaIsALimitForTheNode) {
  const Seat eight = seat(0, {0, 1, 2, 3, 4, 5, 6, 7});
  EXPECT_EQ(threads({eight}, 1.0), (std::vector{1}));
  EXPECT_EQ(threads({eight}, 0.5), (std::vector{1}));
  EXPECT_EQ(threads({eight, eight}, 4.0), (std::vector{2, 2}));
  EXPECT_EQ(threads({eight, eight}, 100.0), (std::vector{4, 4}));
}

}  // namespace

}  // namespace tutti::trainer::test
