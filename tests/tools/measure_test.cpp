// The measurement of overlap, on collectives whose overlap is known: one that something else carries out, and one that
// does all its work in wait().
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <thread>

#include "tools/perf/measure.hpp"

namespace tutti::tools {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kLength = std::chrono::milliseconds(4);

/// Complete a while after its start, whatever this rank does.
class Offloaded : public detail::Task {
 public:
  Progress advance() override { return poll() ? Progress::complete : Progress::none; }
  bool poll() override { return Clock::now() >= end_; }
  void wait() override { std::this_thread::sleep_until(end_); }

 private:
  Clock::time_point end_ = Clock::now() + kLength;
};

/// As long, but not before somebody waits.
class Lazy : public detail::Task {
 public:
  Progress advance() override { return Progress::none; }
  bool poll() override { return false; }
  void wait() override { std::this_thread::sleep_for(kLength); }
};

const Calls kOffloaded = {.run = nullptr,
                          .start = [](const Call&) { return Operation(std::make_unique<Offloaded>()); }};
const Calls kLazy = {.run = nullptr, .start = [](const Call&) { return Operation(std::make_unique<Lazy>()); }};

TEST(Measure, TellsWhatIsHiddenFromWhatIsNot) {
  const Communicator comm(MPI_COMM_WORLD);
  MeasuredCollective collective = collective_from_name("barrier");
  collective.tutti = &kOffloaded;
  collective.mpi = &kLazy;
  Call call{.comm = &comm, .rank = comm.rank(), .ranks = comm.size()};
  set_count(collective, call, 0, DType::f32);
  const auto pattern = Pattern::for_movement(DType::f32, comm.size());
  const MeasureOptions options{.iterations = 5, .warmup = 3, .started = true, .test_interval = 100};
  const Computation computation;
  // Other programs on these cores lengthen the computation by chance, so each has to be told from the other only once.
  constexpr int kAttempts = 20;
  bool hidden = false;
  bool apart = false;
  for (int i = 0; i < kAttempts && !(hidden && apart); ++i) {
    const auto result = measure(collective, call, pattern, options, computation);
    const Overlap ours = result.tutti.overlap.value();
    const Overlap theirs = result.mpi.value().overlap.value();
    EXPECT_GT(result.tutti.median, 3900);
    EXPECT_GT(result.mpi->median, 3900);
    hidden = hidden || ours.achieved > 0.6;
    apart = apart || theirs.achieved < 0.4;
    std::printf("offloaded: %.0f us alone, %.0f together; lazy: %.0f alone, %.0f together\n", ours.compute, ours.both,
                theirs.compute, theirs.both);
  }
  EXPECT_TRUE(hidden);
  EXPECT_TRUE(apart);
}

}  // namespace
}  // namespace tutti::tools
