#include "tools/perf/measure.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <functional>
#include <span>
#include <utility>

#include <tutti/collectives/inspect/mpi.hpp>
#include <tutti/kernels/clock.hpp>

#include "tools/perf/spans.hpp"

namespace tutti::tools {
namespace {

using Clock = std::chrono::steady_clock;

/// What a side does with a call.
struct SideWork {
  std::function<void(const Call&, int iteration)> prepare;
  std::function<void(const Call&)> run;
  std::function<Request(const Call&)> start;
  std::function<std::size_t(const Call&, int iteration)> count_wrong;
};

SideWork work_of(const MeasuredCollective& collective, const Calls& calls, const Pattern& pattern) {
  return {
      .prepare = [&](const Call& call, int iteration) { prepare(collective, call, pattern, iteration); },
      .run = calls.run,
      .start = calls.start,
      .count_wrong = [&](const Call& call, int iteration) { return collective.count_wrong(call, pattern, iteration); }};
}

SideWork work_of(CompressedCalls& calls) {
  return {.prepare = [&](const Call& call, int iteration) { calls.prepare(call, iteration); },
          .run = [&](const Call& call) { calls.start(call).wait(); },
          .start = [&](const Call& call) { return calls.start(call); },
          .count_wrong = [&](const Call& call, int) { return calls.count_different(call); }};
}

/// One library's part of a row on this rank: what it is, its samples in microseconds, and its mistakes.
class Side {
 public:
  Side(SideWork work, std::span<const Call> batch, const Computation& computation)
      : work_(std::move(work)), batch_(batch), comm_(*batch.front().comm), computation_(computation) {}

  void at_once(int iteration) {
    timed(
        iteration, [&](const Call& call) { work_.run(call); }, times_);
  }

  void nonblocking(int iteration) {
    timed(
        iteration, [&](const Call& call) { work_.start(call).wait(); }, times_);
  }

  /// The computation alone, then together with the collective.
  void overlapped(int iteration) {
    meet();
    computing_.time([&] { computation_.run([] {}); });
    timed(
        iteration,
        [&](const Call& call) {
          Request operation = work_.start(call);
          computation_.run([&] { operation.test(); });
          operation.wait();
        },
        both_);
  }

  /// Warm-up is checked but not timed. Of the non-blocking form its times say how long to compute.
  void end_warmup(bool nonblocking, double test_interval) {
    if (nonblocking) {
      double length = summarize(per_call(times_)).median;
      detail::check_mpi(MPI_Bcast(&length, 1, MPI_DOUBLE, 0, comm_.mpi()), "MPI_Bcast");
      computation_.set_length(std::max(length, 0.01), test_interval);
    }
    times_.clear();
  }

  Timing timing() const {
    Timing timing = summarize(per_call(times_));
    const std::uint64_t mine = wrong_;
    std::uint64_t all = 0;
    detail::check_mpi(MPI_Allreduce(&mine, &all, 1, MPI_UINT64_T, MPI_SUM, comm_.mpi()), "MPI_Allreduce");
    timing.wrong = all;
    if (both_.empty()) return timing;
    const double compute = summarize(computing_.microseconds(comm_)).median;
    const double both = summarize(per_call(both_)).median;
    timing.overlap = Overlap{.compute = compute, .both = both, .achieved = overlap_of(timing.median, compute, both)};
    return timing;
  }

 private:
  void meet() const { detail::check_mpi(MPI_Barrier(comm_.mpi()), "MPI_Barrier"); }

  std::vector<double> per_call(const Spans& batches) const {
    std::vector<double> times = batches.microseconds(comm_);
    for (double& time : times) time /= static_cast<double>(batch_.size());
    return times;
  }

  /// Calls of a batch get data of their own, so that what one leaves behind is no result of another.
  int data_of(int iteration, std::size_t index) const {
    return static_cast<int>(static_cast<std::size_t>(iteration) * batch_.size() + index);
  }

  template <class Body>
  void timed(int iteration, Body body, Spans& spans) {
    for (std::size_t i = 0; i < batch_.size(); ++i) work_.prepare(batch_[i], data_of(iteration, i));
    meet();
    spans.time([&] {
      for (const Call& call : batch_) body(call);
    });
    for (std::size_t i = 0; i < batch_.size(); ++i) wrong_ += work_.count_wrong(batch_[i], data_of(iteration, i));
  }

