#include <tutti/io/detail/chunk_cache.hpp>

#include <fmt/core.h>
#include <sys/resource.h>

#include <algorithm>

#include <tutti/kernels/error.hpp>

namespace tutti::io {

namespace {

// A data set may have more shards than a process may open files, and there may be several caches beside what else the
// process opens: an eighth for each.
std::size_t most_open_shards() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return 128;
  return std::clamp<std::size_t>(limit.rlim_cur / 8, 1, 128);
}

}  // namespace

ChunkCache::ChunkCache(const Dataset& dataset, std::size_t bytes)
    : dataset_(dataset), capacity_(bytes), shards_(dataset.shards().size()), most_open_(most_open_shards()) {
  // No shard has more chunks than samples, so sample ids make keys that do not collide.
  for (std::size_t s = 0; s < shards_.size(); ++s) shards_[s].first_key = dataset.shards()[s].first_sample;
}

ShardReader& ChunkCache::reader(std::size_t shard) {
  Shard& entry = shards_[shard];
  entry.last_use = ++clock_;
  if (entry.reader == nullptr) {
    if (open_ == most_open_) {
      const auto oldest = std::min_element(shards_.begin(), shards_.end(), [](const Shard& a, const Shard& b) {
        return a.reader != nullptr && (b.reader == nullptr || a.last_use < b.last_use);
      });
      oldest->reader.reset();
      --open_;
    }
    const ShardInfo& info = dataset_.shards()[shard];
    entry.reader = std::make_unique<ShardReader>(info.file);
    ++open_;
    const ShardHeader& header = entry.reader->header();
    const bool same = header.fields == dataset_.fields() && header.samples == info.samples &&
                      header.first_sample == info.first_sample &&
                      (entry.chunk_samples == 0 || entry.chunk_samples == header.chunk_samples);
    if (!same) throw DataError(fmt::format("{}: has changed since the data set was opened", info.file.string()));
    entry.chunk_samples = header.chunk_samples;
  }
  return *entry.reader;
}

Location ChunkCache::locate(std::uint64_t id) {
  const auto& shards = dataset_.shards();
  const auto after = std::upper_bound(shards.begin(), shards.end(), id, [](std::uint64_t value, const ShardInfo& info) {
    return value < info.first_sample;
  });
  const auto shard = static_cast<std::size_t>(after - shards.begin()) - 1;
  if (shards_[shard].chunk_samples == 0) reader(shard);
  const std::uint64_t offset = id - shards[shard].first_sample;
  const std::uint64_t size = shards_[shard].chunk_samples;
  return {.shard = shard, .chunk = offset / size, .index = offset % size};
}

Chunk ChunkCache::load(std::size_t shard, std::uint64_t chunk, std::size_t& bytes) {
  ShardReader& source = reader(shard);
  Chunk result;
  const std::size_t fields = dataset_.fields().size();
  for (std::size_t f = 0; f < fields; ++f) {
    const std::size_t size = source.header().chunk_samples * dataset_.fields()[f].sample_bytes();
    result.data.push_back(std::make_unique_for_overwrite<std::byte[]>(size));
    source.read_chunk(chunk, f, {result.data.back().get(), size});
    bytes += size;
  }
  return result;
}

const Chunk& ChunkCache::chunk(std::size_t shard, std::uint64_t chunk) {
  const std::uint64_t key = shards_[shard].first_key + chunk;
  if (!entries_.empty() && entries_.front().key == key) return entries_.front().chunk;
  if (const auto found = index_.find(key); found != index_.end()) {
    entries_.splice(entries_.begin(), entries_, found->second);
    return entries_.front().chunk;
  }
  std::size_t bytes = 0;
  Chunk loaded = load(shard, chunk, bytes);
  while (!entries_.empty() && used_ + bytes > capacity_) {
    used_ -= entries_.back().bytes;
    index_.erase(entries_.back().key);
    entries_.pop_back();
  }
  entries_.push_front({key, bytes, std::move(loaded)});
  index_[key] = entries_.begin();
  used_ += bytes;
  return entries_.front().chunk;
}

}  // namespace tutti::io
