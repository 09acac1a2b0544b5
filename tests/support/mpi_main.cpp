// main() of tests that run under mpirun: every rank runs the same tests, the worst result of any rank is the result of
// all, and a run without a test is a failure. Ranks other than 0 print only their failures. A rank that has failed may
// have left others waiting for it, with time limits of their own: half a minute later the job ends.
#include <gtest/gtest.h>
#include <mpi.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

namespace {

class FailurePrinter : public testing::EmptyTestEventListener {
 public:
  explicit FailurePrinter(int rank) : rank_(rank) {}

 private:
  void OnTestStart(const testing::TestInfo& info) override { test_ = &info; }
  void OnTestEnd(const testing::TestInfo&) override { test_ = nullptr; }
  // GoogleTest holds a lock while it calls this: it must not be asked which test is running.
  void OnTestPartResult(const testing::TestPartResult& result) override {
    if (!result.failed()) return;
    std::fprintf(stderr, "rank %d: %s.%s: %s:%d\n%s\n", rank_, test_ != nullptr ? test_->test_suite_name() : "-",
                 test_ != nullptr ? test_->name() : "-", result.file_name() != nullptr ? result.file_name() : "-",
                 result.line_number(), result.message());
  }
  const testing::TestInfo* test_ = nullptr;
  int rank_;
};

/// Ends this process, and so the job, if it is still there some time after its first failure.
class EndAfterFailure : public testing::EmptyTestEventListener {
  void OnTestPartResult(const testing::TestPartResult& result) override {
    if (!result.failed() || failed_) return;
    failed_ = true;
    std::thread([] {
      std::this_thread::sleep_for(std::chrono::seconds(30));
      std::fputs("the job ends: 30 s have passed since a failure, and ranks may wait for each other\n", stderr);
      std::_Exit(1);
    }).detach();
  }
  bool failed_ = false;
};

}  // namespace

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  testing::InitGoogleTest(&argc, argv);
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  if (rank != 0) {
    auto& listeners = testing::UnitTest::GetInstance()->listeners();
    delete listeners.Release(listeners.default_result_printer());
    listeners.Append(new FailurePrinter(rank));
  }
  testing::UnitTest::GetInstance()->listeners().Append(new EndAfterFailure);
  int failed = RUN_ALL_TESTS() != 0 ? 1 : 0;
  if (testing::UnitTest::GetInstance()->test_to_run_count() == 0) {
    if (rank == 0) std::fprintf(stderr, "no test ran\n");
    failed = 1;
  }
  int worst = 0;
  MPI_Allreduce(&failed, &worst, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
  MPI_Finalize();
  return worst;
}
