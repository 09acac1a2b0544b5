// exchange.compression = "auto": what gradients are to travel as, by prediction, before the first step.
#pragma once

#include <span>
#include <string>
#include <vector>

#include <tutti/collectives/communicator.hpp>
#include <tutti/compression/prediction.hpp>
#include <tutti/trainer/config/config.hpp>
#include <tutti/trainer/exchange/options.hpp>
#include <tutti/trainer/memory/parameters.hpp>
#include <tutti/trainer/run/step_loop.hpp>

namespace tutti::trainer {

/// The allreduces of a step if exchange.compression were `compression`, as far as known before rank 0 has found in
/// which order gradients come. \throws as compression_of()
std::vector<ExchangeCall> exchange_calls(std::span<const ParameterInfo> parameters, const ExchangeOptions& options,
                                         const std::string& compression, const ClusterShape& cluster);

/// Predicts the exchange of a step by "none" and each of `candidates`, on this machine as one of cluster.ranks ranks.
/// One that cannot be is there with its problem. Collective over `comm`, on
/// whose ranks all measure at the same time; the slowest counts. \throws AgreedError
std::vector<PredictedExchange> predict_exchanges(const Communicator& comm, std::span<const ParameterInfo> parameters,
                                                 const ExchangeOptions& options,
                                                 std::span<const CodecSettings> candidates,
                                                 const ClusterShape& cluster);

struct CompressionChoice {
  std::string compression;  ///< in place of "auto"
  std::string reason;       ///< in a sentence
};

/// Of all codecs with their defaults: the fastest whose error is at most options.auto_error, if it is predicted to be a
/// tenth faster than none. Constants of the network that nobody has measured are corrected by a short measurement;
/// where ranks share a node's memory it is none, as no codec is faster than that. Collective, and the same on all
/// ranks. \throws AgreedError
CompressionChoice choose_compression(const Communicator& comm, std::span<const ParameterInfo> parameters,
                                     const ExchangeOptions& options);

/// Puts what is chosen in the place of "auto", if that is there: for a run that `resumes`, what config.toml in its
/// folder tells. Says why in a sentence; empty if there was nothing to choose. Collective. \throws AgreedError
std::string choose_compression_of(const Communicator& comm, Config& config, const TaskShape& task, bool resumes);

}  // namespace tutti::trainer
