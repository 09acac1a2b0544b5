#include <tutti/trainer/exchange/ready_buckets.hpp>

#include <algorithm>

namespace tutti::trainer {

ReadyBuckets::ReadyBuckets(const BucketPlan& plan)
    : plan_(plan), parts_(plan.places.size()), missing_(plan.buckets.size()) {
  for (std::size_t b = 0; b < plan.buckets.size(); ++b)
    for (const BucketPlan::Piece& piece : plan.buckets[b].pieces) parts_[piece.parameter].push_back({b, piece});
  begin();
}

void ReadyBuckets::begin() noexcept {
  complete_ = 0;
  std::fill(missing_.begin(), missing_.end(), 0);
  for (std::size_t b = 0; b < missing_.size(); ++b)
    for (const BucketPlan::Piece& piece : plan_.buckets[b].pieces) missing_[b] += piece.count;
}

void ReadyBuckets::gradient_ready(std::size_t parameter, std::size_t first, std::size_t count) noexcept {
  for (const auto& [bucket, piece] : parts_[parameter]) {
    const std::size_t begin = std::max(first, piece.first);
    const std::size_t end = std::min(first + count, piece.first + piece.count);
    if (begin < end) missing_[bucket] -= end - begin;
  }
  while (complete_ < missing_.size() && missing_[complete_] == 0) ++complete_;
}

}  // namespace tutti::trainer
