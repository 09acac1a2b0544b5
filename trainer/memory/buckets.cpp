#include <tutti/trainer/memory/buckets.hpp>

#include <utility>

namespace tutti::trainer {

BucketPlan plan_buckets(std::span<const ParameterInfo> parameters, DType dtype, std::size_t bucket_bytes) {
  const std::size_t alignment = 64 / size_of(dtype);
  BucketPlan plan;
  plan.places.resize(parameters.size());
  for (std::size_t i = parameters.size(); i-- > 0;) {
    const std::size_t count = parameters[i].count();
    const std::size_t rounded = (count + alignment - 1) / alignment * alignment;
    if (plan.buckets.empty() || (plan.buckets.back().count + rounded) * size_of(dtype) > bucket_bytes)
      plan.buckets.emplace_back();
    auto& bucket = plan.buckets.back();
    plan.places[i] = {.bucket = plan.buckets.size() - 1, .offset = bucket.count, .count = count};
    bucket.parameters.push_back(i);
    bucket.count += rounded;
  }
  return plan;
}

Buckets::Buckets(const Communicator& comm, BucketPlan plan, DType dtype, std::span<const std::string_view> slots)
    : plan_(std::move(plan)), dtype_(dtype), slot_names_(slots.begin(), slots.end()) {
  const auto allocate = [&](std::size_t count) {
    owned_.push_back(comm.allocate_bytes(count * size_of(dtype)));
    return Buffer(owned_.back().get(), count, dtype);
  };
  for (const auto& bucket : plan_.buckets) {
    Memory memory{.parameters = allocate(bucket.count), .gradients = allocate(bucket.count), .slots = {}};
    for (std::size_t slot = 0; slot < slot_names_.size(); ++slot) memory.slots.push_back(allocate(bucket.count));
    memory_.push_back(std::move(memory));
  }
}

}  // namespace tutti::trainer
