// Data that ranks of a node read in the memory of another process: every collective, beside other kinds of memory;
// what cannot be read; ranks that fail.
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <string>
#include <vector>

#include <tests/support/ranks/errors.hpp>
#include <tests/support/ranks/trial.hpp>
#include <tutti/collectives/communicator/communicator_state.hpp>

namespace tutti::test {
namespace {

/// Elements that are read where they lie, and more than are read at once.
constexpr std::size_t kMany = 300'001;

/// Pages of their own.
class Pages {
 public:
  explicit Pages(std::size_t bytes)
      : Pages(bytes, mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) {}
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;
  ~Pages() {
    if (*this) munmap(data_, bytes_);
  }

  /// Pages that even the kernel reads for nobody else; none where it has no such.
  static Pages secret(std::size_t bytes) {
    const int fd = static_cast<int>(syscall(SYS_memfd_secret, 0));
    if (fd < 0 || ftruncate(fd, static_cast<off_t>(bytes)) != 0) return {bytes, MAP_FAILED};
    void* const data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return {bytes, data};
  }

  explicit operator bool() const { return data_ != MAP_FAILED; }
  std::span<float> floats() const { return {static_cast<float*>(data_), bytes_ / sizeof(float)}; }
  void forbid(std::size_t first, std::size_t bytes) const {
    mprotect(static_cast<std::byte*>(data_) + first, bytes, PROT_NONE);
  }

 private:
  Pages(std::size_t bytes, void* data) : data_(data), bytes_(bytes) {}
  void* data_;
  std::size_t bytes_;
};

class CrossMemoryAttach : public testing::Test {
 protected:
  void SetUp() override {
    setenv("TUTTI_CMA", "1", 1);
    const Communicator comm = world();
    unsetenv("TUTTI_CMA");
    if (comm.size() == 1) GTEST_SKIP() << "needs a peer";
    ASSERT_NE(comm.state().node(), nullptr) << "the ranks of this node cannot map each other's memory";
    if (!comm.state().node()->uses_cross_memory()) GTEST_SKIP() << "ranks may not read each other's memory";
  }

