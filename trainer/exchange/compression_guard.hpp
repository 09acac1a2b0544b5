// Whether compression does what it should while a model is trained, parameter by parameter.
//
// Every `exchange.guard_every` steps it looks at what all ranks hold back. Of one bucket, each time another, gradients
// are exchanged as they are, too, and what came by the codecs is compared with their sum. A parameter that fails two
// checks in a row travels by a milder codec from then on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <tutti/compression/compressed_allreduce.hpp>
#include <tutti/trainer/exchange/options.hpp>
#include <tutti/trainer/memory/parameters.hpp>

namespace tutti::trainer {

/// What a check found of a parameter, the same on all ranks.
struct CompressionCheck {
  std::size_t parameter = 0;
  std::string codec;                       ///< its settings
  std::optional<double> contraction = {};  ///< 1 - |held back|^2 / |to be sent|^2; only with feedback
  std::optional<double> residual = {};     ///< norm of what is held back over that of the gradient; likewise
  std::optional<double> cosine = {};       ///< between what came and the sum of gradients, where they were compared
  std::optional<double> error = {};        ///< norm of their difference over that of the sum; likewise
  double saturated = 0.0;                  ///< part of the values that were out of the codec's range
  std::string problem = {};                ///< empty if nothing is wrong
  std::string remedy = {};                 ///< settings of the codec that takes its place; empty: none does
};

/// What is measured of a parameter, over all ranks.
struct CompressionMeasure {
  double values = 0.0;     ///< sum of squares of what was to be sent
  double held_back = 0.0;  ///< of what was not
  double saturated = 0.0;  ///< part of the values
  double gradient = 0.0;   ///< sum of squares
  // Where the sum of gradients as they are is known: it, what came, their product and their difference, squared.
  double product = 0.0;
  double came = 0.0;
  double sum = 0.0;
  double difference = 0.0;
};

class CompressionGuard {
 public:
  /// \throws InvalidArgument: no such codec to fall back to
  CompressionGuard(const ExchangeOptions& options, std::span<const ParameterInfo> parameters);

  bool is_due(std::uint64_t step) const noexcept { return every_ > 0 && step % every_ == 0; }

  /// Which one of so many buckets is compared in a step that is due.
  std::size_t place(std::uint64_t step, std::size_t buckets) const noexcept {
    return buckets == 0 || every_ == 0 ? 0 : static_cast<std::size_t>(step / every_ % buckets);
  }

  /// Judges each parameter that does not travel as it is. A codec that is to be replaced is, in `codecs`.
  std::vector<CompressionCheck> judge(std::span<const CompressionMeasure> measures, std::vector<CodecSettings>& codecs);

  /// Of checks, in a row, by parameter: the next ones depend on them.
  const std::vector<int>& failures() const noexcept { return failures_; }
  void restore(const std::vector<int>& failures) {
    if (failures.size() == failures_.size()) failures_ = failures;
  }

  const CodecSettings& fallback() const noexcept { return fallback_; }

  /// What takes the place of a codec that does not do, of a parameter.
  const CodecSettings& milder_than(const CodecSettings& codec) const noexcept;

 private:
  std::string problem_of(const CompressionCheck& check) const;

  std::uint64_t every_;
  double largest_residual_;
  CodecSettings fallback_;
  CodecSettings none_;
  std::span<const ParameterInfo> parameters_;
  std::vector<int> failures_;
};

}  // namespace tutti::trainer
