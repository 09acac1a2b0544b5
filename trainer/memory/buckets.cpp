#include <tutti/trainer/memory/buckets.hpp>

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

Buckets::Buckets(const Communicator& comm, BucketPlan plan, DType dtype) : plan_(std::move(plan)), dtype_(dtype) {
  for (const auto& bucket : plan_.buckets) {
    const std::size_t bytes = bucket.count * size_of(dtype);
    memory_.push_back({comm.allocate_bytes(bytes), comm.allocate_bytes(bytes), comm.allocate_bytes(bytes)});
  }
}

}  // namespace tutti::trainer