  static Communicator reading(double timeout = 30) {
    setenv("TUTTI_CMA", "1", 1);
    Communicator comm = with_timeout(timeout);
    unsetenv("TUTTI_CMA");
    return comm;
  }
};

TEST_F(CrossMemoryAttach, EveryCollectiveAndKindOfMemory) {
  const Communicator comm = reading();
  for (const Collective collective : kAllCollectives) {
    Algorithm unnamed{};
    unnamed.collective = collective;
    for (const unsigned mapped_inputs : {0U, ~0U, 2U}) {
      for (const unsigned mapped_outputs : {0U, ~0U, 5U}) {
        for (const bool in_place : {false, true}) {
          if (in_place && !has_two_forms(unnamed)) continue;
          const Case c{.algorithm = unnamed,
                       .dtype = in_place ? DType::i32 : DType::f16,
                       .count = kMany,
                       .root = is_rooted(collective) ? comm.size() - 1 : 0,
                       .in_place = in_place,
                       .misalignment = static_cast<std::size_t>(comm.rank()) % 3,
                       .mapped_inputs = mapped_inputs,
                       .mapped_outputs = mapped_outputs};
          EXPECT_EQ(try_case(comm, c), "") << describe(c);
        }
      }
    }
  }
}

/// Blocks of which some are worth a read, some not, and one is nothing.
TEST_F(CrossMemoryAttach, UnevenBlocks) {
  const Communicator comm = reading();
  std::vector<std::size_t> counts;
  std::vector<float> expected;
  for (int r = 0; r < comm.size(); ++r) {
    counts.push_back(r % 3 == 1 ? 0 : r % 3 == 2 ? 100 : kMany);
    expected.insert(expected.end(), counts.back(), static_cast<float>(r + 1));
  }
  const std::vector<float> own(counts[static_cast<std::size_t>(comm.rank())], static_cast<float>(comm.rank() + 1));
  std::vector<float> all(expected.size());
  all_gather_v(comm, std::span(own), std::span(all), counts);
  EXPECT_EQ(all, expected);
}

TEST_F(CrossMemoryAttach, MemoryThatOnlyItsProcessReadsIsStaged) {
  const Communicator comm = reading();
  const Pages secret = Pages::secret(kMany * sizeof(float) / 4096 * 4096);
  int has = secret ? 1 : 0;
  MPI_Allreduce(MPI_IN_PLACE, &has, 1, MPI_INT, MPI_MIN, comm.mpi());
  if (has == 0) GTEST_SKIP() << "no memfd_secret here";
  const Pages plain(secret.floats().size_bytes());
  for (const int secretive : {0, comm.size()}) {  // rank 0's memory, or everyone's
    const bool is_secret = secretive > 0 || comm.rank() == 0;
    const std::span<float> data = is_secret ? secret.floats() : plain.floats();
    std::fill(data.begin(), data.end(), 1.0F);
    allreduce(comm, data, ReduceOp::sum);
    EXPECT_EQ(std::count(data.begin(), data.end(), static_cast<float>(comm.size())), std::ssize(data));
    std::fill(data.begin(), data.end(), static_cast<float>(comm.rank()));
    broadcast(comm, data, 0);
    EXPECT_EQ(std::count(data.begin(), data.end(), 0.0F), std::ssize(data));
  }
}

/// What the root broadcasts has a hole.
TEST_F(CrossMemoryAttach, MemoryThatIsNotThereIsAnErrorOfWhoReadsIt) {
  const Communicator comm = reading(10);
  const Pages pages(std::size_t{2} << 20);
  if (comm.rank() == 0) pages.forbid(std::size_t{1} << 20, 4096);
  const Result result = attempt([&] {
    broadcast(comm, pages.floats(), 0);
    barrier(comm);
  });
  EXPECT_EQ(result.outcome, Outcome::communication);
  EXPECT_TRUE(contains(result.message, "memory of rank 0 cannot be read: Bad address"));
  expect_unusable(comm);
}

/// A rank that comes late finds other data than those that the others brought, and given up.
TEST_F(CrossMemoryAttach, DataOfARankThatFailedAreNotTakenForItsOwn) {
  const Communicator beside = world();
  for (const Collective collective : {Collective::allreduce, Collective::broadcast, Collective::all_gather}) {
    const Communicator comm = reading(0.5);
    const auto size = static_cast<std::size_t>(comm.size());
    const std::span<float> data = lasting(kMany, 1.0F);
    const std::span<float> all = lasting<float>(kMany * size);
    const auto call = [&] {
      if (collective == Collective::allreduce) allreduce(comm, data, ReduceOp::sum);
      if (collective == Collective::broadcast) broadcast(comm, data, 0);
      if (collective == Collective::all_gather) all_gather(comm, std::span<const float>(data), all);
    };
    if (comm.rank() != 1) {
      EXPECT_EQ(attempt(call).outcome, Outcome::communication);
      std::fill(data.begin(), data.end(), -1.0F);
    }
    MPI_Barrier(beside.mpi());
    if (comm.rank() == 1) {
      EXPECT_EQ(attempt(call).outcome, Outcome::communication) << static_cast<int>(collective);
    }
    MPI_Barrier(beside.mpi());
  }
}

TEST_F(CrossMemoryAttach, AreWhatTheEnvironmentSays) {
  setenv("TUTTI_CMA", "0", 1);
  const Communicator comm = world();
  EXPECT_FALSE(comm.state().node()->uses_cross_memory());
  setenv("TUTTI_CMA", "yes", 1);
  EXPECT_TRUE(contains(attempt([] { world(); }).message, "TUTTI_CMA: 'yes' is not 0 or 1"));
  setenv("TUTTI_CMA", comm.rank() == 0 ? "0" : "1", 1);
  EXPECT_TRUE(contains(attempt([] { world(); }).message, "TUTTI_CMA of each rank"));
  unsetenv("TUTTI_CMA");
}

/// Without the variable it is measured, once for all communicators, and alike on all ranks.
TEST_F(CrossMemoryAttach, AreMeasured) {
  const Communicator comm = world();
  const Communicator part = *comm.split(comm.rank() % 2, 0);
  const bool measured = comm.state().node()->uses_cross_memory();
  int all[] = {measured ? 1 : 0, measured ? 0 : 1};
  MPI_Allreduce(MPI_IN_PLACE, all, 2, MPI_INT, MPI_MAX, comm.mpi());
  EXPECT_EQ(all[0] + all[1], 1) << "ranks differ";
  if (part.size() > 1) {
    EXPECT_EQ(part.state().node()->uses_cross_memory(), measured);
  }
}

/// From here on this process may not read the memory of others.
bool forbid_reading() {
  sock_filter filter[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
                          BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_readv, 0, 1),
                          BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
                          BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  const sock_fprog program = {.len = std::size(filter), .filter = filter};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/// The last test of this file: it cannot be undone.
TEST_F(CrossMemoryAttach, WhereOneRankMayNotAllStage) {
  const Communicator before = reading();
  if (before.rank() == before.size() - 1) {
    ASSERT_TRUE(forbid_reading());
  }
  const Communicator comm = reading();
  EXPECT_FALSE(comm.state().node()->uses_cross_memory());
  std::vector<float> data(kMany, 1.0F);
  allreduce(comm, std::span(data), ReduceOp::sum);
  EXPECT_EQ(std::count(data.begin(), data.end(), static_cast<float>(comm.size())), std::ssize(data));
  // Who could, and may no more, fails, and all know why.
  const Result result = attempt([&] {
    allreduce(before, std::span(data), ReduceOp::sum);
    barrier(before);
  });
  EXPECT_EQ(result.outcome, Outcome::communication);
  EXPECT_TRUE(contains(result.message, "cannot be read: Operation not permitted"));
}

}  // namespace
}  // namespace tutti::test
