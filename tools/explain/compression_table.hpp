// The answer of `tutti explain compression`: what an exchange of gradients is predicted to take by each codec, and on
// how fast a network each begins to pay. For `tutti`, which knows a number of elements, and tutti-train, which knows
// models.
#pragma once

#include <CLI/CLI.hpp>
#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

#include <tutti/compression/prediction.hpp>

namespace tutti::tools {

struct CompressionQuestion {
  std::string config;  ///< a configuration of the trainer, or empty
  std::size_t elements = 0;
  int ranks = 0;      ///< 0: those that the launcher started
  int nodes = 0;      ///< 0: as many as ranks
  std::string input;  ///< with a configuration: the shape of a sample, in place of its data
  std::size_t outputs = 10;
  std::string transport;
  std::string tuning;
  double gigabits = 0.0;  ///< of the network, if not that of its constants
  double most_error = 1e-3;
  std::vector<std::string> codecs;  ///< to be compared beside the defaults
  bool json = false;
};

/// Its options, of a command.
void describe_compression_question(CLI::App& app, CompressionQuestion& question);

/// \throws InvalidArgument: options that do not go together
void demand_sense(const CompressionQuestion& question);

/// The codecs that are compared: all with their defaults, and those that were asked for. \throws InvalidArgument
std::vector<CodecSettings> compared_codecs(const CompressionQuestion& question);

/// The cluster that is asked about: of imagined ranks. \throws InvalidArgument, DataError
ClusterShape asked_cluster(const CompressionQuestion& question);

/// With so much bandwidth on the level that is crossed.
ClusterShape with_gigabits(ClusterShape cluster, double gigabits);

/// An answer: `exchanges`, of which the first is by "none", for `model`, in words.
std::string compression_answer(const CompressionQuestion& question, const ClusterShape& cluster,
                               const std::string& model, std::span<const PredictedExchange> exchanges);

}  // namespace tutti::tools
