#include <tutti/io/detail/two_level.hpp>

#include <fmt/core.h>

#include <algorithm>

#include <tutti/io/detail/permutation.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/philox.hpp>

namespace tutti::io {

namespace {

// Each keeps one use of the seed apart from the others.
constexpr std::uint64_t kBlockStream = 0x424C4F434B53ULL;
constexpr std::uint64_t kSeamStream = 0x5345414D53ULL;
constexpr std::uint64_t kWindowStream = 0x57494E444F57ULL;

// part_of() for 64-bit numbers of parts: sizes differ by at most one, larger parts first.
struct Parts {
  std::uint64_t base;
  std::uint64_t larger;  // that many parts have one more

  Parts(std::uint64_t size, std::uint64_t parts) noexcept : base(size / parts), larger(size % parts) {}
  std::uint64_t first(std::uint64_t part) const noexcept { return part * base + std::min(part, larger); }
  std::uint64_t size(std::uint64_t part) const noexcept { return base + (part < larger ? 1 : 0); }
  std::uint64_t part_at(std::uint64_t offset) const noexcept {
    const std::uint64_t in_larger = larger * (base + 1);
    return offset < in_larger ? offset / (base + 1) : larger + (offset - in_larger) / base;
  }
};

}  // namespace

TwoLevelOrder::TwoLevelOrder(std::uint64_t size, std::uint64_t seed, const TwoLevelOptions& options)
    : size_(size),
      seed_(seed),
      batch_(std::min(options.batch, size)),
      lanes_(options.lanes),
      block_(options.block),
      window_(options.window) {
  const auto require = [](bool valid, const char* what, std::uint64_t value) {
    if (!valid) throw InvalidArgument(fmt::format("two-level shuffle: {} is {}, which is out of range", what, value));
  };
  require(batch_ > 0, "the number of samples in a batch", options.batch);
  require(lanes_ > 0, "the number of lanes", lanes_);
  require(block_ > 0, "the number of samples in a block", block_);
  require(window_ > 0, "the number of samples in a window", window_);
  std::uint64_t rest = 0;
  std::uint64_t sample = 0;
  const auto add = [&](std::uint64_t samples) {
    shards_.push_back({.first_sample = sample, .first_block = shard_blocks_, .first_rest = rest});
    sample += samples;
    shard_blocks_ += samples / block_;
    rest += samples % block_;
  };
  shards_.reserve(options.shards.size() + 1);
  for (const std::uint64_t samples : options.shards) add(samples);
  if (options.shards.empty()) add(size);
  require(sample == size, "the number of samples in all shards", sample);
  full_blocks_ = shard_blocks_ + rest / block_;
}

TwoLevelOrder::Run TwoLevelOrder::run_at(std::uint64_t position) const noexcept {
  const std::uint64_t batch = position / batch_;
  const std::uint64_t offset = position % batch_;
  const Parts whole(batch_, lanes_);
  const Parts here(std::min(batch_, size_ - batch * batch_), lanes_);
  const std::uint64_t lane = here.part_at(offset);
  const std::uint64_t in_part = offset - here.first(lane);
  return {.lane = lane, .at = batch * whole.size(lane) + in_part, .count = here.size(lane) - in_part};
}

/// Where its slice of the list begins: after all that earlier lanes hand out, in whole batches and in the last one.
std::uint64_t TwoLevelOrder::lane_begin(std::uint64_t lane) const noexcept {
  return size_ / batch_ * Parts(batch_, lanes_).first(lane) + Parts(size_ % batch_, lanes_).first(lane);
}

TwoLevelOrder::Window TwoLevelOrder::window_at(std::uint64_t epoch, std::uint64_t lane,
                                               std::uint64_t at) const noexcept {
  const std::uint64_t all =
      size_ / batch_ * Parts(batch_, lanes_).size(lane) + Parts(size_ % batch_, lanes_).size(lane);
  const std::uint64_t half = window_ / 2 + window_ % 2;
  if (all <= half || all - half <= window_) return {.first = 0, .size = all};
  const std::uint64_t seam = std::min(half + scaled(random_u64(seed_ ^ kSeamStream, epoch, lane), window_), all - half);
  if (at < seam) return {.first = 0, .size = seam};
  const std::uint64_t windows = (all - seam - half) / window_ + 1;
  const std::uint64_t index = std::min((at - seam) / window_, windows - 1);
  const std::uint64_t first = seam + index * window_;
  return {.first = first, .size = index == windows - 1 ? all - first : window_};
}

std::uint64_t TwoLevelOrder::id(std::uint64_t block, std::uint64_t offset) const noexcept {
  if (block < shard_blocks_) {
    const auto after =
        std::upper_bound(shards_.begin(), shards_.end(), block,
                         [](std::uint64_t value, const Shard& shard) { return value < shard.first_block; });
    const Shard& shard = *(after - 1);
    return shard.first_sample + (block - shard.first_block) * block_ + offset;
  }
  const std::uint64_t rest = (block - shard_blocks_) * block_ + offset;
  const auto after = std::upper_bound(shards_.begin(), shards_.end(), rest,
                                      [](std::uint64_t value, const Shard& shard) { return value < shard.first_rest; });
  const Shard& shard = *(after - 1);
  const std::uint64_t blocks = (after == shards_.end() ? shard_blocks_ : after->first_block) - shard.first_block;
  return shard.first_sample + blocks * block_ + (rest - shard.first_rest);
}

void TwoLevelOrder::samples(std::uint64_t epoch, std::uint64_t first, std::span<std::uint64_t> ids) const noexcept {
  const Permutation blocks(std::max<std::uint64_t>(full_blocks_, 1), random_u64(seed_ ^ kBlockStream, epoch, 0));
  const std::uint64_t in_short = size_ - full_blocks_ * block_;  // samples of the short block
  const std::uint64_t slot =
      in_short == 0 ? full_blocks_ : scaled(random_u64(seed_ ^ kBlockStream, epoch, 1), full_blocks_ + 1);
  const std::uint64_t short_begin = slot * block_;
  const auto id_at = [&](std::uint64_t place) {
    if (place < short_begin) return id(blocks(place / block_), place % block_);
    if (place - short_begin < in_short) return id(full_blocks_, place - short_begin);
    place -= in_short;
    return id(blocks(place / block_), place % block_);
  };
  while (!ids.empty()) {
    const Run run = run_at(first);
    const std::uint64_t begin = lane_begin(run.lane);
    const Window window = window_at(epoch, run.lane, run.at);
    const std::uint64_t in_window = run.at - window.first;
    const std::uint64_t count = std::min({run.count, window.size - in_window, std::uint64_t{ids.size()}});
    // Where a window begins in the list is its number among all windows of the epoch.
    const Permutation places(window.size, random_u64(seed_ ^ kWindowStream, epoch, begin + window.first));
    for (std::uint64_t i = 0; i < count; ++i) ids[i] = id_at(begin + window.first + places(in_window + i));
    ids = ids.subspan(count);
    first += count;
  }
}

}  // namespace tutti::io
