// Allreduce in the memory of local ranks: every type, operator, size and kind of memory; many under way; calls that
// differ and ranks that stay away; memory that comes and goes.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <numeric>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <tests/support/ranks/errors.hpp>
#include <tests/support/ranks/grid.hpp>
#include <tutti/allreduce/allreduce.hpp>
#include <tutti/collectives/collectives.hpp>
#include <tutti/collectives/communicator/communicator_state.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti {
namespace {

constexpr unsigned kSeed = 977;

/// Whose memory can be mapped.
enum class Who { none, all, even, odd };

bool is_among(Who who, int rank) {
  return who == Who::all || (who == Who::even && rank % 2 == 0) || (who == Who::odd && rank % 2 == 1);
}

class Direct : public testing::Test {
 protected:
  Direct() : comm_(test::world()) {}

  void SetUp() override {
    if (comm_.size() == 1) GTEST_SKIP() << "alone, a collective is a copy";
    ASSERT_NE(comm_.state().node(), nullptr) << "the ranks of this node cannot map each other's memory";
  }

  /// Memory for data and guards, mapped or not.
  std::shared_ptr<void> memory(bool is_mapped, std::size_t bytes) const {
    if (is_mapped) return comm_.allocate_bytes(bytes);
    return {std::calloc(1, bytes), std::free};
  }

  /// Reduces `count` elements and compares; empty if right.
  std::string try_one(DType dtype, ReduceOp op, std::size_t count, Who inputs, Who outputs, bool in_place) {
    constexpr std::size_t kGuard = 64;
    constexpr std::byte kPoison{0xFF};
    const std::size_t bytes = count * size_of(dtype);
    const auto guarded = [&](Who who) {
      auto made = memory(is_among(who, comm_.rank()), bytes + 2 * kGuard + 8192);
      std::fill_n(static_cast<std::byte*>(made.get()), bytes + 2 * kGuard, kPoison);
      return made;
    };
    const auto in = guarded(in_place ? outputs : inputs);
    const auto out = in_place ? in : guarded(outputs);
    auto* const from = static_cast<std::byte*>(in.get()) + kGuard;
    auto* const to = static_cast<std::byte*>(out.get()) + kGuard;
    const test::Bytes given = test::contributions(dtype, op, comm_.rank(), 0, count);
    std::copy(given.begin(), given.end(), from);
    allreduce(comm_, ConstBuffer(from, count, dtype), Buffer(to, count, dtype), op);
    const test::Bytes expected = test::reductions(dtype, op, comm_.size(), 0, count);
    std::string problem;
    if (!std::equal(expected.begin(), expected.end(), to)) problem += "wrong result; ";
    if (!in_place && !std::equal(given.begin(), given.end(), from)) problem += "the input has changed; ";
    for (const std::byte* const guard : {to - kGuard, to + bytes, from - kGuard, from + bytes}) {
      if (!std::all_of(guard, guard + kGuard, [](std::byte b) { return b == kPoison; })) problem += "beside it; ";
    }
    if (problem.empty()) return {};
    return text(problem, name(op), " ", name(dtype), " x ", count, ", inputs ", static_cast<int>(inputs), ", outputs ",
                static_cast<int>(outputs), in_place ? ", in place" : "");
  }

