// Every way in which one rank may call otherwise than the others, for every collective, small and large: an error on
// all ranks within a second or two, and no timeout.
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <tests/support/ranks/errors.hpp>
#include <tutti/allreduce/allreduce.hpp>
#include <tutti/collectives/collectives.hpp>
#include <tutti/collectives/schedule/schedule.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::test {
namespace {

/// A call of `collective`; `count` is that of a block.
struct Arguments {
  Collective collective = Collective::barrier;
  std::size_t count = 0;
  DType dtype = DType::f32;
  ReduceOp op = ReduceOp::sum;
  int root = 0;
};

/// Memory that outlives a failed operation.
Buffer lasting_buffer(std::size_t count, DType dtype) {
  return {lasting<std::byte>(count * size_of(dtype)).data(), count, dtype};
}

void call(const Communicator& c, const Arguments& a) {
  const auto blocks = static_cast<std::size_t>(c.size());
  const Buffer block = lasting_buffer(a.count, a.dtype);
  const Buffer all = lasting_buffer(a.count * blocks, a.dtype);
  switch (a.collective) {
    case Collective::allreduce:
      return allreduce(c, block, a.op);
    case Collective::broadcast:
      return broadcast(c, block, a.root);
    case Collective::all_gather:
      return all_gather(c, block, all);
    case Collective::reduce_scatter:
      return reduce_scatter(c, all, block, a.op);
    case Collective::reduce:
      return reduce(c, block, lasting_buffer(a.count, a.dtype), a.op, a.root);
    case Collective::all_to_all:
      return all_to_all(c, all, lasting_buffer(a.count * blocks, a.dtype));
    case Collective::gather:
      return gather(c, block, all, a.root);
    case Collective::scatter:
      return scatter(c, all, block, a.root);
    case Collective::barrier:
      return barrier(c);
  }
}

using Calls = std::vector<Arguments>;

/// What most ranks call one after the other, and what the last rank does.
struct Difference {
  std::string_view title;
  Calls most;
  Calls last;
};

std::vector<Difference> differences(Collective collective, std::size_t count, int size) {
  const Arguments right = {.collective = collective, .count = count};
  const Arguments meeting = {};
  std::vector<Difference> all = {
      {"one rank does not call", {right, meeting}, {meeting}},
      {"one rank calls once more", {right, meeting}, {right, right, meeting}},
      {"another order", {right, meeting, meeting}, {meeting, right, meeting}},
  };
  if (collective == Collective::barrier) {
    all = {{"one rank calls something else", {meeting}, {{.collective = Collective::broadcast, .count = count}}}};
  } else {
    const auto add = [&](std::string_view title, const Arguments& other) {
      all.push_back({title, {right, meeting}, {other, meeting}});
    };
    Arguments other = right;
    other.count += 1;
    add("another count", other);
    other = right;
    other.dtype = DType::i32;
    add("another type", other);
    if (reduces(collective)) {
      other = right;
      other.op = ReduceOp::max;
      add("another operator", other);
    }
    if (is_rooted(collective)) {
      other = right;
      other.root = size - 1;
      add("another root", other);
    }
    other = right;
    other.collective = collective == Collective::allreduce ? Collective::reduce : Collective::allreduce;
    add("another collective", other);
  }
  return all;
}

class EveryDifference : public testing::TestWithParam<Collective> {};

TEST_P(EveryDifference, IsAnErrorOnEveryRank) {
  for (const std::size_t count : {std::size_t{10}, std::size_t{100'000}}) {
    const int size = world().size();
    for (const Difference& difference : differences(GetParam(), count, size)) {
      SCOPED_TRACE(text(name(GetParam()), " x ", count, ": ", difference.title));
      const Communicator comm = with_timeout(10);
      const auto begin = Clock::now();
      const Result result = attempt([&] {
        for (const Arguments& a : comm.rank() == size - 1 ? difference.last : difference.most) call(comm, a);
        // Ranks that called the last one and those that did not meet in the next.
        if (difference.last.size() > difference.most.size() && comm.rank() != size - 1) barrier(comm);
        barrier(comm);
      });
      EXPECT_LT(Clock::now() - begin, std::chrono::seconds(3)) << "only the timeout showed it";
      EXPECT_EQ(result.outcome, Outcome::communication);
      EXPECT_TRUE(contains(result.message, "calls differ")) << result.message;
      EXPECT_TRUE(contains(result.message, text("rank ", size - 1))) << result.message;
      expect_unusable(comm);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Of, EveryDifference, testing::ValuesIn(kAllCollectives),
                         [](const auto& row) { return std::string(name(row.param)); });

}  // namespace
}  // namespace tutti::test
