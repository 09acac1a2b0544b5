#include <tutti/trainer/exchange/ready_buckets.hpp>

namespace tutti::trainer {

ReadyBuckets::ReadyBuckets(const BucketPlan& plan)
    : plan_(plan), parts_(plan.places.size()), missing_(plan.buckets.size()) {
  for (std::size_t b = 0; b < plan.buckets.size(); ++b)
    for (const BucketPlan::Piece& piece : plan.buckets[b].pieces) parts_[piece.parameter].push_back({b, piece});
  begin();
}

void ReadyBuckets::begin() noexcept {
  complete_ = 0;
  for (std::size_t b = 0; b < missing_.size(); ++b) missing_[b] = plan_.buckets[b].pieces.size();
}

void ReadyBuckets::gradient_ready(std::size_t parameter, std::size_t first, std::size_t count) noexcept {
  for (const Part& part : parts_[parameter])
    if (part.piece.first >= first && part.piece.first + part.piece.count <= first + count) --missing_[part.bucket];
  while (complete_ < missing_.size() && missing_[complete_] == 0) ++complete_;
}

}  // namespace tutti::trainer
