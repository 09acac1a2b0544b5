// Started allreduces, bits, and fused buffers.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <tests/support/ranks/grid.hpp>
#include <tutti/allreduce/allreduce.hpp>
#include <tutti/allreduce/allreduce_table.hpp>
#include <tutti/allreduce/fused_buffer.hpp>
#include <tutti/kernels/cast.hpp>
#include <tutti/kernels/philox.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti {
namespace {

using test::Bytes;
using test::Guarded;

// ---- Operations in flight

/// Sizes on both sides of everything that changes how an allreduce runs.
constexpr std::size_t kCounts[] = {1, 70001, 0, 1025, 300000, 3, 20000};

struct Started {
  std::size_t count;
  Guarded data;
  Request operation;
};

std::vector<Started> start_several(const Communicator& comm) {
  std::vector<Started> started;
  started.reserve(std::size(kCounts));
  for (const std::size_t count : kCounts) {
    Guarded data(DType::i32, count);
    data.set(0, test::contributions(DType::i32, ReduceOp::sum, comm.rank(), 0, count));
    started.push_back({count, std::move(data), {}});
    started.back().operation = iallreduce(comm, started.back().data.buffer(), ReduceOp::sum);
  }
  return started;
}

void expect_reduced(const Communicator& comm, std::vector<Started>& started) {
  for (Started& one : started) {
    EXPECT_TRUE(one.operation.test());  // a completed operation is
    one.operation.wait();
    EXPECT_EQ(one.data.compare("data", 0, test::reductions(DType::i32, ReduceOp::sum, comm.size(), 0, one.count)) +
                  one.data.compare_guards("data"),
              "");
  }
}

TEST(InFlight, AreWaitedForInOrder) {
  const Communicator comm(MPI_COMM_WORLD, test::patient());
  std::vector<Started> started = start_several(comm);
  for (Started& one : started) one.operation.wait();
  expect_reduced(comm, started);
}

TEST(InFlight, AreWaitedForInReverse) {
  const Communicator comm(MPI_COMM_WORLD, test::patient());
  std::vector<Started> started = start_several(comm);
  std::reverse(started.begin(), started.end());
  for (Started& one : started) one.operation.wait();
  std::reverse(started.begin(), started.end());
  expect_reduced(comm, started);
}

/// What one rank waits for may need another rank's part in an operation that the other is not waiting for.
TEST(InFlight, AreWaitedForInADifferentOrderOnEachRank) {
  const Communicator comm(MPI_COMM_WORLD, test::patient());
  std::vector<Started> started = start_several(comm);
  for (std::size_t i = 0; i < started.size(); ++i) {
    const std::size_t turned = (i + static_cast<std::size_t>(comm.rank())) % started.size();
    started[comm.rank() % 2 == 0 ? turned : started.size() - 1 - turned].operation.wait();
  }
  expect_reduced(comm, started);
}

TEST(InFlight, AreTestedInADifferentOrderOnEachRank) {
  const Communicator comm(MPI_COMM_WORLD, test::patient());
  std::vector<Started> started = start_several(comm);
  for (std::size_t i = 0; i < started.size(); ++i) {
    Started& one = started[(i + static_cast<std::size_t>(comm.rank())) % started.size()];
    while (!one.operation.test()) {
    }
  }
  expect_reduced(comm, started);
}

TEST(InFlight, LetOtherCollectivesPass) {
  const Communicator comm(MPI_COMM_WORLD, test::patient());
  for (int turn = 0; turn < 5; ++turn) {
    std::vector<Started> started = start_several(comm);
    if (turn % 2 == 0 && comm.rank() == 0) started[2].operation.wait();
    barrier(comm);
    double one = 1;
    allreduce(comm, std::span(&one, 1), ReduceOp::sum);
    EXPECT_EQ(one, comm.size());
    std::vector<std::int64_t> data(50000, comm.rank());
    broadcast(comm, std::span(data), comm.size() - 1);
    EXPECT_EQ(data, std::vector<std::int64_t>(50000, comm.size() - 1));
    for (Started& started_one : started) started_one.operation.wait();
    expect_reduced(comm, started);
  }
}

TEST(Request, MadeByDefaultIsCompleteAndMovable) {
  Request none;
  EXPECT_TRUE(none.test());
  none.wait();
  const Communicator comm(MPI_COMM_WORLD, test::patient());
  float one = 1;
  Request first = iallreduce(comm, std::span(&one, 1), ReduceOp::sum);
  Request second = std::move(first);
  second.wait();
  EXPECT_EQ(one, static_cast<float>(comm.size()));
}

// ---- Bits

/// Random values of mixed sign and magnitude, as bytes of `dtype`.
Bytes random_values(DType dtype, int rank, std::size_t count, std::uint64_t seed) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) {
    const double u = random_uniform(seed, static_cast<std::uint64_t>(rank), i);
    values[i] = static_cast<float>(std::ldexp(u - 0.5, static_cast<int>(i % 9)));
  }
  Bytes bytes(count * size_of(dtype));
  if (dtype == DType::f64) {
    const std::vector<double> wide(values.begin(), values.end());
    std::memcpy(bytes.data(), wide.data(), bytes.size());
  } else if (dtype == DType::f32) {
    std::memcpy(bytes.data(), values.data(), bytes.size());
  } else {
    cast(ConstBuffer(std::span<const float>(values)), Buffer(bytes.data(), count, dtype));
  }
  return bytes;
}

