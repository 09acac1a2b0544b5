// Flat memory for parameters, gradients and what an optimizer keeps of each, cut into buckets.
//
// A bucket is what is exchanged in one piece and updated in one sweep. Parameters lie in the order in which backward
// produces their gradients, by default reverse model order: bucket 0 is complete, and travels, while backward still
// works on the layers below. Model code never sees buckets: parameters and gradients are views into the memory.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <tutti/collectives/communicator.hpp>
#include <tutti/kernels/gradients.hpp>
#include <tutti/trainer/memory/parameters.hpp>

namespace tutti::trainer {

/// Which parameter lies where, in elements. A pure function of plan_buckets()'s arguments, so the same on all ranks.
struct BucketPlan {
  struct Place {
    std::size_t offset = 0;  ///< from the beginning of the memory
    std::size_t count = 0;
  };
  /// Elements [first, first + count) of a parameter. `first` is a multiple of kNormBlock: norms are sums over blocks of
  /// so many, and their bits do not depend on how parameters are cut.
  struct Piece {
    std::size_t parameter = 0;
    std::size_t first = 0;
    std::size_t count = 0;
  };
  struct Bucket {
    std::size_t offset = 0;     ///< from the beginning of the memory
    std::size_t count = 0;      ///< with the gaps that align each parameter to 64 bytes
    std::vector<Piece> pieces;  ///< in the order they lie
  };

  std::vector<Place> places;    ///< by parameter, in model order
  std::vector<Bucket> buckets;  ///< in the order of exchange, without gaps between them
  std::size_t count = 0;        ///< elements of all buckets

  std::size_t offset_of(const Piece& piece) const noexcept { return places[piece.parameter].offset + piece.first; }
};

/// Fills buckets up to `bucket_bytes`, with parameters in `order` (all their numbers; empty: reverse model order). A
/// larger parameter has buckets of its own, of about equal pieces, unless it is to stay `whole` (by parameter; empty:
/// none).
BucketPlan plan_buckets(std::span<const ParameterInfo> parameters, DType dtype, std::size_t bucket_bytes,
                        std::span<const std::size_t> order = {}, const std::vector<bool>& whole = {});

/// Who keeps the slots of which elements, and updates them: of each bucket every rank owns a part, in rank order. With
/// one rank that is everything.
struct Ownership {
  int rank = 0;
  int ranks = 1;
};

/// Elements of each rank's part of a bucket, about equal and cut between blocks of kNormBlock elements of a parameter;
/// a part may be empty.
std::vector<std::size_t> owned_counts(const BucketPlan& plan, std::size_t bucket, int ranks);

/// The memory itself, from Communicator::allocate, zeroed. Beside parameters and gradients there are slots, by name,
/// which belong to the optimizer: arrays of an element for each that this rank owns.
class Buckets {
 public:
  /// Local.
  Buckets(const Communicator& comm, BucketPlan plan, DType dtype, std::span<const std::string_view> slots,
          Ownership ownership = {});

  /// Cuts the memory otherwise. All of it is zeros again.
  /// `plan` has as many elements.
  void arrange(const Communicator& comm, BucketPlan plan);

  const BucketPlan& plan() const noexcept { return plan_; }
  std::size_t size() const noexcept { return plan_.buckets.size(); }
  DType dtype() const noexcept { return dtype_; }
  const Ownership& ownership() const noexcept { return ownership_; }
  std::span<const std::string> slot_names() const noexcept { return slot_names_; }

  /// All elements of one bucket, and those that this rank owns.
  Buffer parameters(std::size_t bucket) const noexcept { return whole(parameters_, bucket); }
  Buffer gradients(std::size_t bucket) const noexcept { return whole(gradients_, bucket); }
  Buffer own_parameters(std::size_t bucket) const noexcept { return own(parameters(bucket), bucket); }
  Buffer own_gradients(std::size_t bucket) const noexcept { return own(gradients(bucket), bucket); }
  std::span<const Buffer> slots(std::size_t bucket) const noexcept { return shards_[bucket].slots; }

  /// Elements of each rank's part of a bucket, and how many come before this rank's.
  std::span<const std::size_t> owned_counts(std::size_t bucket) const noexcept { return shards_[bucket].counts; }
  std::size_t own_offset(std::size_t bucket) const noexcept { return shards_[bucket].offset; }

  /// One parameter, by its number in model order.
  Buffer parameter(std::size_t index) const noexcept { return part(parameters_, index); }
  Buffer gradient(std::size_t index) const noexcept { return part(gradients_, index); }

  /// Of a parameter that this rank owns, which with one owner is every one.
  Buffer slot(std::size_t slot, std::size_t index) const noexcept { return part(slots_[slot], index); }

  /// All elements of a slot that this rank owns, bucket after bucket.
  Buffer slot(std::size_t slot) const noexcept { return slots_[slot]; }

 private:
  struct Shard {
    std::vector<std::size_t> counts;  // by rank
    std::size_t offset = 0;           // of this rank's part, within the bucket
    std::vector<Buffer> slots;
  };
  static Buffer allocate(const Communicator& comm, std::size_t count, DType dtype,
                         std::vector<std::shared_ptr<void>>& owned);
  Buffer whole(Buffer memory, std::size_t bucket) const noexcept {
    return memory.slice(plan_.buckets[bucket].offset, plan_.buckets[bucket].count);
  }
  Buffer own(Buffer memory, std::size_t bucket) const noexcept {
    const Shard& shard = shards_[bucket];
    return memory.slice(shard.offset, shard.counts[static_cast<std::size_t>(ownership_.rank)]);
  }
  Buffer part(Buffer memory, std::size_t index) const noexcept {
    return memory.slice(plan_.places[index].offset, plan_.places[index].count);
  }

  BucketPlan plan_;
  DType dtype_;
  Ownership ownership_;
  std::vector<std::string> slot_names_;
  std::vector<std::shared_ptr<void>> owned_;  // parameters and gradients
  std::vector<std::shared_ptr<void>> owned_slots_;
  Buffer parameters_, gradients_;
  std::vector<Buffer> slots_;
  std::vector<Shard> shards_;  // by bucket
};

}  // namespace tutti::trainer
