#include <tutti/trainer/run/evaluation.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <tutti/allreduce/allreduce.hpp>
#include <tutti/collectives/collectives.hpp>
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
Evaluation evaluate_part(const Communicator& comm, Network& network, const LabelledData& data,
                         const std::function<bool()>& stop, bool& stopped) {
  io::Loader loader(data.dataset(), {.global_batch = kSamplesPerRank * static_cast<std::uint64_t>(comm.size()),
                                     .rank = comm.rank(),
                                     .ranks = comm.size(),
                                     .epochs = 1});
  Evaluation sum{.score = {}, .counts = ClassCounts::of(network.classes())};
  std::vector<std::int64_t> labels;
  while (const auto batch = loader.next()) {
    stopped = stop && stop();
    if (stopped) break;
    const Samples samples = data.samples(*batch, labels);
    const Evaluated part = network.evaluate(samples, &sum.counts);
    if (part.not_finite) throw DataError(not_finite(data, *batch, samples, *part.not_finite));
    sum.score.merge(part.score);
  }
  return sum;
}

}  // namespace

std::optional<Evaluation> evaluate(const Communicator& comm, Network& network, const LabelledData& data,
                                   const std::function<bool()>& stop) {
  Evaluation part;
  bool stopped = false;
  std::optional<std::string> failure;
  try {
    part = evaluate_part(comm, network, data, stop, stopped);
  } catch (const std::exception& error) {
    failure = error.what();
  }
  // Merged in the order of ranks, on each of them: the same bits everywhere.
  std::vector<double> mine = part.score.packed(network.numbers());
  mine.insert(mine.end(), {failure ? 1.0 : 0.0, stopped ? 1.0 : 0.0});
  std::vector<double> all(mine.size() * static_cast<std::size_t>(comm.size()));
  all_gather(comm, std::span<const double>(mine), std::span<double>(all));
  Score sum;
  double failed = 0.0;
  double stops = 0.0;
  for (std::size_t begin = 0; begin < all.size(); begin += mine.size()) {
    const auto its = std::span<const double>(all).subspan(begin, mine.size());
    failed += its[mine.size() - 2];
    stops += its[mine.size() - 1];
    sum.merge(Score::unpacked(its.first(mine.size() - 2)));
  }
  if (failed != 0.0) settle(comm, failure);
  if (stops != 0.0) return std::nullopt;
  allreduce(comm, std::span<std::uint64_t>(part.counts.cells), ReduceOp::sum);
  return Evaluation{.score = std::move(sum), .counts = std::move(part.counts)};
}

}  // namespace tutti::trainer
