#include <tutti/io/detail/chunk_cache.hpp>

#include <fmt/core.h>
#include <sys/resource.h>

#include <algorithm>
#include <utility>

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

constexpr std::size_t kLine = 64;

std::size_t in_lines(std::size_t bytes) { return (bytes + kLine - 1) / kLine * kLine; }

// Of a chunk with all its fields, each at the begin of a line.
std::size_t bytes_of_largest_chunk(const Dataset& dataset) {
  std::size_t largest = 0;
  for (const ShardInfo& shard : dataset.shards()) {
    std::size_t bytes = 0;
    for (const Field& field : dataset.fields()) bytes += in_lines(shard.chunk_samples * field.sample_bytes());
    largest = std::max(largest, bytes);
  }
  return largest;
}

}  // namespace

ChunkCache::ChunkCache(const Dataset& dataset, std::size_t bytes, int threads)
    : dataset_(dataset),
      shards_(dataset.shards().size()),
      chunk_bytes_(bytes_of_largest_chunk(dataset)),
      most_chunks_(bytes / std::max<std::size_t>(chunk_bytes_, 1)),
      pool_(chunk_bytes_, static_cast<std::size_t>(threads) + 1),
      most_open_(most_open_shards()) {
  first_samples_.reserve(shards_.size());
  for (std::size_t s = 0; s < shards_.size(); ++s) {
    const ShardInfo& info = dataset.shards()[s];
    first_samples_.push_back(info.first_sample);
    shards_[s].first_chunk = chunks_;
    chunks_ += (info.samples - 1) / info.chunk_samples + 1;
  }
  if (chunks_ <= most_chunks_) kept_ = std::vector<std::atomic<const Chunk*>>(chunks_);
}

Location ChunkCache::locate(std::uint64_t id) const noexcept {
  const auto after = std::upper_bound(first_samples_.begin(), first_samples_.end(), id);
  const auto shard = static_cast<std::size_t>(after - first_samples_.begin()) - 1;
  const std::uint64_t offset = id - first_samples_[shard];
  const std::uint64_t size = dataset_.shards()[shard].chunk_samples;
  return {.chunk = shards_[shard].first_chunk + offset / size, .index = offset % size};
}

// Opens under the lock: HDF5 opens one file at a time anyway. What threads are reading from is not closed, so there may
// be as many open files more as there are threads.
std::shared_ptr<ShardReader> ChunkCache::reader(std::size_t shard) {
  const std::lock_guard lock(readers_mutex_);
  Shard& entry = shards_[shard];
  entry.last_use = ++clock_;
  if (entry.reader != nullptr) return entry.reader;
  if (open_ == most_open_) {
    const auto oldest = std::min_element(shards_.begin(), shards_.end(), [](const Shard& a, const Shard& b) {
      return a.reader != nullptr && (b.reader == nullptr || a.last_use < b.last_use);
    });
    oldest->reader.reset();
    --open_;
  }
  const ShardInfo& info = dataset_.shards()[shard];
  auto opened = std::make_shared<ShardReader>(info.file);
  const ShardHeader& header = opened->header();
  const bool same = header.fields == dataset_.fields() && header.samples == info.samples &&
                    header.first_sample == info.first_sample && header.chunk_samples == info.chunk_samples;
  if (!same) throw DataError(fmt::format("{}: has changed since the data set was opened", info.file.string()));
  entry.reader = std::move(opened);
  ++open_;
  return entry.reader;
}

std::shared_ptr<const Chunk> ChunkCache::load(std::uint64_t number) {
  const auto after =
      std::upper_bound(shards_.begin(), shards_.end(), number,
                       [](std::uint64_t value, const Shard& shard) { return value < shard.first_chunk; });
  const auto shard = static_cast<std::size_t>(after - shards_.begin()) - 1;
  const std::shared_ptr<ShardReader> source = reader(shard);
  auto result = std::make_shared<Chunk>();
  result->memory = pool_.take();
  result->data.reserve(dataset_.fields().size());
  std::span<std::byte> room = result->memory.bytes();
  for (std::size_t f = 0; f < dataset_.fields().size(); ++f) {
    const std::size_t bytes = source->header().chunk_samples * dataset_.fields()[f].sample_bytes();
    result->data.push_back(room.first(bytes));
    source->read_chunk(number - shards_[shard].first_chunk, f, result->data.back());
    room = room.subspan(in_lines(bytes));
  }
  return result;
}

/// Of those that no thread is reading just now.
void ChunkCache::drop_for_one_more() {
  for (auto last = entries_.end();
       entries_.size() >= std::max<std::size_t>(most_chunks_, 1) && last != entries_.begin();) {
    --last;
    if (last->chunk == nullptr) continue;
    index_.erase(last->number);
    last = entries_.erase(last);
  }
}

std::shared_ptr<const Chunk> ChunkCache::chunk(std::uint64_t number) {
  std::unique_lock lock(mutex_);
  for (auto found = index_.find(number); found != index_.end(); found = index_.find(number)) {
    if (found->second->chunk != nullptr) {
      entries_.splice(entries_.begin(), entries_, found->second);
      return entries_.front().chunk;
    }
    read_.wait(lock);
  }
  drop_for_one_more();
  entries_.push_front({.number = number, .chunk = nullptr});
  const auto entry = entries_.begin();
  index_.emplace(number, entry);
  lock.unlock();
  std::shared_ptr<const Chunk> loaded;
  try {
    loaded = load(number);
  } catch (...) {
    lock.lock();
    index_.erase(number);
    entries_.erase(entry);
    lock.unlock();
    read_.notify_all();
    throw;
  }
  lock.lock();
  entry->chunk = loaded;
  lock.unlock();
  read_.notify_all();
  if (!kept_.empty()) {
    kept_[number].store(loaded.get(), std::memory_order_release);
    loaded_.fetch_add(1, std::memory_order_release);
  }
  return loaded;
}

}  // namespace tutti::io
