// Reading threads are alike. Whoever is free plans the next batch, if none is planned ahead, or takes the next slice of
// the oldest batch that has one. Batches leave in order; one that failed is the last.
#include <tutti/io/loader.hpp>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include <tutti/io/detail/batch_plan.hpp>

namespace tutti::io {

// mutex_ guards all that is below it, but not the planned batches' content: what a slice holds is its thread's alone.
class Loader::Impl {
 public:
  Impl(const Dataset& dataset, const LoaderOptions& options)
      : options_(options), maker_(dataset, options), epoch_(options.first_epoch), index_(options.first_batch) {
    threads_.reserve(static_cast<std::size_t>(options.threads));
    try {
      for (int t = 0; t < options.threads; ++t) threads_.emplace_back([this] { work(); });
    } catch (...) {
      stop();
      throw;
    }
  }

  ~Impl() { stop(); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  std::optional<Batch> next() {
    std::unique_lock lock(mutex_);
    filled_.wait(lock, [this] { return ahead_.empty() ? is_planned_out() : ahead_.front()->is_filled(); });
    if (ahead_.empty()) return std::nullopt;
    if (ahead_.front()->failure) std::rethrow_exception(ahead_.front()->failure);
    std::optional<Batch> batch(std::move(ahead_.front()->batch));
    ahead_.pop_front();
    lock.unlock();
    work_.notify_all();
    return batch;
  }

  const BatchMaker& maker() const noexcept { return maker_; }

 private:
  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    work_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  void work() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      PlannedBatch* const unfilled = oldest_with_slices();
      if (may_plan())
        plan(lock);
      else if (unfilled != nullptr)
        fill(*unfilled, lock);
      else
        work_.wait(lock);
    }
  }

  bool is_planned_out() const noexcept { return !planning_ && (failed_ || epoch_ >= options_.epochs); }

  bool may_plan() const noexcept {
    if (planning_ || is_planned_out() || ahead_.size() >= options_.prefetch) return false;
    return ahead_.size() < 2 || ahead_[ahead_.size() - 2]->is_started();  // one beside the one that comes next
  }

  // Of a batch that failed all slices are tried, so that it is always the same error that is told: that of the first.
  PlannedBatch* oldest_with_slices() const noexcept {
    for (const auto& planned : ahead_) {
      if (planned->next_slice < planned->count()) return planned.get();
      if (planned->failure) return nullptr;
    }
    return nullptr;
  }

  void plan(std::unique_lock<std::mutex>& lock) {
    if (index_ == maker_.batches()) {  // where an epoch is said to begin at its end
      index_ = 0;
      if (++epoch_ >= options_.epochs) {
        filled_.notify_all();
        return;
      }
    }
    planning_ = true;
    const std::uint64_t epoch = epoch_;
    const std::uint64_t index = index_;
    lock.unlock();
    auto planned = std::make_unique<PlannedBatch>();
    try {
      *planned = maker_.plan(epoch, index);
    } catch (...) {
      planned->failure = std::current_exception();
      planned->slices.assign(1, 0);  // it counts as filled
    }
    lock.lock();
    planning_ = false;
    failed_ = failed_ || planned->failure;
    ahead_.push_back(std::move(planned));
    if (++index_ == maker_.batches()) {
      index_ = 0;
      ++epoch_;
    }
    work_.notify_all();
    tell_filled();
  }

  // Waking costs both sides: whoever waits for the next batch is not told of others.
  void tell_filled() {
    if (!ahead_.empty() && ahead_.front()->is_filled()) filled_.notify_all();
  }

  void fill(PlannedBatch& planned, std::unique_lock<std::mutex>& lock) {
    const std::size_t slice = planned.next_slice++;
    if (options_.threads > 1 && slice == 0) work_.notify_all();  // another may plan now
    lock.unlock();
    std::exception_ptr failure;
    try {
      maker_.fill(planned, slice);
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    ++planned.filled_slices;
    if (failure && slice < planned.failed_slice) {
      planned.failed_slice = slice;
      planned.failure = failure;
      failed_ = true;
    }
    tell_filled();
  }

  const LoaderOptions options_;
  BatchMaker maker_;

  std::mutex mutex_;
  std::condition_variable work_;                     // for readers: there may be something to plan or to fill
  std::condition_variable filled_;                   // for next(): the first batch is filled, or there is none to come
  std::deque<std::unique_ptr<PlannedBatch>> ahead_;  // in order: planned, being filled, or filled
  std::uint64_t epoch_;                              // of the next batch to be planned
  std::uint64_t index_;
  bool planning_ = false;
  bool failed_ = false;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

Loader::Loader(const Dataset& dataset, const LoaderOptions& options)
    : impl_(std::make_unique<Impl>(dataset, options)) {}
Loader::~Loader() = default;

std::optional<Batch> Loader::next() { return impl_->next(); }

std::uint64_t Loader::batches_per_epoch() const noexcept { return impl_->maker().batches(); }

Range Loader::columns(std::size_t field) const { return impl_->maker().columns(field); }

BufferPool::Counts Loader::buffers() const { return impl_->maker().buffers(); }

}  // namespace tutti::io
