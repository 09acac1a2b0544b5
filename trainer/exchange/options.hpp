// What a configuration says of the exchange of gradients.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tutti::trainer {

/// A table `exchange.rule` of a configuration: what the gradients of some parameters travel as.
struct CompressionRule {
  std::string match = "*";
  std::int64_t min_elements = 0;
  std::int64_t max_elements = 0;  ///< 0: any
  std::int64_t min_dimensions = 0;
  std::int64_t max_dimensions = 64;
  std::int64_t first = 0;  ///< 0: any
  std::int64_t last = 0;   ///< 0: any
  std::string compression = {};
};

/// Section `exchange` of a configuration; what the keys mean: config/keys.cpp.
struct ExchangeOptions {
  std::string kind = "allreduce";
  std::int64_t bucket_bytes = 0;
  std::string compression = "none";  ///< settings of a codec (compression/codecs.hpp), or "auto"
  std::string algorithm = {};
  double auto_error = 1e-3;
  std::int64_t compress_from = 1024;
  std::int64_t compress_after = 0;
  std::string feedback_space = "gradient";
  std::int64_t guard_every = 100;
  double guard_residual = 100.0;
  std::string fallback = "bf16";
  std::string overflow = "error";
  std::vector<CompressionRule> rules = {};

  bool chooses() const { return compression == "auto"; }

  /// Whether any gradient may travel as something else.
  bool compresses() const { return compression != "none" || !rules.empty(); }
};

/// Those of the table in exchange.cpp.
std::span<const std::string_view> exchange_names() noexcept;

}  // namespace tutti::trainer
