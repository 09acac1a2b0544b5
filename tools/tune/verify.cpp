// Verifying choices; see verify.hpp.
#include "tools/tune/verify.hpp"

#include <fmt/format.h>
#include <mpi.h>

#include <algorithm>
#include <chrono>
#include <span>

#include <tutti/allreduce/allreduce.hpp>
#include <tutti/allreduce/allreduce_table.hpp>
#include <tutti/collectives/collectives.hpp>
#include <tutti/collectives/inspect/communicator.hpp>
#include <tutti/collectives/inspect/mpi.hpp>
#include <tutti/collectives/inspect/selection.hpp>
#include <tutti/kernels/clock.hpp>

#include "tools/command_line.hpp"
#include "tools/explain/answer_text.hpp"

namespace tutti::tools {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kSizes[] = {8, 1024, 16384, 262144, std::size_t{4} << 20};
constexpr std::size_t kSizeFactor = 16;  // about, between two of them
constexpr int kCalls = 9;
constexpr double kLongCall = 0.5;  // seconds

struct Buffers {
  std::vector<float> data;
  std::vector<float> output;
};

void call(const Communicator& comm, Collective collective, Buffers& buffers, std::size_t bytes,
          const CollectiveOptions& options) {
  const std::size_t count = std::max<std::size_t>(1, bytes / sizeof(float));
  const auto ranks = static_cast<std::size_t>(comm.size());
  const std::size_t block = std::max<std::size_t>(1, count / ranks);
  const std::span<float> data(buffers.data.data(), count);
  switch (collective) {
    case Collective::allreduce:
      return allreduce(comm, data, ReduceOp::max, options);
    case Collective::broadcast:
      return broadcast(comm, data, 0, options);
    default:
      return all_gather(comm, ConstBuffer(data.data(), block, DType::f32),
                        Buffer(buffers.output.data(), ranks * block, DType::f32), options);
  }
}

/// Seconds of the slowest rank.
double time_call(const Communicator& comm, Collective collective, Buffers& buffers, std::size_t bytes,
                 const CollectiveOptions& options) {
  barrier(comm);
  const auto begin = Clock::now();
  call(comm, collective, buffers, bytes, options);
  const double own = seconds_since(begin);
  double slowest = 0;
  detail::check_mpi(MPI_Allreduce(&own, &slowest, 1, MPI_DOUBLE, MPI_MAX, comm.mpi()), "MPI_Allreduce");
  return slowest;
}

struct Candidate {
  Plan plan;
  CollectiveOptions options;
  std::vector<double> times;
};

Candidate candidate_of(const Plan& plan, int ranks, std::size_t bytes) {
  Candidate candidate{.plan = plan, .options = {.algorithm = plan.algorithm->name}, .times = {}};
  if (plan.algorithm->radix != Radix::none) candidate.options.radix = plan.radix;
  candidate.options.segment_bytes = segment_bytes(plan, ranks, bytes);
  return candidate;
}

VerifiedPlan verified(Candidate& candidate) {
  std::sort(candidate.times.begin(), candidate.times.end());
  VerifiedPlan plan{.name = plan_text(candidate.plan),
                    .rule = std::string(candidate.plan.algorithm->name),
                    .predicted = candidate.plan.predicted.total(),
                    .measured = candidate.times[candidate.times.size() / 2]};
  if (candidate.options.radix != 0) plan.rule += fmt::format(":radix={}", candidate.options.radix);
  if (candidate.plan.segments > 1) plan.rule += ":segment=" + format_size(candidate.options.segment_bytes);
  return plan;
}

/// Takes turns, so that what else the machine does meets both. False once a call takes long.
bool measure(const Communicator& comm, Collective collective, Buffers& buffers, std::size_t bytes,
             std::vector<Candidate>& candidates) {
  for (int turn = 0; turn <= kCalls; ++turn) {
    for (Candidate& candidate : candidates) {
      const double seconds = time_call(comm, collective, buffers, bytes, candidate.options);
      if (turn > 0 || seconds > kLongCall) candidate.times.push_back(seconds);
      if (seconds > kLongCall && &candidate == &candidates.back()) return false;
    }
  }
  return true;
}

}  // namespace

std::vector<VerifiedChoice> verify_choices(const Communicator& comm, const LevelCosts& costs) {
  const Communicator own(comm.mpi(), {.timeout = std::chrono::seconds(60), .costs = costs, .shared_memory = false});
  Selector& selector = own.state().everyone().selector();
  Buffers buffers;
  buffers.data.resize(kSizes[std::size(kSizes) - 1] / sizeof(float), 1.0F);
  buffers.output.resize(buffers.data.size() + static_cast<std::size_t>(own.size()));
  std::vector<VerifiedChoice> choices;
  for (const Collective collective : {Collective::allreduce, Collective::broadcast, Collective::all_gather}) {
    const auto table = collective == Collective::allreduce ? allreduce_algorithms() : collective_algorithms();
    for (const std::size_t bytes : kSizes) {
      const std::vector<Plan> plans = selector.candidates(table, collective, bytes);
      const auto other = std::find_if(plans.begin(), plans.end(),
                                      [&](const Plan& plan) { return plan.algorithm != plans.front().algorithm; });
      if (other == plans.end()) continue;
      std::vector<Candidate> candidates = {candidate_of(plans.front(), own.size(), bytes),
                                           candidate_of(*other, own.size(), bytes)};
      const bool goes_on = measure(own, collective, buffers, bytes, candidates);
      if (candidates[0].times.empty() || candidates[1].times.empty()) break;
      choices.push_back({std::string(name(collective)), bytes, verified(candidates[0]), verified(candidates[1])});
      if (!goes_on) break;
    }
  }
  return choices;
}

std::string mending_rules(const std::vector<VerifiedChoice>& choices) {
  std::string rules;
  for (const VerifiedChoice& choice : choices) {
    if (!choice.is_wrong()) continue;
    const std::size_t half = kSizeFactor / 4;
    rules += fmt::format("{}{}:{}-{}:{}", rules.empty() ? "" : ",", choice.collective,
                         format_size(std::max<std::size_t>(1, choice.bytes / half)), format_size(choice.bytes * half),
                         choice.other.rule);
  }
  return rules;
}

}  // namespace tutti::tools
