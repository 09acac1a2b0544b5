// What the gradient of each parameter travels as.
#pragma once

#include <span>
#include <vector>

#include <tutti/compression/codecs.hpp>
#include <tutti/trainer/exchange/options.hpp>
#include <tutti/trainer/memory/parameters.hpp>

namespace tutti::trainer {

/// By parameter, in model order: that of the first rule that holds for it, else options.compression, but none for
/// vectors and small parameters unless that is harmless to them (Codec::is_elementwise). \throws InvalidArgument naming
/// a rule that holds for no parameter, or what is wrong with its settings
std::vector<CodecSettings> compression_of(std::span<const ParameterInfo> parameters, const ExchangeOptions& options);

/// By parameter: whether its codec needs all of it in one piece.
std::vector<bool> whole_parameters(std::span<const ParameterInfo> parameters, const ExchangeOptions& options);

}  // namespace tutti::trainer
