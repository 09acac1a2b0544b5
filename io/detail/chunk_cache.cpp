#include <tutti/io/detail/chunk_cache.hpp>

#include <fmt/core.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <exception>
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

// A chunk that takes longer than this did not come from the page cache; then hints are worth their calls for a while.
constexpr std::chrono::nanoseconds kSlow{50'000};
constexpr std::chrono::nanoseconds kSlowByte{2};
constexpr int kHints = 1000;

bool has_sparse_fields(const Dataset& dataset) {
  return std::any_of(dataset.fields().begin(), dataset.fields().end(), [](const Field& field) { return field.sparse; });
}

std::size_t bytes_of(const SparseRows& rows) {
  return rows.row_ends.size() * sizeof(std::uint64_t) + rows.columns.size() * sizeof(std::uint32_t) +
         rows.values.size();
}

// Dense fields of the largest chunk one behind another, each at the begin of a line; last, where they end.
std::vector<std::size_t> offsets_in_chunk(const Dataset& dataset) {
  std::uint64_t samples = 0;
  for (const ShardInfo& shard : dataset.shards()) samples = std::max(samples, shard.chunk_samples);
  std::vector<std::size_t> offsets{0};
  offsets.reserve(dataset.fields().size() + 1);
  for (const Field& field : dataset.fields())
    offsets.push_back(offsets.back() + (field.sparse ? 0 : rounded_to_lines(samples * field.sample_bytes())));
  return offsets;
}

}  // namespace

ChunkCache::ChunkCache(const Dataset& dataset, std::size_t bytes)
    : dataset_(dataset),
      shards_(dataset.shards().size()),
      capacity_(bytes),
      offsets_(offsets_in_chunk(dataset)),
      pool_(BufferPool::in_slabs(chunk_bytes())),
      most_open_(most_open_shards()) {
  first_samples_.reserve(shards_.size());
  for (std::size_t s = 0; s < shards_.size(); ++s) {
    const ShardInfo& info = dataset.shards()[s];
    first_samples_.push_back(info.first_sample);
    shards_[s].first_chunk = chunks_;
    chunks_ += (info.samples - 1) / info.chunk_samples + 1;
  }
  // How much sparse fields take shows only when they are read.
  if (chunks_ <= bytes / std::max<std::size_t>(chunk_bytes(), 1) && !has_sparse_fields(dataset))
    kept_ = std::vector<std::atomic<const std::byte*>>(chunks_);
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
std::shared_ptr<const ShardReader> ChunkCache::reader(std::size_t shard) {
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
  entry.reader = open_shard(dataset_, shard);
  ++open_;
  return entry.reader;
}

std::size_t ChunkCache::shard_of(std::uint64_t chunk) const noexcept {
  const auto after =
      std::upper_bound(shards_.begin(), shards_.end(), chunk,
                       [](std::uint64_t value, const Shard& shard) { return value < shard.first_chunk; });
  return static_cast<std::size_t>(after - shards_.begin()) - 1;
}

std::uint64_t ChunkCache::samples_in(std::uint64_t chunk) const noexcept {
  const std::size_t shard = shard_of(chunk);
  const ShardInfo& info = dataset_.shards()[shard];
  return std::min(info.chunk_samples, info.samples - (chunk - shards_[shard].first_chunk) * info.chunk_samples);
}

std::shared_ptr<const Chunk> ChunkCache::load(std::uint64_t number) {
  const std::size_t shard = shard_of(number);
  const std::uint64_t in_shard = number - shards_[shard].first_chunk;
  const std::shared_ptr<const ShardReader> source = reader(shard);
  const std::vector<Field>& fields = dataset_.fields();
  auto result = std::make_shared<Chunk>();
  result->memory = pool_.take();
  result->data = result->memory.bytes().data();
  const auto begin = std::chrono::steady_clock::now();
  for (std::size_t f = 0; f < fields.size(); ++f) {
    if (fields[f].sparse) {
      result->rows.resize(fields.size());
      result->rows[f] = source->read_sparse_chunk(in_shard, f);
    } else {
      const std::size_t bytes = source->header().chunk_samples * fields[f].sample_bytes();
      source->read_chunk(in_shard, f, result->memory.bytes().subspan(offsets_[f], bytes));
    }
  }
  if (std::chrono::steady_clock::now() - begin > kSlow + chunk_bytes() * kSlowByte) hints_ = kHints;
  return result;
}

void ChunkCache::prefetch(std::uint64_t number) noexcept {
  if (hints_ <= 0) return;
  --hints_;
  {
    const std::lock_guard lock(mutex_);
    if (index_.contains(number)) return;
  }
  try {
    const std::size_t shard = shard_of(number);
    reader(shard)->prefetch(number - shards_[shard].first_chunk);
  } catch (const std::exception&) {
    // chunk() will say so, when its batch is due
  }
}

/// Drops the last ones, but for those that a thread is reading just now.
void ChunkCache::make_room(std::size_t bytes) {
  for (auto last = entries_.end(); used_ + bytes > capacity_ && last != entries_.begin();) {
    --last;
    if (last->chunk == nullptr) continue;
    used_ -= last->bytes;
    index_.erase(last->number);
    last = entries_.erase(last);
  }
}

void ChunkCache::use(std::list<Entry>::iterator entry, std::size_t samples) {
  entry->unused -= std::min<std::uint64_t>(samples, entry->unused);
  if (entry->unused > 0) return entries_.splice(entries_.begin(), entries_, entry);
  entry->unused = samples_in(entry->number);
  entries_.splice(entries_.end(), entries_, entry);
}

std::shared_ptr<const Chunk> ChunkCache::chunk(std::uint64_t number, std::size_t samples) {
  std::unique_lock lock(mutex_);
  for (auto found = index_.find(number); found != index_.end(); found = index_.find(number)) {
    if (found->second->chunk != nullptr) {
      use(found->second, samples);
      return found->second->chunk;
    }
    read_.wait(lock);
  }
  make_room(chunk_bytes());
  entries_.push_front({.number = number, .bytes = chunk_bytes(), .unused = samples_in(number), .chunk = nullptr});
  used_ += chunk_bytes();
  const auto entry = entries_.begin();
  index_.emplace(number, entry);
  lock.unlock();
  std::shared_ptr<const Chunk> loaded;
  std::size_t sparse_bytes = 0;
  try {
    loaded = load(number);
    for (const SparseRows& rows : loaded->rows) sparse_bytes += bytes_of(rows);
  } catch (...) {
    lock.lock();
    used_ -= entry->bytes;
    index_.erase(number);
    entries_.erase(entry);
    lock.unlock();
    read_.notify_all();
    throw;
  }
  lock.lock();
  make_room(sparse_bytes);  // before this one may be dropped
  entry->chunk = loaded;
  use(entry, samples);
  entry->bytes += sparse_bytes;
  used_ += sparse_bytes;
  lock.unlock();
  read_.notify_all();
  if (!kept_.empty()) {
    kept_[number].store(loaded->data, std::memory_order_release);
    loaded_.fetch_add(1, std::memory_order_release);
  }
  return loaded;
}

}  // namespace tutti::io
