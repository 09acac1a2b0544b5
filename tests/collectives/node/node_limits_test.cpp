// Too little address space (ulimit -v) for the memory of a node: an error that says so, or messages instead, and never
// a signal. Not with sanitizers, which reserve terabytes.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <fstream>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include <tests/support/ranks/errors.hpp>
#include <tutti/collectives/communicator/communicator_state.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::test {
namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;

/// Of this process, in bytes.
std::size_t address_space() {
  std::size_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  return pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

/// While it lives this process may take so many more bytes of addresses.
class Limit {
 public:
  explicit Limit(std::size_t more) {
    getrlimit(RLIMIT_AS, &before_);
    rlimit limited = before_;
    limited.rlim_cur = address_space() + more;
    set_ = setrlimit(RLIMIT_AS, &limited) == 0;
  }
  ~Limit() { setrlimit(RLIMIT_AS, &before_); }
  Limit(const Limit&) = delete;
  Limit& operator=(const Limit&) = delete;
  bool is_set() const { return set_; }

 private:
  rlimit before_{};
  bool set_ = false;
};

class AddressSpace : public testing::Test {
 protected:
  void SetUp() override {
    if (comm_.size() == 1) GTEST_SKIP() << "needs a peer";
    ASSERT_NE(comm_.state().node(), nullptr) << "the ranks of this node cannot map each other's memory";
  }
  bool is_last() const { return comm_.rank() == comm_.size() - 1; }
  Communicator comm_ = world();
};

TEST_F(AddressSpace, TooLittleForAnAllocationIsBadAlloc) {
  {
    const Limit limit(16 * kMiB);
    ASSERT_TRUE(limit.is_set());
    EXPECT_THROW(comm_.allocate<float>(16 * kMiB), std::bad_alloc);
  }
  auto data = comm_.allocate<float>(kMiB);
  std::fill(data.begin(), data.end(), 1.0F);
  allreduce(comm_, data.span(), ReduceOp::sum);
  EXPECT_EQ(data[kMiB - 1], static_cast<float>(comm_.size()));
}

TEST_F(AddressSpace, TooLittleForTheMemoryOfAPeerIsAnError) {
  const Communicator comm = with_timeout(20);
  auto data = comm.allocate<float>(8 * kMiB);
  MPI_Barrier(comm_.mpi());
  std::optional<Limit> limit;
  if (is_last()) limit.emplace(16 * kMiB);
  const Result result = attempt([&] {
    allreduce(comm, data.span(), ReduceOp::sum);
    barrier(comm);
  });
  limit.reset();
  EXPECT_EQ(result.outcome, Outcome::communication);
  EXPECT_TRUE(contains(result.message, "cannot be mapped"));
  EXPECT_TRUE(contains(result.message, "address space"));
  EXPECT_TRUE(is_last() || contains(result.message, text("rank ", comm.size() - 1)));
  expect_unusable(comm);
  MPI_Barrier(comm_.mpi());
}

// What the last rank has no scratch memory for is told to the others at once.
TEST_F(AddressSpace, TooLittleForScratchIsToldToAll) {
  CommunicatorOptions options = with_timeout_of(std::chrono::seconds(20));
  options.shared_memory = false;
  const Communicator comm(MPI_COMM_WORLD, options);
  const auto size = static_cast<std::size_t>(comm.size());
  const std::span<float> data = lasting<float>(8 * kMiB * size);
  const std::span<float> block = lasting<float>(8 * kMiB);
  std::optional<Limit> limit;
  if (is_last()) limit.emplace(16 * kMiB);
  bool has_none = false;
  const auto begin = Clock::now();
  const Result result = attempt([&] {
    try {
      reduce_scatter(comm, std::span<const float>(data), block, ReduceOp::sum, {.algorithm = "ring"});
    } catch (const std::bad_alloc&) {
      has_none = true;
    }
  });
  limit.reset();
  EXPECT_LT(Clock::now() - begin, kSoon);
  EXPECT_EQ(has_none, is_last());
  if (!is_last()) {
    EXPECT_EQ(result.outcome, Outcome::communication);
    EXPECT_TRUE(contains(result.message, text("rank ", comm.size() - 1)));
    EXPECT_TRUE(contains(result.message, "reduce_scatter #"));
  }
  expect_unusable(comm);
  MPI_Barrier(comm_.mpi());
}

TEST_F(AddressSpace, TooLittleForBoardsMeansMessages) {
  std::optional<Limit> limit;
  if (is_last()) limit.emplace(kMiB);
  const Communicator comm = world();
  limit.reset();
  EXPECT_EQ(comm.state().node(), nullptr);
  std::vector<float> data(50'000, 1.0F);
  allreduce(comm, std::span(data), ReduceOp::sum);
  EXPECT_EQ(data.back(), static_cast<float>(comm.size()));
}

}  // namespace
}  // namespace tutti::test
