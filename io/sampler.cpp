#include <tutti/io/sampler.hpp>

#include <algorithm>
#include <array>
#include <functional>
#include <numeric>

#include <tutti/io/detail/permutation.hpp>
#include <tutti/io/detail/two_level.hpp>
#include <tutti/kernels/names.hpp>
#include <tutti/kernels/philox.hpp>

namespace tutti::io {

namespace {

// They keep the streams of these orders apart from other uses of the same seed.
constexpr std::uint64_t kShuffleStream = 0x53485546464C45ULL;
constexpr std::uint64_t kBootstrapStream = 0x424F4F5453545250ULL;

constexpr std::uint64_t kMostLanes = 64;

constexpr std::array<std::string_view, 4> kOrderNames{"shuffled", "contiguous", "two_level", "bootstrap"};
constexpr std::array<Order, 4> kOrders{Order::shuffled, Order::contiguous, Order::two_level, Order::bootstrap};

}  // namespace

std::span<const std::string_view> order_names() noexcept { return kOrderNames; }

Order order_from_name(std::string_view name) {
  const auto& found = find_named(kOrderNames, "order", name, std::identity());
  return kOrders[static_cast<std::size_t>(&found - kOrderNames.data())];
}

TwoLevelOptions two_level_options(const Dataset& dataset, std::uint64_t batch, std::size_t window_bytes) {
  TwoLevelOptions options{.batch = batch};
  options.shards.reserve(dataset.shards().size());
  for (const ShardInfo& shard : dataset.shards()) {
    options.block = std::max(options.block, shard.chunk_samples);
    options.shards.push_back(shard.samples);
  }
  // How much a sparse sample takes is not known here: about so much.
  constexpr std::size_t kSparseBytes = 4096;
  std::size_t sample_bytes = 0;
  for (const Field& field : dataset.fields())
    sample_bytes += field.sparse ? std::min(field.sample_bytes(), kSparseBytes) : field.sample_bytes();
  // A lane wants some blocks in its window, lest a few samples of the same chunk follow each other.
  constexpr std::uint64_t kBlocksOfLane = 4;
  const std::uint64_t window = std::max<std::uint64_t>(window_bytes / std::max<std::size_t>(sample_bytes, 1), 1);
  options.lanes = std::clamp<std::uint64_t>(window / options.block / kBlocksOfLane, 1, std::min(kMostLanes, batch));
  options.window = std::max(window / options.lanes, options.block);
  return options;
}

Sampler::Sampler(std::uint64_t size, Order order, std::uint64_t seed) noexcept
    : size_(size), order_(order), seed_(seed) {}

Sampler::Sampler(std::uint64_t size, std::uint64_t seed, const TwoLevelOptions& options)
    : size_(size),
      order_(Order::two_level),
      seed_(seed),
      two_level_(std::make_shared<const TwoLevelOrder>(size, seed, options)) {}

void Sampler::samples(std::uint64_t epoch, std::uint64_t first, std::span<std::uint64_t> ids) const noexcept {
  switch (order_) {
    case Order::contiguous:
      std::iota(ids.begin(), ids.end(), first);
      break;
    case Order::shuffled:
      std::iota(ids.begin(), ids.end(), first);
      permute_by_philox(ids, size_, epoch, philox_key(seed_ ^ kShuffleStream));
      break;
    case Order::two_level:
      two_level_->samples(epoch, first, ids);
      break;
    case Order::bootstrap:
      for (std::uint64_t& id : ids) id = scaled(random_u64(seed_ ^ kBootstrapStream, epoch, first++), size_);
      break;
  }
}

std::uint64_t Sampler::sample(std::uint64_t epoch, std::uint64_t position) const noexcept {
  std::uint64_t id = 0;
  samples(epoch, position, {&id, 1});
  return id;
}

Range part_of(Range whole, int part, int parts) noexcept {
  const auto index = static_cast<std::uint64_t>(part);
  const auto count = static_cast<std::uint64_t>(parts);
  const std::uint64_t base = whole.size() / count;
  const std::uint64_t larger = whole.size() % count;  // that many parts, the first ones, have one more
  const std::uint64_t first = whole.first + index * base + (index < larger ? index : larger);
  return {first, first + base + (index < larger ? 1 : 0)};
}

Range parts_of(Range whole, Range own, int parts) noexcept {
  if (own.size() == 0) return {whole.first, whole.first};
  return {part_of(whole, static_cast<int>(own.first), parts).first,
          part_of(whole, static_cast<int>(own.last) - 1, parts).last};
}

}  // namespace tutti::io