  Communicator comm_;
};

TEST_F(Direct, EveryTypeOperatorAndSize) {
  const auto size = static_cast<std::size_t>(comm_.size());
  for (const DType dtype : kAllDTypes) {
    for (const ReduceOp op : kAllReduceOps) {
      if (!is_supported(op, dtype) || (op == ReduceOp::prod && comm_.size() > 7)) continue;  // f16 ends at 2^16
      for (const std::size_t count : {std::size_t{0}, std::size_t{1}, size + 1, std::size_t{517}, std::size_t{9001}}) {
        EXPECT_EQ(try_one(dtype, op, count, Who::none, Who::all, false), "");
        EXPECT_EQ(try_one(dtype, op, count, Who::none, Who::all, true), "");
      }
    }
  }
}

TEST_F(Direct, EveryKindOfMemory) {
  for (const std::size_t count :
       {std::size_t{1500}, std::size_t{16'384}, std::size_t{100'003}, std::size_t{1'100'000}}) {
    for (const Who inputs : {Who::none, Who::all, Who::even, Who::odd}) {
      for (const Who outputs : {Who::none, Who::all, Who::even, Who::odd}) {
        EXPECT_EQ(try_one(DType::f32, ReduceOp::sum, count, inputs, outputs, false), "");
        if (inputs != outputs) continue;
        EXPECT_EQ(try_one(DType::i16, ReduceOp::max, count, inputs, outputs, true), "");
      }
    }
  }
}

TEST_F(Direct, ManyUnderWayInAnyOrder) {
  std::mt19937 generator(kSeed + static_cast<unsigned>(comm_.rank()));  // ranks wait in orders of their own
  constexpr int kMany = 40;                                             // more than there are posts
  for (int round = 0; round < 10; ++round) {
    std::vector<Allocation<float>> data;
    std::vector<Request> operations;
    for (int i = 0; i < kMany; ++i) {
      const std::size_t count = i % 3 == 0 ? 20'000 : static_cast<std::size_t>(i + 1);
      data.push_back(comm_.allocate<float>(count));
      std::fill(data.back().begin(), data.back().end(), static_cast<float>(comm_.rank() + i));
      operations.push_back(iallreduce(comm_, data.back().span(), ReduceOp::sum));
    }
    std::vector<int> order(kMany);
    for (int i = 0; i < kMany; ++i) order[static_cast<std::size_t>(i)] = i;
    std::shuffle(order.begin(), order.end(), generator);
    for (const int i : order) operations[static_cast<std::size_t>(i)].wait();
    for (int i = 0; i < kMany; ++i) {
      const int sum = comm_.size() * i + comm_.size() * (comm_.size() - 1) / 2;
      const auto expected = static_cast<float>(sum);
      const Allocation<float>& got = data[static_cast<std::size_t>(i)];
      EXPECT_EQ(std::count(got.begin(), got.end(), expected), std::ssize(got.span())) << i << ", seed " << kSeed;
    }
  }
}

/// Lines of /proc/self/maps that are memory of tutti's.
int mappings() {
  std::ifstream maps("/proc/self/maps");
  int found = 0;
  for (std::string line; std::getline(maps, line);) found += line.find("memfd:tutti") != std::string::npos ? 1 : 0;
  return found;
}

TEST_F(Direct, MemoryThatIsFreedIsLetGoOfByAll) {
  int before = 0;
  for (int turn = 0; turn < 40; ++turn) {
    auto data = comm_.allocate<float>(5000 + static_cast<std::size_t>(turn) * 1000);
    std::fill(data.begin(), data.end(), 1.0F);
    allreduce(comm_, data.span(), ReduceOp::sum);
    EXPECT_EQ(data[4999], static_cast<float>(comm_.size()));
    if (turn == 5) before = mappings();
  }
  EXPECT_GT(before, comm_.size());
  EXPECT_LE(mappings(), before);
}

TEST_F(Direct, MoreAllocationsThanCanBeMapped) {
  std::vector<Allocation<float>> all;
  all.reserve(600);
  for (int i = 0; i < 600; ++i) all.push_back(comm_.allocate<float>(1200));
  for (const std::size_t i : {std::size_t{0}, std::size_t{509}, std::size_t{599}}) {
    std::fill(all[i].begin(), all[i].end(), 2.0F);
    allreduce(comm_, all[i].span(), ReduceOp::sum);
    EXPECT_EQ(all[i][1199], 2.0F * static_cast<float>(comm_.size()));
  }
}

TEST_F(Direct, PartsOfACommunicatorMapTheSameMemory) {
  const auto half = *comm_.split(comm_.rank() % 2);
  EXPECT_EQ(half.selection_facts().shared_memory, half.size() > 1);
  auto data = comm_.allocate<float>(50'000);
  std::fill(data.begin(), data.end(), 1.0F);
  allreduce(half, data.span(), ReduceOp::sum);
  allreduce(comm_, data.span(), ReduceOp::max);
  const int larger_half = (comm_.size() + 1) / 2;
  EXPECT_EQ(data[49'999], static_cast<float>(larger_half));
}

TEST_F(Direct, IsWhatMessagesGive) {
  CommunicatorOptions options = test::patient();
  options.reproducibility = Reproducibility::layout;
  const Communicator direct = test::world(options);
  options.shared_memory = false;
  const Communicator messages = test::world(options);
  ASSERT_EQ(messages.state().node(), nullptr);
  std::mt19937 generator(kSeed + static_cast<unsigned>(comm_.rank()));
  std::normal_distribution<float> normal;
  for (const std::size_t count : {std::size_t{100}, std::size_t{70'001}}) {
    std::vector<float> one(count);
    for (float& x : one) x = normal(generator);
    std::vector<float> other = one;
    allreduce(direct, std::span(one), ReduceOp::avg);
    allreduce(messages, std::span(other), ReduceOp::avg);
    EXPECT_EQ(one, other) << "seed " << kSeed;
  }
}

std::string error_of(const auto& act) {
  try {
    act();
  } catch (const CommunicationError& error) {
    return error.what();
  }
  return "no error";
}

TEST_F(Direct, CallsThatDifferAreAnErrorOnEveryRank) {
  for (const std::size_t large : {std::size_t{100}, std::size_t{50'000}}) {
    const Communicator comm = test::world();
    std::vector<float> data(large + 1);
    const bool is_last = comm.rank() == comm.size() - 1;
    const std::string error =
        error_of([&] { allreduce(comm, std::span(data).first(is_last ? large + 1 : large), ReduceOp::sum); });
    EXPECT_NE(error.find(text("sum f32 x ", large)), std::string::npos) << error;
    EXPECT_NE(error.find(text("sum f32 x ", large + 1)), std::string::npos) << error;
    EXPECT_NE(error.find(text("rank ", comm.size() - 1)), std::string::npos) << error;
    EXPECT_TRUE(comm.unusable());
  }
}

/// In as many calls as there are chunks staged, and its memory is its own again after each.
TEST_F(Direct, ARootThatStagesItsDataWaitsForNobody) {
  const Communicator comm = test::world(test::with_timeout_of(std::chrono::seconds(5)));
  const int root = comm.size() - 1;
  const bool is_root = comm.rank() == root;
  std::vector<int> all(10'080);  // a chunk, and a multiple of many numbers of ranks
  std::vector<int> block(all.size() / static_cast<std::size_t>(comm.size()));
  // Who waits for another's calls to be over begins with its own after that: all for the root, rank 0 for rank 1 too.
  const auto wait_for = [&](int rank) { MPI_Recv(nullptr, 0, MPI_BYTE, rank, 0, comm_.mpi(), MPI_STATUS_IGNORE); };
  const auto tell = [&](int rank) { MPI_Send(nullptr, 0, MPI_BYTE, rank, 0, comm_.mpi()); };
  if (!is_root) wait_for(root);
  if (comm.rank() == 0 && root > 1) wait_for(1);
  for (int i = 0; i < 4; ++i) {
    if (is_root) std::iota(all.begin(), all.end(), 1000 * i);
    if (i < 2) {
      broadcast(comm, std::span(all), root);
    } else {
      scatter(comm, std::span<const int>(all), std::span(block), root);
    }
    const auto first = i < 2 ? std::size_t{0} : block.size() * static_cast<std::size_t>(comm.rank());
    std::vector<int> expected(i < 2 ? all.size() : block.size());
    std::iota(expected.begin(), expected.end(), 1000 * i + static_cast<int>(first));
    EXPECT_EQ(i < 2 ? all : block, expected) << i;
    if (is_root) std::fill(all.begin(), all.end(), -1);
  }
  for (int r = 0; is_root && r < root; ++r) tell(r);
  if (comm.rank() == 1 && root > 1) tell(0);
  barrier(comm);
}

TEST_F(Direct, ARankThatStaysAwayIsNamed) {
  for (const std::size_t count : {std::size_t{1}, std::size_t{50'000}}) {
    const Communicator comm = test::world(test::with_timeout_of(std::chrono::milliseconds(500)));
    std::vector<float> data(count);
    if (comm.rank() == 1) {
      const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
      while (!comm.unusable() && std::chrono::steady_clock::now() < end) {
        error_of([&] { comm.state().poll_control_messages(); });
      }
      EXPECT_TRUE(comm.unusable());
    } else {
      const std::string error = error_of([&] { allreduce(comm, std::span(data), ReduceOp::sum); });
      EXPECT_NE(error.find("waits for rank 1"), std::string::npos) << error;
      EXPECT_NE(error.find("no progress for 0.5 s"), std::string::npos) << error;
    }
  }
}

TEST_F(Direct, ARankThatComesLateDoesNotTouchWhatAnotherHasFreed) {
  const Communicator comm = test::world(test::with_timeout_of(std::chrono::milliseconds(500)));
  constexpr std::size_t kCount = 50'000;
  if (comm.rank() == 1) {
    MPI_Barrier(comm_.mpi());  // by now the others have given up, and freed
    auto data = comm.allocate<float>(kCount);
    std::fill(data.begin(), data.end(), 1.0F);
    const std::string error = error_of([&] { allreduce(comm, data.span(), ReduceOp::sum); });
    EXPECT_NE(error, "no error");
    MPI_Barrier(comm_.mpi());
    return;
  }
  std::optional data = comm.allocate<float>(kCount);
  EXPECT_NE(error_of([&] { allreduce(comm, data->span(), ReduceOp::sum); }), "no error");
  data.reset();
  // The descriptor's number is used again, by memory and by a file.
  const auto again = comm_.allocate<float>(kCount);
  std::FILE* const file = std::tmpfile();
  ASSERT_NE(file, nullptr);
  const std::vector<char> text(kCount * sizeof(float), 'x');
  std::fwrite(text.data(), 1, text.size(), file);
  std::fflush(file);
  MPI_Barrier(comm_.mpi());
  MPI_Barrier(comm_.mpi());
  EXPECT_EQ(std::count(again.begin(), again.end(), 0.0F), std::ssize(again.span()));
  std::rewind(file);
  std::vector<char> read(text.size());
  EXPECT_EQ(std::fread(read.data(), 1, read.size(), file), read.size());
  EXPECT_EQ(read, text);
  std::fclose(file);
}

TEST_F(Direct, WhatIsUnderWayFailsWhenItsCommunicatorDoes) {
  const Communicator comm = test::world();
  std::vector<float> data(10);
  if (comm.rank() == 1) MPI_Barrier(comm_.mpi());  // so that it stays under way at the others
  Request operation = iallreduce(comm, std::span(data), ReduceOp::sum);
  if (comm.rank() != 1) {
    comm.abandon("given up");
    MPI_Barrier(comm_.mpi());
  }
  MPI_Barrier(comm_.mpi());
  if (comm.rank() == 1) return;  // where it may be complete; for the others nothing is missing now
  EXPECT_NE(error_of([&] { operation.wait(); }).find("given up"), std::string::npos);
}

TEST_F(Direct, WithoutDescriptorsMemoryIsPlain) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit few = before;
  few.rlim_cur = 80;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  std::vector<Allocation<float>> all;
  all.reserve(120);
  for (int i = 0; i < 120; ++i) all.push_back(comm_.allocate<float>(2000));
  for (Allocation<float>& one : all) {
    std::fill(one.begin(), one.end(), 1.0F);
    allreduce(comm_, one.span(), ReduceOp::sum);
    EXPECT_EQ(one[1999], static_cast<float>(comm_.size()));
  }
  EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
}

TEST_F(Direct, WithoutLargeFilesRanksExchangeMessages) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit small = before;
  if (comm_.rank() == 0) small.rlim_cur = 65536;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const Communicator comm = test::world();
  EXPECT_EQ(comm.state().node(), nullptr);
  EXPECT_FALSE(comm.selection_facts().shared_memory);
  EXPECT_NE(comm.selection_facts().digest, comm_.selection_facts().digest);
  std::vector<float> data(5000, 1.0F);
  allreduce(comm, std::span(data), ReduceOp::sum);
  EXPECT_EQ(data[4999], static_cast<float>(comm.size()));
  EXPECT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
}

TEST_F(Direct, SwitchedOffWithoutIt) {
  setenv("TUTTI_SHARED_MEMORY", "0", 1);
  EXPECT_EQ(test::world().state().node(), nullptr);
  setenv("TUTTI_SHARED_MEMORY", "yes", 1);
  EXPECT_THROW(test::world(), InvalidArgument);
  setenv("TUTTI_SHARED_MEMORY", comm_.rank() == 0 ? "0" : "1", 1);
  EXPECT_THROW(test::world(), InvalidArgument);
  unsetenv("TUTTI_SHARED_MEMORY");
}

}  // namespace
}  // namespace tutti
