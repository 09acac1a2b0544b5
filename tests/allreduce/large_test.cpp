// More elements than an int counts: in messages larger than MPI's int counts, where only the pieces that the transport
// cuts them into make that possible, and in memory that ranks map. Takes 2 GiB a rank.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include <tests/support/ranks/grid.hpp>
#include <tutti/allreduce/allreduce.hpp>
#include <tutti/collectives/collectives.hpp>
#include <tutti/collectives/communicator/communicator_state.hpp>

namespace tutti {
namespace {

constexpr std::size_t kCount = (std::size_t{1} << 31) + 5;
constexpr auto kTimeout = std::chrono::seconds(100);      // one message takes seconds, more on a busy machine
constexpr std::size_t kPeriod = std::size_t{251} * 4096;  // no divisor of a piece: a piece in the wrong place shows

std::vector<std::uint8_t> pattern(unsigned factor) {
  std::vector<std::uint8_t> out(kPeriod);
  for (std::size_t i = 0; i < kPeriod; ++i) out[i] = static_cast<std::uint8_t>((i % 251) * factor);
  return out;
}

/// The first element that differs from the repeated pattern, or kCount.
std::size_t first_difference(const std::uint8_t* data, const std::vector<std::uint8_t>& expected) {
  for (std::size_t first = 0; first < kCount; first += kPeriod) {
    const std::size_t n = std::min(kPeriod, kCount - first);
    if (std::memcmp(data + first, expected.data(), n) != 0) return first;
  }
  return kCount;
}

TEST(Large, MessagesTravelInPieces) {
  const Communicator comm(MPI_COMM_WORLD, test::with_timeout_of(kTimeout));
  const std::unique_ptr<std::uint8_t[]> memory(new std::uint8_t[kCount]);
  const Buffer data(memory.get(), kCount, DType::u8);
  const std::vector<std::uint8_t> once = pattern(1);
  for (std::size_t first = 0; first < kCount; first += kPeriod) {
    const std::size_t n = std::min(kPeriod, kCount - first);
    if (comm.rank() == 0) {
      std::memcpy(memory.get() + first, once.data(), n);
    } else {
      std::memset(memory.get() + first, 0xEE, n);
    }
  }
  broadcast(comm, data, 0, {.segment_bytes = SIZE_MAX});
  ASSERT_EQ(first_difference(memory.get(), once), kCount);
  allreduce(comm, data, ReduceOp::sum);
  ASSERT_EQ(first_difference(memory.get(), pattern(static_cast<unsigned>(comm.size()))), kCount);
}

TEST(Large, InMemoryThatRanksMap) {
  const Communicator comm(MPI_COMM_WORLD, test::with_timeout_of(kTimeout));
  ASSERT_NE(comm.state().node(), nullptr) << "the ranks of this node cannot map each other's memory";
  auto memory = comm.allocate<std::int8_t>(kCount);
  auto* const bytes = reinterpret_cast<std::uint8_t*>(memory.data());
  const std::vector<std::uint8_t> own = pattern(static_cast<unsigned>(comm.rank() + 1));
  for (std::size_t first = 0; first < kCount; first += kPeriod) {
    std::memcpy(bytes + first, own.data(), std::min(kPeriod, kCount - first));
  }
  allreduce(comm, memory.span(), ReduceOp::sum);
  const int sum = comm.size() * (comm.size() + 1) / 2;
  ASSERT_EQ(first_difference(bytes, pattern(static_cast<unsigned>(sum))), kCount);
  if (comm.rank() != 0) std::memset(bytes, 0xEE, kCount);
  broadcast(comm, Buffer(memory.span()), 0);
  ASSERT_EQ(first_difference(bytes, pattern(static_cast<unsigned>(sum))), kCount);
}

}  // namespace
}  // namespace tutti
