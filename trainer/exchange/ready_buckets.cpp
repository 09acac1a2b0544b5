#include <tutti/trainer/exchange/ready_buckets.hpp>

namespace tutti::trainer {

void ReadyBuckets::begin() noexcept {
  complete_ = 0;
  for (std::size_t b = 0; b < missing_.size(); ++b) missing_[b] = plan_.buckets[b].parameters.size();
}

void ReadyBuckets::gradient_ready(std::size_t parameter) noexcept {
  --missing_[plan_.places[parameter].bucket];
  while (complete_ < missing_.size() && missing_[complete_] == 0) ++complete_;
}

}  // namespace tutti::trainer
