// In which order the samples of an epoch are visited: the same global order whatever the number of ranks.
#pragma once

#include <tutti/kernels/cpp20.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include <tutti/io/dataset.hpp>

namespace tutti::io {

enum class Order : std::uint8_t {
  contiguous,  ///< by id
  shuffled,    ///< a pseudo-random permutation: a sample may lie in any chunk
  two_level,   ///< blocks of consecutive samples are permuted, then samples among the blocks of a window
  bootstrap,   ///< with replacement: every position draws one of all samples
};

/// "shuffled, contiguous, two_level, bootstrap"
std::span<const std::string_view> order_names() noexcept;

/// \throws InvalidArgument listing the known ones, or naming the nearest.
Order order_from_name(std::string_view name);

/// How samples lie on disk and in which portions they are shuffled (Order::two_level; io/README.md tells how it mixes).
struct TwoLevelOptions {
  std::uint64_t batch = 1;              ///< positions of a global batch
  std::uint64_t lanes = 1;              ///< parts of the epoch that a batch draws from, each by its own window
  std::uint64_t block = 1;              ///< samples that stay together on the first level: those of a chunk
  std::uint64_t window = 1;             ///< samples of a lane that are shuffled among each other
  std::vector<std::uint64_t> shards{};  ///< samples by shard, in which blocks begin anew; empty: one shard
};

/// Blocks as large as the data set's chunks, up to 64 lanes, and windows of `window_bytes` over all lanes together (but
/// of a chunk or more each). A function of the data set, the batch and the window: never of caches and ranks.
TwoLevelOptions two_level_options(const Dataset& dataset, std::uint64_t batch, std::size_t window_bytes);

/// The ids of an epoch in their order, computed element by element without storing it. All orders but bootstrap are
/// permutations of 0 .. size-1.
class Sampler {
 public:
  /// Requires size > 0, and another order than two_level.
  Sampler(std::uint64_t size, Order order, std::uint64_t seed) noexcept;

  /// Order::two_level. \throws InvalidArgument for a number that is 0, and shards that have not `size` samples
  Sampler(std::uint64_t size, std::uint64_t seed, const TwoLevelOptions& options);

  std::uint64_t size() const noexcept { return size_; }

  /// Id of the sample at `position` of `epoch`. Requires position < size. Pure: depends on (size, order, seed, epoch,
  /// position) alone, so that any rank computes any part of any epoch, and nothing but a position is saved in a
  /// checkpoint.
  std::uint64_t sample(std::uint64_t epoch, std::uint64_t position) const noexcept;

  /// The ids at positions `first` and following, as many as there is room for. Requires first + ids.size() <= size.
  void samples(std::uint64_t epoch, std::uint64_t first, std::span<std::uint64_t> ids) const noexcept;

 private:
  std::uint64_t size_;
  Order order_;
  std::uint64_t seed_;
  std::shared_ptr<const class TwoLevelOrder> two_level_;  // null for other orders
};

/// Positions [first, last).
struct Range {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::uint64_t size() const noexcept { return last - first; }
};

/// Part `part` of `parts` of a range, contiguous, sizes differing by at most one, larger parts first. Parts may be
/// empty.
Range part_of(Range whole, int part, int parts) noexcept;

/// The positions of parts [own.first, own.last) of `parts` of a range together.
Range parts_of(Range whole, Range own, int parts) noexcept;

}  // namespace tutti::io
