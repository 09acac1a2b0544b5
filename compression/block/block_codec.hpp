// Codecs that encode block by block, each block on its own: their codes are decoded to be added.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include <tutti/compression/compressed_allreduce.hpp>
#include <tutti/kernels/codecs/encoding.hpp>

namespace tutti::detail {

/// The stream of draws of a contributor, or of the owner of a sum (`contributor` = ranks), for a tensor in a step.
std::uint64_t draw_stream(std::uint64_t step, std::uint64_t tensor, std::uint64_t contributor) noexcept;

/// Stateless: the same input gives the same bytes on every rank and every processor.
class BlockCodec {
 public:
  BlockCodec() = default;
  BlockCodec(const BlockCodec&) = delete;
  BlockCodec& operator=(const BlockCodec&) = delete;
  virtual ~BlockCodec() = default;

  /// Values of a block; a divisor of kPartAlignment or a multiple of it.
  virtual std::size_t block() const noexcept = 0;

  /// Bytes of `count` values of one tensor, which begin with a block: whole blocks, and one that may be shorter.
  virtual std::size_t encoded_bytes(std::size_t count) const noexcept = 0;

  /// Encodes values + residual; residual becomes what `out`, decoded, lacks of that. An empty residual is none. Where a
  /// value is not finite, none of those that it is encoded together with is finite when decoded, and their residual
  /// stays.
  virtual CompressionFacts encode(std::span<const float> values, std::span<float> residual, const Draw& draw,
                                  std::span<std::byte> out) const = 0;

  /// values = what was encoded, and values += that.
  virtual void decode(std::span<const std::byte> in, std::span<float> values) const = 0;
  virtual void decode_add(std::span<const std::byte> in, std::span<float> values) const = 0;
};

/// That of the settings' name. \throws InvalidArgument: it is of another kind
std::unique_ptr<const BlockCodec> make_block_codec(const CodecSettings& settings);

}  // namespace tutti::detail
