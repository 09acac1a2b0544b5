// Replicas of a model; see replicas.hpp.
#include <cstddef>
#include <cstdint>

#include <tutti/collectives/collectives.hpp>
#include <tutti/kernels/crc32c.hpp>
#include <tutti/kernels/finite.hpp>
#include <tutti/trainer/run/agreed_error.hpp>
#include <tutti/trainer/run/replicas.hpp>

namespace tutti::trainer {
namespace {

std::uint32_t checksum(Buffer memory, std::uint32_t sum) {
  return crc32c({static_cast<const std::byte*>(memory.data), memory.size_bytes()}, sum);
}

}  // namespace

void share_parameters(const Communicator& comm, const Buckets& buckets) {
  std::uint32_t sum = 0;
  for (std::size_t b = 0; b < buckets.size(); ++b) {
    broadcast(comm, buckets.parameters(b), 0);
    sum = checksum(buckets.parameters(b), sum);
  }
  if (!all_equal(comm, sum)) throw AgreedError("ranks hold different parameters after the broadcast from rank 0");
}

WholeSlots::WholeSlots(const Buckets& buckets, bool is_root) {
  const bool is_whole = buckets.ownership().ranks == 1;
  for (std::size_t slot = 0; slot < buckets.slot_names().size(); ++slot) {
    if (is_whole) {
      arrays_.push_back(buckets.slot(slot));
    } else if (is_root) {
      memory_.emplace_back(buckets.plan().count * size_of(buckets.dtype()));
      arrays_.emplace_back(memory_.back().data(), buckets.plan().count, buckets.dtype());
    }
  }
}

void gather_slots(const Communicator& comm, const Buckets& buckets, const WholeSlots& slots) {
  if (buckets.ownership().ranks == 1) return;
  for (std::size_t b = 0; b < buckets.size(); ++b) {
    const BucketPlan::Bucket& bucket = buckets.plan().buckets[b];
    for (std::size_t slot = 0; slot < buckets.slot_names().size(); ++slot) {
      const Buffer whole = comm.rank() == 0 ? slots.arrays()[slot].slice(bucket.offset, bucket.count) : Buffer();
      gather_v(comm, buckets.slots(b)[slot], whole, buckets.owned_counts(b), 0);
    }
  }
}

void share_slots(const Communicator& comm, const Buckets& buckets, const WholeSlots& slots) {
  for (std::size_t b = 0; b < buckets.size(); ++b) {
    const BucketPlan::Bucket& bucket = buckets.plan().buckets[b];
    for (std::size_t slot = 0; slot < buckets.slot_names().size(); ++slot) {
      const Buffer own = buckets.slots(b)[slot];
      if (buckets.ownership().ranks == 1) {
        broadcast(comm, own, 0);
        continue;
      }
      const Buffer whole = comm.rank() == 0 ? slots.arrays()[slot].slice(bucket.offset, bucket.count) : Buffer();
      scatter_v(comm, whole, own, buckets.owned_counts(b), 0);
    }
  }
}

bool are_finite(const Buckets& buckets) {
  for (std::size_t b = 0; b < buckets.size(); ++b)
    if (!all_finite(buckets.parameters(b))) return false;
  return true;
}

void share_buffers(const Communicator& comm, const Network& network) {
  for (const NamedBuffer& buffer : network.buffers()) broadcast(comm, buffer.values, 0);
}

bool are_finite(const Network& network) {
  for (const NamedBuffer& buffer : network.buffers())
    if (is_floating(buffer.values.dtype) && !all_finite(buffer.values)) return false;
  return true;
}

bool are_same(const Communicator& comm, const Buckets& buckets) {
  std::uint32_t sum = 0;
  for (std::size_t b = 0; b < buckets.size(); ++b) sum = checksum(buckets.parameters(b), sum);
  return all_equal(comm, sum);
}

}  // namespace tutti::trainer
