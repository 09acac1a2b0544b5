#include <tutti/trainer/run/evaluation.hpp>

#include <array>
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
#include <tutti/trainer/run/shards.hpp>

namespace tutti::trainer {

namespace {

constexpr std::uint64_t kSamplesPerShard = 256;  // at a time: enough for the arithmetic, little memory

std::string not_finite(const LabelledData& data, const Samples& samples, std::size_t index) {
  const std::size_t elements = data.input().elements();
  const bool input_is_finite = all_finite(samples.inputs.slice(index * elements, elements));
  return text(data.dataset().folder().string(), ": sample ", samples.ids[index], " cannot be scored: ",
              input_is_finite ? "the model gives a value that is not finite for it (its input is finite)"
                              : "its input is not finite");
}

/// The scores of this rank's shards, and its counts, which are whole numbers: any order gives the same.
std::vector<Score> score_shards(Network& network, const LabelledData& data, const io::LoaderOptions& options,
                                const std::function<bool()>& stop, ClassCounts& counts, bool& stopped) {
  const io::Range own = shards_of(options.rank, options.ranks, options.shards);
  std::vector<Score> scores(own.size());
  io::Loader loader(data.dataset(), options);
  StepShards batch_shards;
  while (auto batch = loader.next()) {
    stopped = stop && stop();
    if (stopped) break;
    batch_shards.begin(std::array{batch->global_samples}, own, options.shards);
    batch_shards.add(data, std::move(*batch));
    for (std::size_t shard = 0; shard < scores.size(); ++shard) {
      const Samples& samples = batch_shards.samples()[shard];
      const Evaluated part = network.evaluate(samples, &counts);
      if (part.not_finite) throw DataError(not_finite(data, samples, *part.not_finite));
      scores[shard].merge(part.score);
    }
  }
  return scores;
}

}  // namespace

std::optional<Evaluation> evaluate(const Communicator& comm, Network& network, const LabelledData& data, int shards,
                                   const std::function<bool()>& stop) {
  const io::LoaderOptions options{.global_batch = kSamplesPerShard * static_cast<std::uint64_t>(shards),
                                  .rank = comm.rank(),
                                  .ranks = comm.size(),
                                  .shards = shards,
                                  .epochs = 1};
  ClassCounts class_counts = ClassCounts::of(network.classes());
  std::vector<Score> scores;
  bool stopped = false;
  std::optional<std::string> failure;
  try {
    scores = score_shards(network, data, options, stop, class_counts, stopped);
  } catch (const std::exception& error) {
    failure = error.what();
  }
  // Merged in the order of shards, on each rank: the same bits everywhere.
  const std::size_t length = Score().packed(network.numbers()).size() + 2;
  std::vector<std::size_t> counts;
  counts.reserve(static_cast<std::size_t>(comm.size()));
  for (int rank = 0; rank < comm.size(); ++rank) counts.push_back(shards_of(rank, comm.size(), shards).size() * length);
  scores.resize(counts[static_cast<std::size_t>(comm.rank())] / length);
  std::vector<double> mine;
  for (const Score& score : scores) {
    const std::vector<double> packed = score.packed(network.numbers());
    mine.insert(mine.end(), packed.begin(), packed.end());
    mine.insert(mine.end(), {failure ? 1.0 : 0.0, stopped ? 1.0 : 0.0});
  }
  std::vector<double> all(length * static_cast<std::size_t>(shards));
  all_gather_v(comm, ConstBuffer(std::span<const double>(mine)), Buffer(std::span(all)), counts);
  Score sum;
  double failed = 0.0;
  double stops = 0.0;
  for (std::size_t begin = 0; begin < all.size(); begin += length) {
    const auto its = std::span<const double>(all).subspan(begin, length);
    failed += its[length - 2];
    stops += its[length - 1];
    sum.merge(Score::unpacked(its.first(length - 2)));
  }
  if (failed != 0.0) settle(comm, failure);
  if (stops != 0.0) return std::nullopt;
  allreduce(comm, std::span<std::uint64_t>(class_counts.cells), ReduceOp::sum);
  return Evaluation{.score = std::move(sum), .counts = std::move(class_counts)};
}

}  // namespace tutti::trainer
