#include <tutti/io/loader.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <tuple>

#include <tutti/io/detail/chunk_cache.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti::io {

namespace {

void require_valid(const Dataset& dataset, const LoaderOptions& options, std::uint64_t batches) {
  const auto require = [&](bool valid, const char* option, auto value) {
    if (!valid)
      throw InvalidArgument(
          fmt::format("loader of {}: {} = {} is out of range", dataset.folder().string(), option, value));
  };
  require(options.ranks >= 1, "ranks", options.ranks);
  require(options.rank >= 0 && options.rank < options.ranks, "rank", options.rank);
  require(options.shards == 0 || options.shards >= options.ranks, "shards", options.shards);
  require(options.prefetch >= 1, "prefetch", options.prefetch);
  require(options.first_epoch <= options.epochs, "first_epoch", options.first_epoch);
  require(options.first_batch <= batches, "first_batch", options.first_batch);
}

std::uint64_t count_batches(const Dataset& dataset, const LoaderOptions& options) {
  if (options.global_batch == 0)
    throw InvalidArgument(fmt::format("loader of {}: global_batch = 0 is out of range", dataset.folder().string()));
  return (dataset.size() - 1) / options.global_batch + 1;
}

}  // namespace

// The reading thread alone touches cache_ and wanted_; queue_, failure_, finished_ and stopping_ are guarded by mutex_.
class Loader::Impl {
 public:
  Impl(const Dataset& dataset, const LoaderOptions& options)
      : dataset_(dataset),
        options_(options),
        batches_(count_batches(dataset, options)),
        sampler_(dataset.size(), options.order, options.seed),
        cache_(dataset, options.cache_bytes) {
    require_valid(dataset, options, batches_);
    thread_ = std::thread([this] { run(); });
  }

  ~Impl() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  std::optional<Batch> next() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !queue_.empty() || finished_; });
    if (queue_.empty()) {
      if (failure_) std::rethrow_exception(failure_);
      return std::nullopt;
    }
    std::optional<Batch> batch(std::move(queue_.front()));
    queue_.pop_front();
    lock.unlock();
    changed_.notify_all();
    return batch;
  }

  std::uint64_t batches() const noexcept { return batches_; }

 private:
  // Where the i-th sample of a batch is found; sorted by chunk, so that a batch reads each chunk once.
  struct Wanted {
    Location location;
    std::size_t position;
  };

  void run() {
    std::exception_ptr failure;
    try {
      read_all();
    } catch (...) {
      failure = std::current_exception();
    }
    {
      const std::lock_guard lock(mutex_);
      failure_ = failure;
      finished_ = true;
    }
    changed_.notify_all();
  }

  void read_all() {
    std::uint64_t first = options_.first_batch;
    for (std::uint64_t epoch = options_.first_epoch; epoch < options_.epochs; ++epoch, first = 0) {
      for (std::uint64_t index = first; index < batches_; ++index) {
        Batch batch = read_batch(epoch, index);
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return stopping_ || queue_.size() < options_.prefetch; });
        if (stopping_) return;
        queue_.push_back(std::move(batch));
        lock.unlock();
        changed_.notify_all();
      }
    }
  }

  Batch read_batch(std::uint64_t epoch, std::uint64_t index) {
    const std::uint64_t begin = index * options_.global_batch;
    const Range whole{begin, begin + std::min(options_.global_batch, dataset_.size() - begin)};
    const int parts = options_.shards == 0 ? options_.ranks : options_.shards;
    const Range own = part_of({0, static_cast<std::uint64_t>(parts)}, options_.rank, options_.ranks);
    const Range mine = parts_of(whole, own, parts);
    Batch batch{.epoch = epoch, .index = index, .global_samples = whole.size(), .ids = {}, .data = {}};
    batch.ids.reserve(mine.size());
    wanted_.clear();
    for (std::uint64_t position = mine.first; position < mine.last; ++position) {
      const std::uint64_t id = sampler_.sample(epoch, position);
      wanted_.push_back({cache_.locate(id), batch.ids.size()});
      batch.ids.push_back(id);
    }
    std::sort(wanted_.begin(), wanted_.end(), [](const Wanted& a, const Wanted& b) {
      return std::tie(a.location.shard, a.location.chunk, a.position) <
             std::tie(b.location.shard, b.location.chunk, b.position);
    });
    for (const Field& field : dataset_.fields()) batch.data.emplace_back(batch.ids.size() * field.sample_bytes());
    for (const Wanted& sample : wanted_) copy_sample(sample, batch);
    return batch;
  }

  void copy_sample(const Wanted& sample, Batch& batch) {
    const Chunk& chunk = cache_.chunk(sample.location.shard, sample.location.chunk);
    for (std::size_t f = 0; f < batch.data.size(); ++f) {
      const std::size_t bytes = dataset_.fields()[f].sample_bytes();
      std::memcpy(batch.data[f].data() + sample.position * bytes, chunk.data[f].get() + sample.location.index * bytes,
                  bytes);
    }
  }

  const Dataset& dataset_;
  const LoaderOptions options_;
  const std::uint64_t batches_;
  const Sampler sampler_;
  ChunkCache cache_;
  std::vector<Wanted> wanted_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Batch> queue_;
  std::exception_ptr failure_;
  bool finished_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

Loader::Loader(const Dataset& dataset, const LoaderOptions& options)
    : impl_(std::make_unique<Impl>(dataset, options)) {}
Loader::~Loader() = default;

std::optional<Batch> Loader::next() { return impl_->next(); }

std::uint64_t Loader::batches_per_epoch() const noexcept { return impl_->batches(); }

}  // namespace tutti::io
