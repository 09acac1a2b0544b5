// Bits that do not depend on the layout: at level `layout` every element is the same sum, bit for bit, whatever the
// algorithm, the cut, the place in a fused buffer, the nodes or the transport.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include <tests/support/ranks/grid.hpp>
#include <tutti/allreduce/allreduce.hpp>
#include <tutti/allreduce/allreduce_table.hpp>
#include <tutti/collectives/collectives.hpp>
#include <tutti/collectives/schedule/algorithm_table.hpp>
#include <tutti/kernels/cast.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/reduce.hpp>

namespace tutti {
namespace {

constexpr unsigned kSeed = 20240117;
constexpr std::size_t kCount = 5003;

CommunicatorOptions with_layout(int ranks_per_node = 0) {
  CommunicatorOptions options = test::patient();
  options.reproducibility = Reproducibility::layout;
  if (ranks_per_node != 0) options.ranks_per_node = ranks_per_node;
  return options;
}

/// Numbers whose sums round, of very different sizes: another order of additions is another result.
test::Bytes numbers(DType dtype, int rank, std::size_t count) {
  std::mt19937 generator(kSeed + static_cast<unsigned>(rank));
  std::uniform_real_distribution<float> mantissa(-1, 1);
  std::uniform_int_distribution<int> exponent(-12, 12);
  std::vector<float> values(count);
  for (float& value : values) value = std::ldexp(mantissa(generator), exponent(generator));
  test::Bytes bytes(count * size_of(dtype));
  if (dtype == DType::f32) {
    std::memcpy(bytes.data(), values.data(), bytes.size());
  } else {
    cast(ConstBuffer(std::span(values)), Buffer(bytes.data(), count, dtype));
  }
  return bytes;
}

/// The sum of all ranks' numbers from left to right in one pass.
test::Bytes sum_in_rank_order(DType dtype, int ranks, std::size_t count) {
  std::vector<test::Bytes> all;
  std::vector<ConstBuffer> inputs;
  all.reserve(static_cast<std::size_t>(ranks));
  inputs.reserve(static_cast<std::size_t>(ranks));
  for (int r = 0; r < ranks; ++r) all.push_back(numbers(dtype, r, count));
  for (const test::Bytes& of_rank : all) inputs.emplace_back(of_rank.data(), count, dtype);
  test::Bytes sum(count * size_of(dtype));
  reduce_all(ReduceOp::sum, inputs, Buffer(sum.data(), count, dtype));
  return sum;
}

std::vector<std::string_view> names_at_once(Collective collective) {
  std::vector<std::string_view> names = {""};
  for (const Algorithm* row : collective == Collective::allreduce ? allreduce_algorithms() : collective_algorithms()) {
    if (row->collective == collective && row->reduces_at_once) names.push_back(row->name);
  }
  return names;
}

TEST(Layout, AllreduceIsTheSumInRankOrder) {
  for (const int ranks_per_node : {0, 2}) {
    const Communicator comm = test::world(with_layout(ranks_per_node));
    for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
      const test::Bytes expected = sum_in_rank_order(dtype, comm.size(), kCount);
      for (const std::string_view name : names_at_once(Collective::allreduce)) {
        for (const std::size_t segment : {std::size_t{0}, std::size_t{64}, std::size_t{5000}, SIZE_MAX}) {
          test::Bytes data = numbers(dtype, comm.rank(), kCount);
          allreduce(comm, Buffer(data.data(), kCount, dtype), ReduceOp::sum,
                    {.algorithm = name, .segment_bytes = segment});
          EXPECT_EQ(std::memcmp(data.data(), expected.data(), data.size()), 0)
              << tutti::name(dtype) << " by '" << name << "' in segments of " << segment << " B, seed " << kSeed;
        }
      }
    }
  }
}

/// The same elements in messages of other sizes, as fusing would make them.
TEST(Layout, PiecesAreTheWhole) {
  const Communicator comm = test::world(with_layout());
  const test::Bytes expected = sum_in_rank_order(DType::f32, comm.size(), kCount);
  for (const std::size_t piece : {1, 7, 333, 4000}) {
    test::Bytes data = numbers(DType::f32, comm.rank(), kCount);
    const Buffer all(data.data(), kCount, DType::f32);
    for (std::size_t first = 0; first < kCount; first += piece * 17) {
      allreduce(comm, all.slice(first, std::min(piece * 17, kCount - first)), ReduceOp::sum);
    }
    EXPECT_EQ(std::memcmp(data.data(), expected.data(), data.size()), 0) << piece * 17;
  }
}

TEST(Layout, ReduceAndReduceScatterAreTheSame) {
  const Communicator comm = test::world(with_layout());
  const auto size = static_cast<std::size_t>(comm.size());
  const std::size_t slice = kCount / size;
  const std::size_t count = slice * size;
  const test::Bytes expected = sum_in_rank_order(DType::bf16, comm.size(), kCount);
  for (const std::string_view name : names_at_once(Collective::reduce_scatter)) {
    test::Bytes data = numbers(DType::bf16, comm.rank(), kCount);
    test::Bytes part(slice * 2);
    reduce_scatter(comm, ConstBuffer(data.data(), count, DType::bf16), Buffer(part.data(), slice, DType::bf16),
                   ReduceOp::sum, {.algorithm = name});
    const std::byte* own = expected.data() + part.size() * static_cast<std::size_t>(comm.rank());
    EXPECT_EQ(std::memcmp(part.data(), own, part.size()), 0) << "reduce_scatter '" << name << "'";
  }
  for (int root = 0; root < comm.size(); ++root) {
    test::Bytes data = numbers(DType::bf16, comm.rank(), kCount);
    test::Bytes sum(kCount * 2);
    reduce(comm, ConstBuffer(data.data(), kCount, DType::bf16), Buffer(sum.data(), kCount, DType::bf16), ReduceOp::sum,
           root, {.segment_bytes = 999});
    if (comm.rank() == root) {
      EXPECT_EQ(std::memcmp(sum.data(), expected.data(), sum.size()), 0) << "reduce to " << root;
    }
  }
}

/// At level `run` algorithms differ in bits: the numbers are such that the promise is worth something.
TEST(Layout, TheNumbersTellOrdersApart) {
  const Communicator comm(MPI_COMM_WORLD, test::patient());
  if (comm.size() < 3) GTEST_SKIP() << "two ranks have one order";
  const test::Bytes expected = sum_in_rank_order(DType::f32, comm.size(), kCount);
  test::Bytes data = numbers(DType::f32, comm.rank(), kCount);
  allreduce(comm, Buffer(data.data(), kCount, DType::f32), ReduceOp::sum, {.algorithm = "ring"});
  EXPECT_NE(std::memcmp(data.data(), expected.data(), data.size()), 0);
}

TEST(Layout, OtherAlgorithmsAreInvalid) {
  const Communicator comm(MPI_COMM_WORLD, with_layout(2));
  std::vector<float> data(100);
  for (const CollectiveOptions& options :
       {CollectiveOptions{.algorithm = "ring"}, CollectiveOptions{.algorithm = "hierarchical"}}) {
    if (comm.size() < 3) break;
    try {
      allreduce(comm, std::span(data), ReduceOp::sum, options);
      ADD_FAILURE() << options.algorithm << ": nothing thrown";
    } catch (const InvalidArgument& error) {
      EXPECT_NE(std::string(error.what()).find("'layout'"), std::string::npos) << error.what();
    }
  }
  allreduce(comm, std::span(data), ReduceOp::sum);
}

}  // namespace
}  // namespace tutti