void expect_equal_on_all_ranks(const Bytes& bytes, const std::string& what) {
  int size = 0;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  const int n = static_cast<int>(bytes.size());
  Bytes all(bytes.size() * static_cast<std::size_t>(size));
  MPI_Allgather(bytes.data(), n, MPI_BYTE, all.data(), n, MPI_BYTE, MPI_COMM_WORLD);
  for (int r = 0; r < size; ++r) {
    EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), all.begin() + static_cast<std::ptrdiff_t>(r) * n))
        << what << ": rank " << r << " holds other bits";
  }
}

class BitsOf : public testing::TestWithParam<const Algorithm*> {};

TEST_P(BitsOf, AreEqualOnAllRanksAndInEveryRun) {
  const Communicator comm(MPI_COMM_WORLD, test::patient());
  constexpr std::uint64_t kSeed = 20261121;
  for (const DType dtype : {DType::f64, DType::f32, DType::bf16, DType::f16}) {
    for (const std::size_t count : {std::size_t{5}, std::size_t{10007}}) {
      for (const ReduceOp op : {ReduceOp::sum, ReduceOp::avg, ReduceOp::prod}) {
        const Bytes input = random_values(dtype, comm.rank(), count, kSeed);
        const CollectiveOptions options = {.algorithm = GetParam()->name, .segment_bytes = 3000};
        Bytes first = input;
        allreduce(comm, Buffer(first.data(), count, dtype), op, options);
        expect_equal_on_all_ranks(first, text(name(op), " ", name(dtype), " x ", count, " seed ", kSeed));
        Bytes again = input;
        allreduce(comm, Buffer(again.data(), count, dtype), op, options);
        EXPECT_EQ(first, again);
        Bytes output(input.size());
        allreduce(comm, ConstBuffer(input.data(), count, dtype), Buffer(output.data(), count, dtype), op, options);
        EXPECT_EQ(first, output) << "out of place";
      }
    }
  }
}

/// Each of the P-1 additions rounds its result, which is at most sum|x|, by the unit roundoff u: the error is at most
/// (P-1) u sum|x| (1 + u)^(P-1); the last factor is covered by the 1.01.
TEST_P(BitsOf, AreThoseOfASum) {
  const Communicator comm(MPI_COMM_WORLD, test::patient());
  constexpr std::size_t kCount = 4099;
  constexpr std::uint64_t kSeed = 7;
  std::vector<double> exact(kCount);
  std::vector<double> magnitude(kCount);
  std::vector<float> data(kCount);
  for (int r = 0; r < comm.size(); ++r) {
    const Bytes bytes = random_values(DType::f32, r, kCount, kSeed);
    std::vector<float> values(kCount);
    std::memcpy(values.data(), bytes.data(), bytes.size());
    if (r == comm.rank()) data = values;
    for (std::size_t i = 0; i < kCount; ++i) {
      exact[i] += static_cast<double>(values[i]);
      magnitude[i] += std::abs(static_cast<double>(values[i]));
    }
  }
  allreduce(comm, std::span(data), ReduceOp::sum, {.algorithm = GetParam()->name});
  for (std::size_t i = 0; i < kCount; ++i) {
    ASSERT_NEAR(static_cast<double>(data[i]), exact[i], (comm.size() - 1) * 0x1p-24 * magnitude[i] * 1.01)
        << i << " seed " << kSeed;
  }
}

std::vector<const Algorithm*> schedules() {
  std::vector<const Algorithm*> found;
  for (const Algorithm* row : allreduce_algorithms()) {
    if (row->staged == nullptr) found.push_back(row);
  }
  return found;
}
INSTANTIATE_TEST_SUITE_P(Table, BitsOf, testing::ValuesIn(schedules()),
                         [](const auto& row) { return std::string(row.param->name); });

// ---- Fused buffers

TEST(Fused, ViewsAreAlignedZeroedAndApart) {
  const Communicator comm(MPI_COMM_SELF);
  const std::vector<std::size_t> counts = {1, 0, 16, 17, 1000, 3};
  for (const DType dtype : kAllDTypes) {
    const FusedBuffer fused(comm, dtype, counts);
    ASSERT_EQ(fused.tensors(), counts.size());
    const auto* begin = static_cast<const std::byte*>(fused.all().data);
    const auto* end = begin;
    for (std::size_t i = 0; i < counts.size(); ++i) {
      const Buffer view = fused.view(i);
      EXPECT_EQ(view.count, counts[i]);
      EXPECT_EQ(view.dtype, dtype);
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(view.data) % 64, 0U);
      EXPECT_GE(static_cast<const std::byte*>(view.data), end);
      end = static_cast<const std::byte*>(view.data) + view.size_bytes();
    }
    EXPECT_LE(end, begin + fused.all().size_bytes());
    EXPECT_TRUE(std::all_of(begin, begin + fused.all().size_bytes(), [](std::byte b) { return b == std::byte{0}; }));
  }
  EXPECT_THROW(FusedBuffer(comm, DType::f32, counts).view(counts.size()), std::out_of_range);
}

