#include "bench/training/contestant.hpp"

#include <mpi.h>
#include <sys/resource.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <utility>

#include <tutti/kernels/error.hpp>
#include <tutti/trainer/memory/parameters.hpp>
#include <tutti/trainer/network/network.hpp>
#include <tutti/trainer/run/agreed_error.hpp>
#include <tutti/trainer/run/cores.hpp>

namespace tutti::bench {

namespace {

using Clock = std::chrono::steady_clock;

Communicator communicator(const trainer::Config& config, Exchanges exchanges) {
  const CommunicatorOptions options{.timeout = std::chrono::duration<double>(config.train.timeout_s)};
  return Communicator(exchanges == Exchanges::yes ? MPI_COMM_WORLD : MPI_COMM_SELF, options);
}

/// Of `samples`, cut as evenly as can be.
std::size_t part(std::int64_t samples, const Communicator& world) {
  const auto ranks = static_cast<std::uint64_t>(world.size());
  const auto rank = static_cast<std::uint64_t>(world.rank());
  const auto all = static_cast<std::uint64_t>(samples);
  return all * (rank + 1) / ranks - all * rank / ranks;
}

/// Schedules ask how long a run is.
trainer::TaskShape task_of(const SyntheticSamples& samples, const trainer::Config& config) {
  constexpr std::uint64_t kStepsPerEpoch = 1000;
  trainer::TaskShape task = samples.task();
  task.steps_per_epoch = kStepsPerEpoch;
  task.steps = static_cast<std::uint64_t>(config.train.epochs) * kStepsPerEpoch;
  return task;
}

double processor_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace

Contestant::Contestant(const Communicator& world, std::string name, const trainer::Config& config,
                       const SampleShape& shape, Exchanges exchanges)
    : world_(world),
      name_(std::move(name)),
      config_(config),
      threads_(config.train.threads > 0 ? static_cast<int>(config.train.threads) : trainer::default_threads(world)),
      comm_(communicator(config, exchanges)),
      samples_count_(part(config.train.batch_size, world)),
      samples_(trainer::agree(world,
                              [&] {
                                return SyntheticSamples(config_.model, shape, samples_count_,
                                                        static_cast<std::uint64_t>(world.rank()) + 1);
                              })),
      // Ranks by themselves agree on nothing with each other, so that is done here.
      loop_(exchanges == Exchanges::yes
                ? std::make_unique<trainer::StepLoop>(comm_, config_, task_of(samples_, config_))
                : trainer::agree(world, [&] {
                    return std::make_unique<trainer::StepLoop>(comm_, config_, task_of(samples_, config_));
                  })) {
  for (std::size_t i = 0; i < loop_->parameters().size(); ++i)
    trainer::initialise(loop_->parameters()[i], i, static_cast<std::uint64_t>(config_.train.seed),
                        loop_->buckets().parameter(i));
}

BlockTime Contestant::run(int steps) {
  trainer::set_arithmetic_threads(threads_);
  std::array<double, 4> mine{};
  MPI_Barrier(world_.mpi());
  const auto begin = Clock::now();
  const double used = processor_seconds();
  for (int i = 0; i < steps; ++i) {
    const trainer::StepInput input{.step = step_++,
                                   .samples = samples_.next(),
                                   .global_samples = static_cast<std::uint64_t>(config_.train.batch_size)};
    try {
      const trainer::StepReport report = loop_->train_step(input);
      mine[2] += report.exposed_seconds;
      mine[3] += static_cast<double>(report.payload_bytes);
    } catch (const trainer::AgreedError& error) {  // a rank by itself agrees with no other
      throw Error(name_ + ": " + error.what());
    }
  }
  mine[1] = processor_seconds() - used;
  mine[0] = std::chrono::duration<double>(Clock::now() - begin).count();
  std::array<double, 1> slowest{mine[0]};
  std::array<double, 3> sums{mine[1], mine[2], mine[3]};
  MPI_Allreduce(MPI_IN_PLACE, slowest.data(), 1, MPI_DOUBLE, MPI_MAX, world_.mpi());
  MPI_Allreduce(MPI_IN_PLACE, sums.data(), 3, MPI_DOUBLE, MPI_SUM, world_.mpi());
  const double each = static_cast<double>(steps) * static_cast<double>(world_.size());
  return {.step_seconds = slowest[0] / steps,
          .processor_seconds = sums[0] / each,
          .exposed_seconds = sums[1] / each,
          .payload_bytes = sums[2] / each};
}

std::uint64_t Contestant::parameters() const {
  std::uint64_t count = 0;
  for (const auto& parameter : loop_->parameters()) count += parameter.count();
  return count;
}

std::size_t Contestant::bucket_count() const { return loop_->buckets().size(); }

}  // namespace tutti::bench
