#include <tutti/trainer/run/update.hpp>

#include <tutti/kernels/finite.hpp>

namespace tutti::trainer {

namespace {

std::size_t not_finite_in(const Buckets& buckets, std::size_t bucket) {
  const auto& parameters = buckets.plan().buckets[bucket].parameters;
  for (const std::size_t parameter : parameters)
    if (!all_finite(buckets.gradient(parameter))) return parameter;
  return parameters.front();  // in the padding, where nothing is but zeros
}

}  // namespace

std::optional<std::size_t> update_parameters(Exchange& exchange, const Optimizer& optimizer, const Buckets& buckets,
                                             const UpdateStep& step) {
  for (std::size_t b = 0; b < buckets.size(); ++b) {
    exchange.wait(b);
    // A pass over what the update is about to read, and so in the cache of the processor.
    if (!all_finite(buckets.gradients(b))) return not_finite_in(buckets, b);
    optimizer.update({buckets.parameters(b), buckets.gradients(b), buckets.slots(b)}, step);
  }
  return std::nullopt;
}

}  // namespace tutti::trainer
