// Lossy compression of what an allreduce sends.
#pragma once

#include <tutti/kernels/cpp20.hpp>

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include <tutti/allreduce/allreduce.hpp>

#pragma GCC visibility push(default)
namespace tutti {

/// Encodes f32 values into fewer bytes. Stateless: the same input gives the same bytes on every rank.
class Codec {
 public:
  Codec() = default;
  Codec(const Codec&) = delete;
  Codec& operator=(const Codec&) = delete;
  virtual ~Codec() = default;

  virtual std::string_view name() const noexcept = 0;

  /// Bytes that `count` encoded values take.
  virtual std::size_t encoded_bytes(std::size_t count) const noexcept = 0;

  /// `encoded` has encoded_bytes(values.size()) bytes.
  virtual void encode(std::span<const float> values, std::span<std::byte> encoded) const = 0;
  virtual void decode(std::span<const std::byte> encoded, std::span<float> values) const = 0;
};

/// Names of the codecs: "bf16", "f16".
std::span<const std::string_view> codec_names() noexcept;

/// The codec with that name. \throws InvalidArgument naming the text and the known codecs.
std::shared_ptr<const Codec> make_codec(std::string_view name);

/// Like iallreduce() with `sum` or `avg` on f32, but every contribution travels encoded: each rank sends its slices
/// encoded to their owners, which decode and add them in f32 in rank order, encode the sum once, and send that to all.
/// So a value is rounded by the codec once as a contribution and once as a result, whatever the number of ranks; all
/// ranks get the same bits.
[[nodiscard]] Request icompressed_allreduce(const Communicator& comm, std::span<float> data, ReduceOp op,
                                            std::shared_ptr<const Codec> codec);

}  // namespace tutti
#pragma GCC visibility pop
