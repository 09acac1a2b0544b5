#include <tutti/trainer/evaluation.hpp>

#include <array>
#include <optional>
#include <string>
#include <vector>

#include <tutti/allreduce/allreduce.hpp>
#include <tutti/trainer/agreement.hpp>

namespace tutti::trainer {

Score evaluate(const Communicator& comm, Network& network, const LabelledData& data) {
  constexpr std::uint64_t kSamplesPerRank = 256;  // at a time: enough for the arithmetic, little memory
  const auto ranks = static_cast<std::uint64_t>(comm.size());
  std::array<double, 1> loss{};
  std::array<std::uint64_t, 3> counts{};  // right answers, samples, ranks that failed
  std::optional<std::string> failure;
  try {
    io::Loader loader(
        data.dataset(),
        {.global_batch = kSamplesPerRank * ranks, .rank = comm.rank(), .ranks = comm.size(), .epochs = 1});
    std::vector<std::int64_t> labels;
    while (const auto batch = loader.next()) {
      const Score part = network.evaluate(data.samples(*batch, labels));
      loss[0] += part.loss;
      counts[0] += part.correct;
      counts[1] += part.samples;
    }
  } catch (const std::exception& error) {
    failure = error.what();
    counts[2] = 1;
  }
  allreduce(comm, std::span<double>(loss), ReduceOp::sum);
  allreduce(comm, std::span<std::uint64_t>(counts), ReduceOp::sum);
  if (counts[2] != 0) settle(comm, failure);
  return {.loss = loss[0], .correct = counts[0], .samples = counts[1]};
}

}  // namespace tutti::trainer
