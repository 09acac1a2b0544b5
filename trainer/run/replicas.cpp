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
    const auto share = [&](Buffer memory) {
      broadcast(comm, memory, 0);
      sum = checksum(memory, sum);
    };
    share(buckets.parameters(b));
    for (const Buffer slot : buckets.slots(b)) share(slot);
  }
  if (!all_equal(comm, sum)) throw AgreedError("ranks hold different parameters after the broadcast from rank 0");
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
