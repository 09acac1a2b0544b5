// Groups of allreduces: fused and not, of many types and sizes, several groups under way, wrong members.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include <tests/support/ranks/grid.hpp>
#include <tutti/allreduce/allreduce_group.hpp>
#include <tutti/collectives/communicator/communicator_state.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti {
namespace {

using test::Guarded;

/// Tensors of the counts, contributed by this rank, and what they shall be.
class Tensors {
 public:
  Tensors(const Communicator& comm, const std::vector<std::size_t>& counts) {
    for (std::size_t i = 0; i < counts.size(); ++i) {
      const DType dtype = i % 3 == 0 ? DType::f32 : i % 3 == 1 ? DType::i32 : DType::bf16;
      const ReduceOp op = i % 2 == 0 ? ReduceOp::sum : ReduceOp::max;
      Tensor& tensor = tensors_.emplace_back(Tensor{Guarded(dtype, counts[i], i % 4), op, {}});
      tensor.memory.set(0, test::contributions(dtype, op, comm.rank(), i, counts[i]));
      tensor.expected = test::reductions(dtype, op, comm.size(), i, counts[i]);
    }
  }
  void add_to(AllreduceGroup& group) {
    for (Tensor& tensor : tensors_) group.add(tensor.memory.buffer(), tensor.op);
  }
  void expect_right() {
    for (Tensor& tensor : tensors_) {
      EXPECT_EQ(tensor.memory.compare("tensor", 0, tensor.expected) + tensor.memory.compare_guards("tensor"), "");
    }
  }

 private:
  struct Tensor {
    Guarded memory;
    ReduceOp op;
    test::Bytes expected;
  };
  std::vector<Tensor> tensors_;
};

const std::vector<std::size_t> kCounts = {1, 0, 17, 5000, 3, 70'000, 64, 999, 1, 1, 12'345, 8};

/// How many operations a group of five tensors of 4000 bytes becomes.
std::uint64_t pieces_of(const Communicator& comm, const AllreduceGroupOptions& options) {
  std::vector<std::vector<float>> tensors(5, std::vector<float>(1000));
  AllreduceGroup group(comm, options);
  for (std::vector<float>& tensor : tensors) group.add(tensor, ReduceOp::sum);
  const std::uint64_t before = comm.state().take_sequence();
  group.start().wait();
  return comm.state().take_sequence() - before - 1;
}

TEST(RankGroup, PiecesAreAsLargeAsTheOptionsSay) {
  const Communicator comm = test::world();
  EXPECT_EQ(pieces_of(comm, {.fused_bytes = 4000, .piece_bytes = 20'000}), 1U);
  EXPECT_EQ(pieces_of(comm, {.fused_bytes = 4000, .piece_bytes = 19'999}), 2U);
  EXPECT_EQ(pieces_of(comm, {.fused_bytes = 4000, .piece_bytes = 8000}), 3U);
  EXPECT_EQ(pieces_of(comm, {.fused_bytes = 4000, .piece_bytes = 7999}), 5U);
  EXPECT_EQ(pieces_of(comm, {.fused_bytes = 3999, .piece_bytes = 20'000}), 5U) << "what is larger is not fused";
}

TEST(RankGroup, IsWhatSingleOnesAre) {
  const Communicator comm = test::world();
  for (const AllreduceGroupOptions& options :
       {AllreduceGroupOptions{}, AllreduceGroupOptions{.fused_bytes = 0},
        AllreduceGroupOptions{.fused_bytes = SIZE_MAX}, AllreduceGroupOptions{.fused_bytes = 4096, .piece_bytes = 5000},
        AllreduceGroupOptions{.piece_bytes = 0}}) {
    AllreduceGroup group(comm, options);
    Tensors tensors(comm, kCounts);
    tensors.add_to(group);
    EXPECT_EQ(group.size(), kCounts.size());
    group.start().wait();
    tensors.expect_right();
    EXPECT_EQ(group.size(), 0U);
  }
}

TEST(RankGroup, SmallOnesShareAnAllreduce) {
  const Communicator comm(MPI_COMM_WORLD, test::patient());
  if (comm.size() == 1) GTEST_SKIP() << "alone, nothing is exchanged";
  const auto operations = [&](std::size_t fused_bytes) {
    AllreduceGroup group(comm, {.fused_bytes = fused_bytes});
    std::vector<std::vector<float>> data(20, std::vector<float>(10, 1.0F));
    for (auto& tensor : data) group.add(Buffer(std::span(tensor)), ReduceOp::sum);
    const std::uint64_t before = comm.state().take_sequence();
    group.start().wait();
    for (const auto& tensor : data) EXPECT_EQ(tensor[9], static_cast<float>(comm.size()));
    return comm.state().take_sequence() - before - 1;
  };
  EXPECT_EQ(operations(1000), 1U);
  EXPECT_EQ(operations(0), 20U);
}

TEST(RankGroup, SeveralAreUnderWay) {
  const Communicator comm = test::world();
  AllreduceGroup first(comm);
  AllreduceGroup second(comm);
  Tensors a(comm, kCounts);
  Tensors b(comm, {100, 200, 300});
  a.add_to(first);
  b.add_to(second);
  Request one = first.start();
  Request other = second.start();
  if (comm.rank() % 2 == 0) one.wait();
  while (!other.test()) {
  }
  one.wait();
  a.expect_right();
  b.expect_right();
  EXPECT_TRUE(first.start().test());  // empty
}

TEST(RankGroup, WrongMembersAreFoundBeforeAnyIsStarted) {
  const Communicator comm = test::world();
  std::vector<float> good(10, 1.0F);
  AllreduceGroup group(comm);
  group.add(Buffer(std::span(good)), ReduceOp::sum);
  group.add(Buffer(nullptr, 5, DType::f32), ReduceOp::sum);
  EXPECT_THROW(static_cast<void>(group.start()), InvalidArgument);
  EXPECT_EQ(good[0], 1.0F);
  EXPECT_FALSE(comm.unusable());
  group.add(Buffer(std::span(good)), ReduceOp::sum);
  group.start().wait();
  EXPECT_EQ(good[0], static_cast<float>(comm.size()));
}

TEST(RankGroup, ThatDiffersIsAnError) {
  const Communicator comm(MPI_COMM_WORLD, test::patient());
  if (comm.size() == 1) GTEST_SKIP() << "needs several ranks";
  std::vector<float> data(10);
  std::vector<float> more(comm.rank() == 0 ? 100 : 200);
  AllreduceGroup group(comm);
  group.add(Buffer(std::span(data)), ReduceOp::sum);
  group.add(Buffer(std::span(more)), ReduceOp::sum);
  EXPECT_THROW(group.start().wait(), CommunicationError);
}

}  // namespace
}  // namespace tutti