  SideWork work_;
  std::span<const Call> batch_;
  const Communicator& comm_;
  Computation computation_;  // a copy: each side computes as long as its own collective takes
  Spans times_;
  Spans computing_;
  Spans both_;
  std::size_t wrong_ = 0;
};

/// Whether a row has had its time.
class WaitLimits {
 public:
  WaitLimits(const Communicator& comm, double seconds) : comm_(comm), seconds_(seconds) {}

  /// Whether `share` of the time is over, by rank 0's clock. Collective where there is a limit.
  bool ends(double share) const {
    if (!(seconds_ > 0)) return false;
    int over = seconds_since(start_) > share * seconds_ ? 1 : 0;
    detail::check_mpi(MPI_Bcast(&over, 1, MPI_INT, 0, comm_.mpi()), "MPI_Bcast");
    return over != 0;
  }

 private:
  const Communicator& comm_;
  double seconds_;
  Clock::time_point start_ = Clock::now();
};

}  // namespace

Timing summarize(std::vector<double> samples) {
  std::sort(samples.begin(), samples.end());
  const std::size_t n = samples.size();
  const auto rank99 = static_cast<std::size_t>(std::ceil(0.99 * static_cast<double>(n)));
  return {.median = (samples[(n - 1) / 2] + samples[n / 2]) / 2.0, .p99 = samples[rank99 - 1]};
}

int batch_for(std::size_t bytes) {
  constexpr std::size_t kBytes = std::size_t{128} << 10;
  constexpr std::size_t kMost = 64;
  return static_cast<int>(std::clamp<std::size_t>(kBytes / std::max<std::size_t>(bytes, 1), 1, kMost));
}

int iterations_for(std::size_t bytes, int batch) {
  constexpr std::size_t kBytesPerRow = std::size_t{256} << 20;
  constexpr std::size_t kMost = 1000;
  constexpr int kFewest = 10;
  const auto calls = static_cast<int>(std::min(kBytesPerRow / std::max<std::size_t>(bytes, 1), kMost));
  return std::max(calls / batch, kFewest);
}

Measurement measure(const MeasuredCollective& collective, std::span<const Call> batch, const Pattern& pattern,
                    const MeasureOptions& options, const Computation& computation, CompressedCalls* codec) {
  Side ours(work_of(collective, *collective.tutti, pattern), batch, computation);
  Side theirs(work_of(collective, *collective.mpi, pattern), batch, computation);
  std::optional<Side> compressed;
  if (codec != nullptr) compressed.emplace(work_of(*codec), batch, computation);
  const auto in_turn = [&](int i, auto part) {
    const bool mpi_first = i % 2 == 1;
    if (options.with_mpi && mpi_first) part(theirs);
    if (options.with_tutti) part(ours);
    if (options.with_mpi && !mpi_first) part(theirs);
    if (compressed) part(*compressed);
  };
  const WaitLimits patience(*batch.front().comm, options.seconds);
  const int most_warmup = options.nonblocking ? std::max(options.warmup, 3) : options.warmup;
  int i = 0;
  for (; i < most_warmup && (i == 0 || !patience.ends(0.5)); ++i) {
    in_turn(i, [&](Side& side) { options.nonblocking ? side.nonblocking(2 * i) : side.at_once(i); });
  }
  const int warmup = i;
  in_turn(0, [&](Side& side) { side.end_warmup(options.nonblocking, options.test_interval); });
  for (; i - warmup < options.iterations && (i == warmup || !patience.ends(1)); ++i) {
    if (!options.nonblocking) {
      in_turn(i, [&](Side& side) { side.at_once(i); });
      continue;
    }
    in_turn(i, [&](Side& side) { side.nonblocking(2 * i); });  // data of every call's own
    in_turn(i, [&](Side& side) { side.overlapped(2 * i + 1); });
  }
  Measurement result{.iterations = i - warmup};
  if (options.with_tutti) result.tutti = ours.timing();
  if (options.with_mpi) result.mpi = theirs.timing();
  if (compressed) result.codec = compressed->timing();
  return result;
}

}  // namespace tutti::tools
