#include <tutti/trainer/memory/buckets.hpp>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <utility>

namespace tutti::trainer {

namespace {

std::size_t rounded_up(std::size_t count, std::size_t unit) { return (count + unit - 1) / unit * unit; }

/// Elements of each piece of a parameter of `count`, so that none has more than `limit` or what a block has.
std::size_t piece_count(std::size_t count, std::size_t limit) {
  const std::size_t pieces = (count + limit - 1) / limit;
  return rounded_up((count + pieces - 1) / pieces, kNormBlock);
}

}  // namespace

BucketPlan plan_buckets(std::span<const ParameterInfo> parameters, DType dtype, std::size_t bucket_bytes,
                        std::span<const std::size_t> order, const std::vector<bool>& whole) {
  const std::size_t alignment = 64 / size_of(dtype);
  const std::size_t limit = std::max(bucket_bytes / size_of(dtype), std::size_t{1});
  BucketPlan plan;
  plan.places.resize(parameters.size());
  for (std::size_t k = 0; k < parameters.size(); ++k) {
    const std::size_t i = order.empty() ? parameters.size() - 1 - k : order[k];
    const std::size_t count = parameters[i].count();
    plan.places[i] = {.offset = plan.count, .count = count};
    if (count == 0) continue;
    const std::size_t most = !whole.empty() && whole[i] ? count : piece_count(count, limit);
    for (std::size_t first = 0; first < count; first += most) {
      const BucketPlan::Piece piece{.parameter = i, .first = first, .count = std::min(most, count - first)};
      const std::size_t rounded = rounded_up(piece.count, alignment);
      if (first > 0 || plan.buckets.empty() || plan.buckets.back().count + rounded > limit)
        plan.buckets.push_back({.offset = plan.count, .count = 0, .pieces = {}});
      plan.buckets.back().pieces.push_back(piece);
      plan.buckets.back().count += rounded;
      plan.count += rounded;
    }
  }
  return plan;
}

std::vector<std::size_t> owned_counts(const BucketPlan& plan, std::size_t bucket, int ranks) {
  const BucketPlan::Bucket& cut = plan.buckets[bucket];
  const auto parts = static_cast<std::size_t>(ranks);
  std::vector<std::size_t> ends(parts, cut.count);
  for (std::size_t rank = 0; rank + 1 < parts; ++rank) {
    // Both factors have 64 bits at most, their product may have more.
    const std::size_t wanted = cut.count / parts * (rank + 1) + cut.count % parts * (rank + 1) / parts;
    std::size_t end = 0;
    for (const BucketPlan::Piece& piece : cut.pieces) {
      const std::size_t begin = plan.offset_of(piece) - cut.offset;
      if (begin > wanted) break;
      end = begin + std::min((wanted - begin) / kNormBlock, (piece.count - 1) / kNormBlock) * kNormBlock;
    }
    ends[rank] = end;
  }
  std::adjacent_difference(ends.begin(), ends.end(), ends.begin());
  return ends;
}

Buffer Buckets::allocate(const Communicator& comm, std::size_t count, DType dtype,
                         std::vector<std::shared_ptr<void>>& owned) {
  owned.push_back(comm.allocate_bytes(count * size_of(dtype)));
  return {owned.back().get(), count, dtype};
}

Buckets::Buckets(const Communicator& comm, BucketPlan plan, DType dtype, std::span<const std::string_view> slots,
                 Ownership ownership)
    : dtype_(dtype),
      ownership_(ownership),
      slot_names_(slots.begin(), slots.end()),
      parameters_(allocate(comm, plan.count, dtype, owned_)),
      gradients_(allocate(comm, plan.count, dtype, owned_)) {
  arrange(comm, std::move(plan));
}

void Buckets::arrange(const Communicator& comm, BucketPlan plan) {
  plan_ = std::move(plan);
  // Gaps between parameters, which are summed and updated too, are zeros.
  for (const Buffer memory : {parameters_, gradients_}) std::memset(memory.data, 0, memory.size_bytes());
  shards_.clear();
  slots_.clear();
  owned_slots_.clear();
  const auto rank = static_cast<std::size_t>(ownership_.rank);
  std::size_t owned = 0;
  for (std::size_t b = 0; b < size(); ++b) {
    Shard& shard = shards_.emplace_back();
    shard.counts = trainer::owned_counts(plan_, b, ownership_.ranks);
    shard.offset = std::accumulate(shard.counts.begin(), shard.counts.begin() + ownership_.rank, std::size_t{0});
    owned += shard.counts[rank];
  }
  for (std::size_t slot = 0; slot < slot_names_.size(); ++slot) {
    slots_.push_back(allocate(comm, owned, dtype_, owned_slots_));
    std::size_t begin = 0;
    for (Shard& shard : shards_) {
      shard.slots.push_back(slots_.back().slice(begin, shard.counts[rank]));
      begin += shard.counts[rank];
    }
  }
}

}  // namespace tutti::trainer
