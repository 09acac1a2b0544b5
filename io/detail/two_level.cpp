#include <tutti/io/detail/two_level.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <numeric>

#include <tutti/io/detail/permutation.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/philox.hpp>

namespace tutti::io {

namespace {

// Each keeps one use of the seed apart from the others.
constexpr std::uint64_t kBlockStream = 0x424C4F434B53ULL;
constexpr std::uint64_t kSeamStream = 0x5345414D53ULL;
constexpr std::uint64_t kWindowStream = 0x57494E444F57ULL;

// Keys of windows and seams of an epoch, each from the epoch's by the finaliser of SplitMix64 (Steele, Lea and Flood,
// OOPSLA 2014): a batch needs many.
std::uint64_t key_of(std::uint64_t epoch_key, std::uint64_t index) noexcept {
  std::uint64_t x = epoch_key + (index + 1) * 0x9E3779B97F4A7C15ULL;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

std::uint64_t checked(std::uint64_t value, const char* what) {
  if (value == 0) throw InvalidArgument(fmt::format("two-level shuffle: {} is 0", what));
  return value;
}

}  // namespace

TwoLevelOrder::TwoLevelOrder(std::uint64_t size, std::uint64_t seed, const TwoLevelOptions& options)
    : size_(size),
      seed_(seed),
      batch_(std::min(checked(options.batch, "the number of samples in a batch"), size)),
      batches_(size / batch_),
      whole_(batch_, checked(options.lanes, "the number of lanes")),
      last_(size % batch_, options.lanes),
      block_(checked(options.block, "the number of samples in a block")),
      window_(checked(options.window, "the number of samples in a window")) {
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
  if (sample != size)
    throw InvalidArgument(fmt::format("two-level shuffle: the shards have {} samples, not {}", sample, size));
  full_blocks_ = shard_blocks_ + rest / block_;
}

TwoLevelOrder::Run TwoLevelOrder::run_at(std::uint64_t position) const noexcept {
  const std::uint64_t batch = position / batch_;
  const std::uint64_t offset = position - batch * batch_;
  const Parts& parts = batch < batches_ ? whole_ : last_;
  const std::uint64_t lane = parts.part_at(offset);
  const std::uint64_t in_part = offset - parts.first(lane);
  return {.lane = lane, .at = batch * whole_.size(lane) + in_part, .count = parts.size(lane) - in_part};
}

/// Where its slice of the list begins: after all that earlier lanes hand out, in whole batches and in the last one.
std::uint64_t TwoLevelOrder::lane_begin(std::uint64_t lane) const noexcept {
  return batches_ * whole_.first(lane) + last_.first(lane);
}

TwoLevelOrder::Window TwoLevelOrder::window_at(std::uint64_t key, std::uint64_t lane, std::uint64_t at) const noexcept {
  const std::uint64_t all = batches_ * whole_.size(lane) + last_.size(lane);
  const std::uint64_t half = window_ / 2 + window_ % 2;
  if (all <= half || all - half <= window_) return {.first = 0, .size = all};
  const std::uint64_t seam = std::min(half + scaled(key_of(key, lane), window_), all - half);
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

/// Replaces places in the list of the epoch by the ids that stand there.
void TwoLevelOrder::resolve(std::uint64_t epoch, std::span<std::uint64_t> places) const noexcept {
  const Permutation blocks(std::max<std::uint64_t>(full_blocks_, 1), random_u64(seed_ ^ kBlockStream, epoch, 0));
  const std::uint64_t in_short = size_ - full_blocks_ * block_;  // samples of the short block
  const std::uint64_t slot =
      in_short == 0 ? full_blocks_ : scaled(random_u64(seed_ ^ kBlockStream, epoch, 1), full_blocks_ + 1);
  const std::uint64_t short_begin = slot * block_;
  const auto is_in_short = [&](std::uint64_t place) { return place - short_begin < in_short; };
  constexpr std::size_t kPiece = 256;
  std::array<std::uint64_t, kPiece> numbers;
  while (!places.empty()) {
    const auto piece = places.first(std::min(places.size(), kPiece));
    places = places.subspan(piece.size());
    std::size_t count = 0;
    for (std::uint64_t& place : piece) {
      if (is_in_short(place)) continue;
      numbers[count++] = (place - (place < short_begin ? 0 : in_short)) / block_;
    }
    blocks(std::span(numbers).first(count));
    count = 0;
    for (std::uint64_t& place : piece)
      place = is_in_short(place) ? id(full_blocks_, place - short_begin)
                                 : id(numbers[count++], (place - (place < short_begin ? 0 : in_short)) % block_);
  }
}

void TwoLevelOrder::samples(std::uint64_t epoch, std::uint64_t first, std::span<std::uint64_t> ids) const noexcept {
  const std::uint64_t seam_key = random_u64(seed_ ^ kSeamStream, epoch, 0);
  const std::uint64_t window_key = random_u64(seed_ ^ kWindowStream, epoch, 0);
  for (std::span<std::uint64_t> left = ids; !left.empty();) {
    const Run run = run_at(first);
    const std::uint64_t begin = lane_begin(run.lane);
    const Window window = window_at(seam_key, run.lane, run.at);
    const std::uint64_t in_window = run.at - window.first;
    const std::uint64_t count = std::min({run.count, window.size - in_window, std::uint64_t{left.size()}});
    const auto places = left.first(count);
    std::iota(places.begin(), places.end(), in_window);
    // Where a window begins in the list is its number among all windows of the epoch.
    Permutation(window.size, key_of(window_key, begin + window.first))(places);
    for (std::uint64_t& place : places) place += begin + window.first;
    left = left.subspan(count);
    first += count;
  }
  resolve(epoch, ids);
}

}  // namespace tutti::io
