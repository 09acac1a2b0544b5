#include <tutti/compression/block/block_layout.hpp>

#include <algorithm>

namespace tutti::detail {

BlockLayout::BlockLayout(std::span<const TensorPart> parts, const BlockCodec& codec, std::size_t ranks)
    : slices_(ranks) {
  const std::size_t block = codec.block();
  std::size_t blocks = 0;
  for (const TensorPart& part : parts) blocks += (part.count + block - 1) / block;
  const auto end_of = [&](std::size_t rank) {
    return blocks / ranks * (rank + 1) + std::min(rank + 1, blocks % ranks);
  };
  std::size_t rank = 0;
  std::size_t placed = 0;  // blocks
  std::size_t bytes = 0;   // of the slice so far
  for (std::size_t p = 0; p < parts.size(); ++p) {
    for (std::size_t first = 0; first < parts[p].count;) {
      while (placed == end_of(rank)) {
        ++rank;
        bytes = 0;
      }
      const std::size_t count = std::min(parts[p].count - first, (end_of(rank) - placed) * block);
      Run run = {.part = p, .first = first, .count = count, .place = count_ + first, .encoded = bytes};
      run.bytes = codec.encoded_bytes(count);
      bytes += run.bytes;
      encoded_bytes_ += run.bytes;
      slice_bytes_ = std::max(slice_bytes_, bytes);
      slices_[rank].push_back(run);
      first += count;
      placed += (count + block - 1) / block;
    }
    count_ += parts[p].count;
  }
}

}  // namespace tutti::detail
