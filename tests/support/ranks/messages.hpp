// What the tests of messages between two ranks share: messages of which no two hold the same.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include <tutti/kernels/text.hpp>

#include <tests/support/ranks/grid.hpp>

namespace tutti::test {

/// What message `number` from `from` to `to` holds: never the same for two.
inline Bytes content(DType dtype, int from, int to, std::size_t number, std::size_t count) {
  Bytes bytes(count * size_of(dtype));
  std::uint64_t state = static_cast<std::uint64_t>(from) + 16 * static_cast<std::uint64_t>(to) + 4096 * number;
  for (std::byte& byte : bytes) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    byte = static_cast<std::byte>(state >> 56);
  }
  return bytes;
}

/// Both ends of one message.
struct Sent {
  Sent(DType dtype, int from, int to, std::size_t number, std::size_t count) : memory(dtype, count) {
    memory.set(0, content(dtype, from, to, number, count));
  }
  Guarded memory;
};

inline void expect_content(Guarded& memory, DType dtype, int from, int to, std::size_t number, std::size_t count) {
  const std::string what = text("message #", number, " from ", from, " to ", to, " of ", name(dtype), " x ", count);
  EXPECT_EQ(memory.compare(what.c_str(), 0, content(dtype, from, to, number, count)), "");
  EXPECT_EQ(memory.compare_guards(what.c_str()), "");
}

}  // namespace tutti::test
