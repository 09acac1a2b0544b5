#include <tutti/trainer/run/evaluation.hpp>

#include <array>
#include <optional>
#include <string>
#include <vector>

#include <tutti/allreduce/allreduce.hpp>
#include <tutti/kernels/finite.hpp>
#include <tutti/kernels/text.hpp>
#include <tutti/trainer/run/agreed_error.hpp>

namespace tutti::trainer {

namespace {

constexpr std::uint64_t kSamplesPerRank = 256;  // at a time: enough for the arithmetic, little memory

std::string not_finite(const LabelledData& data, const io::Batch& batch, const Samples& samples, std::size_t index) {
  const std::size_t elements = data.input().elements();
  const bool input_is_finite = all_finite(samples.inputs.slice(index * elements, elements));
  return text(data.dataset().folder().string(), ": sample ", batch.ids[index], " cannot be scored: ",
              input_is_finite ? "the model gives a value that is not finite for it (its input is finite)"
                              : "its input is not finite");
}

/// This rank's part.
Score score_part(const Communicator& comm, Network& network, const LabelledData& data,
                 const std::function<bool()>& stop, bool& stopped) {
  io::Loader loader(data.dataset(), {.global_batch = kSamplesPerRank * static_cast<std::uint64_t>(comm.size()),
                                     .rank = comm.rank(),
                                     .ranks = comm.size(),
                                     .epochs = 1});
  Score sum;
  std::vector<std::int64_t> labels;
  while (const auto batch = loader.next()) {
    stopped = stop && stop();
    if (stopped) break;
    const Samples samples = data.samples(*batch, labels);
    const Evaluated part = network.evaluate(samples);
    if (part.not_finite) throw DataError(not_finite(data, *batch, samples, *part.not_finite));
    sum.loss += part.score.loss;
    sum.correct += part.score.correct;
    sum.samples += part.score.samples;
  }
  return sum;
}

}  // namespace

std::optional<Score> evaluate(const Communicator& comm, Network& network, const LabelledData& data,
                              const std::function<bool()>& stop) {
  Score part;
  bool stopped = false;
  std::optional<std::string> failure;
  try {
    part = score_part(comm, network, data, stop, stopped);
  } catch (const std::exception& error) {
    failure = error.what();
  }
  std::array<double, 1> loss{part.loss};
  std::array<std::uint64_t, 4> counts{part.correct, part.samples, failure ? 1U : 0U, stopped ? 1U : 0U};
  allreduce(comm, std::span<double>(loss), ReduceOp::sum);
  allreduce(comm, std::span<std::uint64_t>(counts), ReduceOp::sum);
  if (counts[2] != 0) settle(comm, failure);
  if (counts[3] != 0) return std::nullopt;
  return Score{.loss = loss[0], .correct = counts[0], .samples = counts[1]};
}

}  // namespace tutti::trainer