TEST(Fused, MayBeEmpty) {
  const Communicator comm(MPI_COMM_WORLD, test::patient());
  const FusedBuffer none(comm, DType::f32, {});
  allreduce(comm, none, ReduceOp::sum);
  const std::vector<std::size_t> zeros = {0, 0};
  const FusedBuffer empty(comm, DType::f32, zeros);
  allreduce(comm, empty, ReduceOp::sum);
  empty.copy_in(std::vector<ConstBuffer>(2, ConstBuffer(nullptr, 0, DType::f32)));
  EXPECT_EQ(empty.all().count, 0U);
}

TEST(Fused, TooMuchIsBadAlloc) {
  const Communicator comm(MPI_COMM_SELF);
  EXPECT_THROW(FusedBuffer(comm, DType::f64, std::vector<std::size_t>{SIZE_MAX / 8 - 3}), std::bad_alloc);
  EXPECT_THROW(FusedBuffer(comm, DType::f64, std::vector<std::size_t>{SIZE_MAX}), std::bad_alloc);
  EXPECT_THROW(FusedBuffer(comm, DType::f64, std::vector<std::size_t>{SIZE_MAX / 2, SIZE_MAX / 2, 16}), std::bad_alloc);
  EXPECT_THROW(FusedBuffer(comm, DType::u8, std::vector<std::size_t>{SIZE_MAX - 64, 100}), std::bad_alloc);
}

TEST(Fused, OneAllreduceEqualsManyAndCopiesOutliveIt) {
  const Communicator comm(MPI_COMM_WORLD, test::patient());
  const std::vector<std::size_t> counts = {3, 70001, 0, 64, 1};
  for (const DType dtype : {DType::f32, DType::bf16, DType::i64}) {
    for (const ReduceOp op : {ReduceOp::sum, ReduceOp::avg, ReduceOp::max}) {
      std::vector<Bytes> tensors;
      std::vector<ConstBuffer> inputs;
      std::vector<Guarded> memory;
      std::vector<Buffer> outputs;
      memory.reserve(counts.size());
      tensors.reserve(counts.size());
      for (const std::size_t count : counts) {
        inputs.emplace_back(tensors.emplace_back(test::contributions(dtype, op, comm.rank(), 7, count)).data(), count,
                            dtype);
        outputs.push_back(memory.emplace_back(dtype, count, 2).buffer());
      }
      const FusedBuffer copy = [&] {
        FusedBuffer fused(comm, dtype, counts);
        return fused;  // the memory lives as long as any copy
      }();
      copy.copy_in(inputs);
      allreduce(comm, copy, op);
      copy.copy_out(outputs);
      for (std::size_t i = 0; i < counts.size(); ++i) {
        EXPECT_EQ(memory[i].compare("tensor", 0, test::reductions(dtype, op, comm.size(), 7, counts[i])) +
                      memory[i].compare_guards("tensor"),
                  "");
      }
    }
  }
}

TEST(Fused, RefusesTensorsThatDoNotFit) {
  const Communicator comm(MPI_COMM_SELF);
  const std::vector<std::size_t> counts = {3, 4};
  const FusedBuffer fused(comm, DType::f32, counts);
  std::vector<float> values(10, 1.0F);
  const auto of = [&](std::size_t n, DType dtype = DType::f32) { return Buffer(values.data(), n, dtype); };
  EXPECT_THROW(fused.copy_in(std::vector<ConstBuffer>{of(3)}), InvalidArgument);
  EXPECT_THROW(fused.copy_in(std::vector<ConstBuffer>{of(3), of(4), of(1)}), InvalidArgument);
  EXPECT_THROW(fused.copy_in(std::vector<ConstBuffer>{of(3), of(5)}), InvalidArgument);
  EXPECT_THROW(fused.copy_in(std::vector<ConstBuffer>{of(3), of(4, DType::i32)}), InvalidArgument);
  EXPECT_THROW(fused.copy_out(std::vector<Buffer>{of(4), of(3)}), InvalidArgument);
  EXPECT_THROW(fused.copy_in(std::vector<ConstBuffer>{of(3), Buffer(nullptr, 4, DType::f32)}), InvalidArgument);
  EXPECT_THROW(fused.copy_out(std::vector<Buffer>{of(3), Buffer(values.data(), 4, DType::f32, MemorySpace::device)}),
               InvalidArgument);
  EXPECT_EQ(static_cast<float*>(fused.view(0).data)[0], 0.0F);  // nothing was copied
}

}  // namespace
}  // namespace tutti
