// The two-level shuffle: blocks of samples that lie together on disk are permuted, then samples within windows of
// blocks, so that few chunks are in use at a time.
//
//   blocks    Every shard is cut into blocks of `block` samples; what is left of the shards, in a row, makes further
//             blocks, the last of which may be short. A keyed permutation orders the full blocks; the short one stands
//             at a keyed place among them. One after another they are the list of the epoch.
//   lanes     The list is cut into `lanes` slices. Slot o of a global batch belongs to lane c if o lies in the c-th of
//             `lanes` nearly equal parts of the batch; the lane hands out its slice from begin to end. A rank's part of
//             a batch is consecutive, so it reads the blocks of its own lanes, and no other rank does.
//   windows   Within its slice, a lane permutes the samples of windows of `window` positions. The first window's size
//             is keyed and lies between a half and one and a half of it, so that seams lie elsewhere in each epoch;
//             what would be a last window of less than a half belongs to the one before it.
//
// Position, epoch and seed give the sample in a time that does not depend on the size (two permutations, and a search
// among the shards), from tables of a few numbers a shard.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <tutti/io/sampler.hpp>

namespace tutti::io {

/// A random number of 64 bits as one of 0 .. size-1: the high half of their product (Lemire, "Fast random integer
/// generation in an interval", 2019). Biased by less than size / 2^64.
constexpr std::uint64_t scaled(std::uint64_t random, std::uint64_t size) noexcept {
  const std::uint64_t low = (random & 0xFFFFFFFFU) * (size & 0xFFFFFFFFU);
  const std::uint64_t cross = (random >> 32) * (size & 0xFFFFFFFFU) + (low >> 32);
  const std::uint64_t other = (random & 0xFFFFFFFFU) * (size >> 32) + (cross & 0xFFFFFFFFU);
  return (random >> 32) * (size >> 32) + (cross >> 32) + (other >> 32);
}

/// part_of() for numbers of parts that an int does not hold: sizes differ by at most one, larger parts first.
struct Parts {
  std::uint64_t base;
  std::uint64_t larger;  ///< that many parts have one more

  Parts(std::uint64_t size, std::uint64_t parts) noexcept : base(size / parts), larger(size % parts) {}
  std::uint64_t first(std::uint64_t part) const noexcept { return part * base + (part < larger ? part : larger); }
  std::uint64_t size(std::uint64_t part) const noexcept { return base + (part < larger ? 1 : 0); }
  std::uint64_t part_at(std::uint64_t offset) const noexcept {
    const std::uint64_t in_larger = larger * (base + 1);
    return offset < in_larger ? offset / (base + 1) : larger + (offset - in_larger) / base;
  }
};

class TwoLevelOrder {
 public:
  TwoLevelOrder(std::uint64_t size, std::uint64_t seed, const TwoLevelOptions& options);

  void samples(std::uint64_t epoch, std::uint64_t first, std::span<std::uint64_t> ids) const noexcept;

 private:
  // Consecutive positions of one lane: the first is position `at` of its slice.
  struct Run {
    std::uint64_t lane;
    std::uint64_t at;
    std::uint64_t count;
  };
  // Positions of a lane's slice.
  struct Window {
    std::uint64_t first;
    std::uint64_t size;
  };
  struct Shard {
    std::uint64_t first_sample;
    std::uint64_t first_block;  // of its full blocks
    std::uint64_t first_rest;   // of what its full blocks leave, among all that is left of the shards
  };

  Run run_at(std::uint64_t position) const noexcept;
  std::uint64_t lane_begin(std::uint64_t lane) const noexcept;
  Window window_at(std::uint64_t key, std::uint64_t lane, std::uint64_t at) const noexcept;
  std::uint64_t id(std::uint64_t block, std::uint64_t offset) const noexcept;
  void resolve(std::uint64_t epoch, std::span<std::uint64_t> places) const noexcept;

  std::uint64_t size_;
  std::uint64_t seed_;
  std::uint64_t batch_;
  std::uint64_t batches_;  // whole ones
  Parts whole_;            // of a whole batch, by lane
  Parts last_;             // of what is left of an epoch
  std::uint64_t block_;
  std::uint64_t window_;
  std::uint64_t full_blocks_ = 0;   // of block_ samples
  std::uint64_t shard_blocks_ = 0;  // those that lie in one shard
  std::vector<Shard> shards_;
};

}  // namespace tutti::io
