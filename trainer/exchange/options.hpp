// What a configuration says of the exchange of gradients.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace tutti::trainer {

/// Section `exchange` of a configuration; what the keys mean: config/keys.cpp.
struct ExchangeOptions {
  std::string kind = "allreduce";
  std::int64_t bucket_bytes = 0;
  std::string compression = "none";  ///< settings of a codec (compression/codecs.hpp)
  std::string algorithm = {};
};

/// Those of the table in exchange.cpp.
std::span<const std::string_view> exchange_names() noexcept;

}  // namespace tutti::trainer
