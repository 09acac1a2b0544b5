// How collectives are timed, on such that are made up here. Overlap, on collectives whose overlap is known: one that
// something else carries out, and one that does all its work in wait(). Batches, and how long they go on.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include <tutti/collectives/system/task.hpp>

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

const Calls kOffloaded = {.run = nullptr, .start = [](const Call&) { return Request(std::make_unique<Offloaded>()); }};
const Calls kLazy = {.run = nullptr, .start = [](const Call&) { return Request(std::make_unique<Lazy>()); }};

TEST(Measure, TellsWhatIsHiddenFromWhatIsNot) {
  const Communicator comm(MPI_COMM_WORLD);
  MeasuredCollective collective = collective_from_name("barrier");
  collective.tutti = &kOffloaded;
  collective.mpi = &kLazy;
  Call call{.comm = &comm, .rank = comm.rank(), .ranks = comm.size()};
  set_count(collective, call, 0, DType::f32);
  const auto pattern = Pattern::for_movement(DType::f32, comm.size());
  const MeasureOptions options{.iterations = 5, .warmup = 3, .nonblocking = true, .test_interval = 100};
  const Computation computation;
  // Other programs on these cores lengthen the computation by chance, so each has to be told from the other only once.
  constexpr int kAttempts = 20;
  bool hidden = false;
  bool apart = false;
  for (int i = 0; i < kAttempts && !(hidden && apart); ++i) {
    const auto result = measure(collective, std::span(&call, 1), pattern, options, computation);
    const Overlap ours = result.tutti.value().overlap.value();
    const Overlap theirs = result.mpi.value().overlap.value();
    EXPECT_GT(result.tutti->median, 3900);
    EXPECT_GT(result.mpi->median, 3900);
    hidden = hidden || ours.achieved > 0.6;
    apart = apart || theirs.achieved < 0.4;
    std::printf("offloaded: %.0f us alone, %.0f together; lazy: %.0f alone, %.0f together\n", ours.compute, ours.both,
                theirs.compute, theirs.both);
  }
  EXPECT_TRUE(hidden);
  EXPECT_TRUE(apart);
}

/// Calls whose inputs come out as they went in, but for those of a batch that are skipped.
int calls = 0;
int skipped = -1;  // index in a batch
int batch_size = 1;
const Calls kCopying = {.run =
                            [](const Call& call) {
                              if (calls++ % batch_size != skipped)
                                std::memcpy(call.output.data, call.input.data, call.output.size_bytes());
                              std::this_thread::sleep_for(std::chrono::milliseconds(1));
                            },
                        .start = nullptr};

class Batches : public testing::Test {
 protected:
  static constexpr std::size_t kCount = 10;

  Measurement measured(const MeasureOptions& options, int size, int skip = -1) {
    calls = 0;
    skipped = skip;
    batch_size = size;
    MeasuredCollective collective = collective_from_name("allreduce");  // on one rank a copy
    collective.tutti = &kCopying;
    collective.mpi = &kCopying;
    Call call{.comm = &comm_, .rank = comm_.rank(), .ranks = comm_.size()};
    set_count(collective, call, kCount, DType::f32);
    std::vector<std::byte> memory(static_cast<std::size_t>(size) * memory_bytes(call));
    std::vector<Call> batch(static_cast<std::size_t>(size), call);
    for (std::size_t i = 0; i < batch.size(); ++i)
      place_buffers(collective, batch[i], memory.data() + i * memory_bytes(call));
    const auto pattern = Pattern::for_reduction(DType::f32, ReduceOp::sum, comm_.size());
    return measure(collective, batch, pattern, options, Computation());
  }

  const Communicator comm_{MPI_COMM_WORLD};
};

TEST_F(Batches, TimesAreThoseOfOneCall) {
  const auto result = measured({.iterations = 5, .warmup = 2, .with_mpi = false}, 8);
  EXPECT_EQ(calls, 7 * 8);
  EXPECT_EQ(result.iterations, 5);
  EXPECT_FALSE(result.mpi.has_value());
  EXPECT_EQ(result.tutti.value().wrong, 0U);
  EXPECT_GT(result.tutti->median, 1000);  // each call sleeps for a millisecond
  constexpr int kAttempts = 20;           // sleeping may take longer by chance
  double least = result.tutti->median;
  for (int i = 0; i < kAttempts && least > 4000; ++i)
    least = std::min(least, measured({.iterations = 5, .warmup = 0, .with_mpi = false}, 8).tutti->median);
  EXPECT_LT(least, 4000);  // and not for eight
}

TEST_F(Batches, EveryCallIsChecked) {
  for (const int skip : {0, 3, 7}) {
    const auto result = measured({.iterations = 2, .warmup = 1, .with_mpi = false}, 8, skip);
    EXPECT_EQ(result.tutti.value().wrong, 3 * kCount) << "call " << skip;
  }
}

TEST_F(Batches, OneSideIsEnough) {
  const auto result = measured({.iterations = 2, .warmup = 0, .with_tutti = false}, 1);
  EXPECT_FALSE(result.tutti.has_value());
  EXPECT_TRUE(result.mpi.has_value());
  EXPECT_EQ(calls, 2);
}

TEST_F(Batches, TimeIsLimited) {
  const auto few = measured({.iterations = 100'000, .warmup = 100'000, .seconds = 0.1, .with_mpi = false}, 1);
  EXPECT_GE(few.iterations, 1);
  EXPECT_LE(few.iterations, 100);  // each takes a millisecond
  const auto least = measured({.iterations = 100, .warmup = 100, .seconds = 1e-6, .with_mpi = false}, 1);
  EXPECT_EQ(least.iterations, 1);
  EXPECT_EQ(calls, 2);  // one of them to warm up
}

}  // namespace
}  // namespace tutti::tools
