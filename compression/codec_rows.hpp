// Where the table of codecs takes its rows from, and parameters that several have.
#pragma once

#include <span>

#include <tutti/compression/codecs.hpp>

namespace tutti::detail {

// Each in the folder of its kind.
std::span<const Codec* const> block_codecs() noexcept;
std::span<const Codec* const> integer_codecs() noexcept;
std::span<const Codec* const> low_rank_codecs() noexcept;
std::span<const Codec* const> random_codecs() noexcept;
std::span<const Codec* const> sparse_codecs() noexcept;

extern const CodecParameter kBlockParameter;
extern const CodecParameter kFeedbackParameter;
extern const CodecParameter kRoundingParameter;
extern const CodecParameter kSeedParameter;

}  // namespace tutti::detail
