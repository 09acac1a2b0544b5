// Encodes and decodes chunks as the filters of HDF5 of the same names do, without HDF5 and its lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <tutti/io/compression.hpp>

namespace tutti::io {

/// HDF5's number of the filter that is a codec; -1: none.
int filter_of(Codec codec) noexcept;
inline constexpr int kShuffleFilter = 2;

/// Bit i is set where filter i of the pipeline was not applied to a chunk.
using FilterMask = std::uint32_t;

/// Filters in the pipeline of a data set: shuffle and the codec, in this order.
constexpr int filters_of(const Compression& compression) noexcept {
  return (compression.shuffle ? 1 : 0) + (compression.codec == Codec::none ? 0 : 1);
}

/// What `stored` bytes can become at most, whatever they are: the formats repeat bytes by lengths of bounded size.
std::uint64_t most_decoded(const Compression& compression, std::uint64_t stored) noexcept;

/// First byte 0 of all elements, then byte 1, and so on; and back. Of both spans the sizes are equal; bytes behind the
/// last whole element stay where they are.
void shuffle_bytes(std::size_t element_bytes, std::span<const std::byte> elements, std::span<std::byte> out) noexcept;
void unshuffle_bytes(std::size_t element_bytes, std::span<const std::byte> shuffled, std::span<std::byte> out) noexcept;

/// For one thread. Keeps its memory, some three times the largest chunk, from chunk to chunk.
class Encoder {
 public:
  Encoder(const Compression& compression, std::size_t element_bytes);
  ~Encoder();
  Encoder(Encoder&&) noexcept;
  Encoder& operator=(Encoder&&) noexcept;

  struct Encoded {
    std::span<const std::byte> bytes;  ///< valid until the next call, or those of the chunk
    FilterMask mask = 0;
  };

  /// The chunk as it is stored: encoded, or as it is where that would not be smaller. \throws DataError as a clause.
  Encoded encode(std::span<const std::byte> chunk);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Whether the bytes of a chunk are stored as they are.
constexpr bool is_plain(const Compression& compression, std::size_t element_bytes, FilterMask mask) noexcept {
  const FilterMask codec = compression.shuffle ? 2 : 1;
  return (compression.codec == Codec::none || (mask & codec) != 0) &&
         (!compression.shuffle || (mask & 1) != 0 || element_bytes == 1);
}

/// Decodes `stored`, which is_plain() says no of, into exactly `out.size()` bytes. `buffer` is memory for the bytes in
/// between, kept from chunk to chunk. \throws DataError, a clause: `stored` is no such encoding of so many bytes.
void decode(const Compression& compression, std::size_t element_bytes, FilterMask mask,
            std::span<const std::byte> stored, std::vector<std::byte>& buffer, std::span<std::byte> out);

}  // namespace tutti::io
