// More memory asked for than there is, in a control group of 512 MiB (with_memory_limit.sh): an error with both
// numbers, before any of it is taken, and all goes on. Were it taken, the kernel would end ranks, of this test only.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <tutti/tutti.h>
#include <tests/support/ranks/errors.hpp>
#include <tutti/allreduce/fused_buffer.hpp>
#include <tutti/collectives/communicator/communicator_state.hpp>
#include <tutti/compression/reduction.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::test {
namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;
constexpr std::size_t kLimit = 512 * kMiB;

/// What is left of the limit.
std::size_t left() {
  std::size_t least = SIZE_MAX;
  for (const auto& limit : detail::memory_limits()) least = std::min<std::size_t>(least, limit.available);
  return least;
}

class MemoryLimit : public testing::Test {
 protected:
  void SetUp() override { ASSERT_LE(left(), kLimit) << "start this with with_memory_limit.sh"; }

  /// The communicator serves, and the group has as much as before.
  void expect_all_well(const Communicator& comm) const {
    auto data = comm.allocate<float>(kMiB);
    std::fill(data.begin(), data.end(), 1.0F);
    allreduce(comm, data.span(), ReduceOp::sum);
    EXPECT_EQ(data[kMiB - 1], static_cast<float>(comm.size()));
    barrier(comm);
    EXPECT_GT(left(), kLimit / 2);
    barrier(comm);
  }
  std::string refusal(const std::function<void()>& action) const {
    try {
      action();
    } catch (const std::bad_alloc& error) {
      return error.what();
    }
    ADD_FAILURE() << "not refused";
    return {};
  }
};

TEST_F(MemoryLimit, MoreThanTheGroupLeavesIsRefused) {
  for (const bool shares : {true, false}) {
    CommunicatorOptions options;
    options.shared_memory = shares;
    const Communicator comm(MPI_COMM_WORLD, options);
    ASSERT_EQ(comm.selection_facts().shared_memory, shares);
    for (const std::size_t bytes : {kLimit + kMiB, std::size_t{1} << 33, std::size_t{1} << 36}) {
      const std::string said = refusal([&] { comm.allocate_bytes(bytes); });
      EXPECT_TRUE(contains(said, text(detail::in_words(bytes), " of memory asked for")));
      EXPECT_TRUE(contains(said, "MiB available in control group /"));
      EXPECT_TRUE(contains(said, "(limit 512 MiB)"));
    }
    EXPECT_THROW(FusedBuffer(comm, DType::f32, std::vector<std::size_t>{kLimit, kLimit}), OutOfMemory);
    EXPECT_THROW(FusedBuffer(DType::f32, std::vector<std::size_t>{kLimit, kLimit}), OutOfMemory);
    expect_all_well(comm);
  }
}

TEST_F(MemoryLimit, MoreThanThereAreAddressesIsRefused) {
  const Communicator comm = world();
  EXPECT_TRUE(contains(refusal([&] { comm.allocate_bytes(std::size_t{1} << 50); }), "1 PiB of memory asked for"));
  expect_all_well(comm);
}

// Whichever of them come first: together they must not get more than there is.
TEST_F(MemoryLimit, RanksThatAskAtOnceAreSummed) {
  const Communicator comm = world();
  const std::size_t bytes = left() / 10 * 7;
  barrier(comm);
  std::shared_ptr<void> memory;
  int refused = 0;
  try {
    memory = comm.allocate_bytes(bytes);
  } catch (const OutOfMemory& error) {
    EXPECT_TRUE(contains(error.what(), "in control group /"));
    refused = 1;
  }
  int all_refused = 0;
  MPI_Allreduce(&refused, &all_refused, 1, MPI_INT, MPI_SUM, comm.mpi());
  EXPECT_GE(all_refused, comm.size() - 1);
  memory.reset();
  expect_all_well(comm);
}

TEST_F(MemoryLimit, TextOfTheCInterface) {
  tutti_comm* comm = nullptr;
  ASSERT_EQ(tutti_comm_create(MPI_COMM_WORLD, 20, &comm), TUTTI_SUCCESS);
  void* memory = nullptr;
  EXPECT_EQ(tutti_allocate(comm, std::size_t{1} << 31, TUTTI_F64, &memory), TUTTI_ERROR_OUT_OF_MEMORY);
  EXPECT_EQ(memory, nullptr);
  EXPECT_TRUE(contains(tutti_error_text(), "16 GiB of memory asked for"));
  EXPECT_TRUE(contains(tutti_error_text(), "MiB available in control group /"));
  EXPECT_EQ(tutti_allocate(comm, SIZE_MAX / 4, TUTTI_F64, &memory), TUTTI_ERROR_OUT_OF_MEMORY);
  EXPECT_TRUE(contains(tutti_error_text(), "4611686018427387903 elements of 8 bytes"));
  tutti_comm_free(comm);
}

/// What one rank has no memory for: an error of memory there, of communication on the others, at once.
void expect_told(const Action& action) {
  const Communicator comm = with_timeout(20);
  const bool is_last = comm.rank() == comm.size() - 1;
  std::string refused;
  const auto begin = Clock::now();
  const Result result = attempt([&] {
    try {
      action(comm);
      barrier(comm);
    } catch (const std::bad_alloc& error) {
      refused = error.what();
    }
  });
  EXPECT_LT(Clock::now() - begin, kSoon);
  if (is_last) {
    EXPECT_TRUE(contains(refused, "of memory asked for"));
  } else {
    EXPECT_EQ(result.outcome, Outcome::communication);
    EXPECT_TRUE(contains(result.message, text("rank ", comm.size() - 1)));
    EXPECT_TRUE(contains(result.message, "of memory asked for"));
  }
  expect_unusable(comm);
  MPI_Barrier(MPI_COMM_WORLD);
}

/// Needs more than any memory, on the last rank.
class LargeReduction final : public detail::Reduction {
 public:
  explicit LargeReduction(const Communicator& comm)
      : Reduction({.comm = comm, .parts = {}, .settings = {}, .op = ReduceOp::sum}) {}
  int stages() const noexcept override { return 1; }
  void allocate() override {
    if (comm().rank() == comm().size() - 1) detail::require_memory(kLimit);
  }
  std::size_t payload_bytes() const noexcept override { return 0; }
  std::vector<CompressionState> state() override { return {}; }

 private:
  std::unique_ptr<detail::WaitingTask> begin_stage(const detail::Stage& /*stage*/) override { return nullptr; }
  void end_stage(const detail::Stage& /*stage*/) override {}
};

TEST_F(MemoryLimit, TooLittleForACodecIsToldToAll) {
  if (world().size() == 1) GTEST_SKIP() << "needs a peer";
  expect_told([](const Communicator& comm) {
    detail::start_reduction(std::make_shared<LargeReduction>(comm), lasting<float>(1000), 0).wait();
  });
}

}  // namespace
}  // namespace tutti::test
