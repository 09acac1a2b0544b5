// What is remembered of calls: schedules say what their algorithms say, and what depends on a single call is looked at
// in every call.
#include <gtest/gtest.h>

#include <algorithm>
#include <span>
#include <vector>

#include <tests/support/ranks/grid.hpp>
#include <tutti/allreduce/allreduce.hpp>
#include <tutti/collectives/schedule/algorithm_table.hpp>
#include <tutti/collectives/schedule/compiled_schedule.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti {
namespace {

bool same(const Send& a, const Send& b) { return a.peer == b.peer && a.from == b.from && a.blocks == b.blocks; }
bool same(const Receive& a, const Receive& b) {
  return a.peer == b.peer && a.to == b.to && a.blocks == b.blocks && a.reduction == b.reduction && a.with == b.with;
}
bool same(const Copy& a, const Copy& b) {
  return a.from == b.from && a.to == b.to && a.blocks == b.blocks && a.shift == b.shift;
}
template <class T>
bool same(const std::vector<T>& a, const std::vector<T>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const T& x, const T& y) { return same(x, y); });
}

TEST(CompiledSchedules, SayWhatTheirAlgorithmsSay) {
  int held = 0;
  int made = 0;
  for (const Algorithm* algorithm : collective_algorithms()) {
    for (const int size : {2, 3, 8, 70}) {
      const Position at = {.rank = size / 2, .size = size, .root = 0, .radix = 2};
      const detail::CompiledSchedule schedule(*algorithm, at);
      ASSERT_EQ(schedule.rounds(), algorithm->rounds(at.shape())) << algorithm->name;
      EXPECT_EQ(schedule.blocks(), algorithm->blocks(at.shape())) << algorithm->name;
      EXPECT_EQ(schedule.needs_scratch(), algorithm->needs_scratch(at)) << algorithm->name;
      Round space;
      for (int i = schedule.rounds() - 1; i >= 0; --i) {
        Round expected;
        algorithm->round(at, i, expected);
        const Round& found = schedule.round(i, space);
        ++(&found == &space ? made : held);
        EXPECT_TRUE(same(found.sends, expected.sends) && same(found.receives, expected.receives) &&
                    same(found.copies, expected.copies))
            << algorithm->name << ", " << size << " ranks, round " << i;
      }
    }
  }
  EXPECT_GT(held, 0);
  EXPECT_GT(made, 0);
}

TEST(ScheduleStore, KeepsThoseOfRootsThatTakeTurns) {
  constexpr int kRanks = 64;
  const Algorithm& tree = *find_algorithm(collective_algorithms(), Collective::broadcast, "knomial");
  detail::ScheduleStore store(1, {.size = kRanks});
  std::vector<const detail::CompiledSchedule*> first;
  for (int root = 0; root < kRanks; ++root) {
    first.push_back(store.find(tree, 2, root).get());
    EXPECT_EQ(first.back()->at().root, root);
    EXPECT_EQ(first.back()->at().radix, 2);
  }
  for (int root = 0; root < kRanks; ++root) {
    EXPECT_EQ(store.find(tree, 2, root).get(), first[static_cast<std::size_t>(root)]) << root;
  }
  EXPECT_EQ(store.find(tree, 3, 0)->at().radix, 3);
}

TEST(LikeCalls, AreRefusedWhereTheirBuffersOverlap) {
  const Communicator comm(MPI_COMM_WORLD, test::patient());
  std::vector<int> data(8, 1);
  const auto sum = [&](std::size_t input, std::size_t output) {
    const std::span<int> all(data);
    allreduce(comm, ConstBuffer(all.subspan(input, 4)), Buffer(all.subspan(output, 4)), ReduceOp::sum);
  };
  sum(0, 4);
  sum(0, 0);  // in place
  EXPECT_EQ(data, std::vector<int>(8, comm.size()));
  EXPECT_THROW(sum(0, 1), InvalidArgument);
  EXPECT_THROW(sum(3, 0), InvalidArgument);
  sum(4, 0);
  EXPECT_EQ(data[0], comm.size() * comm.size());
}

TEST(LikeCalls, OfOtherKindsAreChecked) {
  const Communicator comm(MPI_COMM_WORLD, test::patient());
  std::vector<int> data(4, 1);
  const std::span<int> all(data);
  const auto sum = [&](ConstBuffer input, const CollectiveOptions& options = {}) {
    allreduce(comm, input, Buffer(all), ReduceOp::sum, options);
  };
  sum(ConstBuffer(all));
  EXPECT_THROW(sum(ConstBuffer(nullptr, 4, DType::i32)), InvalidArgument);
  EXPECT_THROW(sum(ConstBuffer(data.data(), 4, DType::f32)), InvalidArgument);
  EXPECT_THROW(sum(ConstBuffer(data.data(), 3, DType::i32)), InvalidArgument);
  EXPECT_THROW(sum(ConstBuffer(data.data(), 4, DType::i32, MemorySpace::device)), InvalidArgument);
  EXPECT_THROW(sum(ConstBuffer(all), {.radix = 1}), InvalidArgument);
  EXPECT_THROW(sum(ConstBuffer(all), {.algorithm = "none"}), InvalidArgument);
  EXPECT_THROW(allreduce(comm, Buffer(all), static_cast<ReduceOp>(99)), InvalidArgument);
  sum(ConstBuffer(all));
  EXPECT_EQ(data, std::vector<int>(4, comm.size() * comm.size()));
}

}  // namespace
}  // namespace tutti
