// Flat memory for parameters, gradients and what an optimizer keeps of each, cut into buckets.
//
// A bucket is what is exchanged in one piece and updated in one sweep. Buckets and the parameters in them lie in
// reverse model order, because backward produces the gradients of the last layer first: bucket 0 is complete, and
// travels, while backward still works on the layers below. Model code never sees buckets: parameters and gradients are
// views into them.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <tutti/collectives/communicator.hpp>
#include <tutti/trainer/memory/parameters.hpp>

namespace tutti::trainer {

/// Which parameter lies where. A pure function of the parameters' sizes and bucket_bytes, so the same on all ranks.
struct BucketPlan {
  struct Place {
    std::size_t bucket = 0;
    std::size_t offset = 0;  ///< elements from the bucket's beginning
    std::size_t count = 0;
  };
  struct Bucket {
    std::vector<std::size_t> parameters;  ///< in the order they lie
    std::size_t count = 0;                ///< elements, with the gaps that align each parameter to 64 bytes
  };

  std::vector<Place> places;    ///< by parameter, in model order
  std::vector<Bucket> buckets;  ///< in the order of exchange
};

/// Fills buckets up to `bucket_bytes`; a parameter larger than that has a bucket of its own.
BucketPlan plan_buckets(std::span<const ParameterInfo> parameters, DType dtype, std::size_t bucket_bytes);

/// The memory itself, from Communicator::allocate, zeroed. Beside parameters and gradients there are slots: arrays of
/// the parameters' size, by name, which belong to the optimizer.
class Buckets {
 public:
  /// Local.
  Buckets(const Communicator& comm, BucketPlan plan, DType dtype, std::span<const std::string_view> slots);

  const BucketPlan& plan() const noexcept { return plan_; }
  std::size_t size() const noexcept { return plan_.buckets.size(); }
  DType dtype() const noexcept { return dtype_; }
  std::span<const std::string> slot_names() const noexcept { return slot_names_; }

  /// All elements of one bucket.
  Buffer parameters(std::size_t bucket) const noexcept { return memory_[bucket].parameters; }
  Buffer gradients(std::size_t bucket) const noexcept { return memory_[bucket].gradients; }
  std::span<const Buffer> slots(std::size_t bucket) const noexcept {
    return memory_[bucket].slots;
  }  ///< as slot_names()

  /// One parameter, by its number in model order.
  Buffer parameter(std::size_t index) const noexcept { return part(parameters(plan_.places[index].bucket), index); }
  Buffer gradient(std::size_t index) const noexcept { return part(gradients(plan_.places[index].bucket), index); }
  Buffer slot(std::size_t slot, std::size_t index) const noexcept {
    return part(slots(plan_.places[index].bucket)[slot], index);
  }

 private:
  struct Memory {
    Buffer parameters, gradients;
    std::vector<Buffer> slots;
  };
  Buffer part(Buffer bucket, std::size_t index) const noexcept {
    return bucket.slice(plan_.places[index].offset, plan_.places[index].count);
  }

  BucketPlan plan_;
  DType dtype_;
  std::vector<std::string> slot_names_;
  std::vector<std::shared_ptr<void>> owned_;
  std::vector<Memory> memory_;  // by bucket, views of owned_
};

}  // namespace tutti::trainer
