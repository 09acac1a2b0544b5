// A message larger than MPI's int counts: only the pieces that the transport cuts it into make that possible. Takes 2
// GiB a rank.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include <tests/support/ranks/grid.hpp>
#include <tutti/collectives/point_to_point.hpp>

namespace tutti {
namespace {

constexpr std::size_t kCount = (std::size_t{1} << 31) + 5;
constexpr std::size_t kPeriod = std::size_t{251} * 4096;  // no divisor of a piece: a piece in the wrong place shows

TEST(LargeMessage, TravelsInPieces) {
  const Communicator comm(MPI_COMM_WORLD, test::patient());
  const std::unique_ptr<std::int8_t[]> memory(new std::int8_t[kCount]);
  const Buffer data(memory.get(), kCount, DType::i8);
  std::vector<std::int8_t> pattern(kPeriod);
  for (std::size_t i = 0; i < kPeriod; ++i) pattern[i] = static_cast<std::int8_t>(i % 251 - 125);
  for (std::size_t first = 0; first < kCount; first += kPeriod) {
    const std::size_t n = std::min(kPeriod, kCount - first);
    if (comm.rank() == 0) {
      std::memcpy(memory.get() + first, pattern.data(), n);
    } else {
      std::memset(memory.get() + first, 0x7E, n);  // no element of the pattern
    }
  }
  if (comm.rank() == 0) {
    send(comm, data, 1);
    return;
  }
  EXPECT_EQ(receive(comm, data, kAnySource), 0);
  for (std::size_t first = 0; first < kCount; first += kPeriod) {
    const std::size_t n = std::min(kPeriod, kCount - first);
    ASSERT_EQ(std::memcmp(memory.get() + first, pattern.data(), n), 0) << "from element " << first << " on";
  }
}

}  // namespace
}  // namespace tutti
