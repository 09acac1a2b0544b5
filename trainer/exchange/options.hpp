// What a configuration says of the exchange of gradients.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tutti::trainer {

/// Section `exchange` of a configuration; what the keys mean: config/keys.cpp.
struct ExchangeOptions {
  std::string kind = "allreduce";
  std::int64_t bucket_bytes = 0;
  std::string compression = "none";
  std::string algorithm = {};
};

/// Those of the table in exchange.cpp.
std::span<const std::string_view> exchange_names() noexcept;

/// What gradients can travel as: "none", or one of the codecs of compression/.
std::vector<std::string_view> compression_names();

}  // namespace tutti::trainer
