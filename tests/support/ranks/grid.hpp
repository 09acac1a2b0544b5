// What the tests of collectives share: contributions whose reductions are exact, a naive reference, and memory that
// notices writes beside it.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <tutti/collectives/communicator.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/reduce.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::test {

/// Nodes of TUTTI_TEST_RANKS_PER_NODE ranks each, if that is set: how the tests also run over the transport between
/// nodes, which TUTTI_TRANSPORT names.
inline CommunicatorOptions with_timeout_of(std::chrono::duration<double> timeout) {
  const char* ranks_per_node = std::getenv("TUTTI_TEST_RANKS_PER_NODE");
  return {.timeout = timeout, .ranks_per_node = ranks_per_node == nullptr ? 0 : std::atoi(ranks_per_node)};
}

/// For tests that must not fail: long enough for an oversubscribed machine, short enough to end before the test's
/// limit.
inline CommunicatorOptions patient() { return with_timeout_of(std::chrono::seconds(30)); }

/// All ranks, with these options; over what the environment variable TUTTI_TEST_TRANSPORT names: `mpi` (or nothing), or
/// `queue`, the stand-in for transports that only enqueue (queue_double.hpp). Collective.
Communicator world(const CommunicatorOptions& options = patient());

using Bytes = std::vector<std::byte>;

/// Elements [first, first + count) of what `rank` contributes. Floating-point values are small integers (powers of two
/// for products), so that every result of up to 7 ranks is exact in every type: a sum is at most 7 * 7, which bf16's 8
/// bits hold, a product at most 2^7. Integers are any bits at all: sums and products wrap around.
Bytes contributions(DType dtype, ReduceOp op, int rank, std::size_t first, std::size_t count);

/// Elements [first, first + count) of the exact reduction of the contributions of `size` ranks.
Bytes reductions(DType dtype, ReduceOp op, int size, std::size_t first, std::size_t count);

/// An element as a number, for messages to people.
double number_at(DType dtype, const std::byte* element);

/// Memory for `count` elements, `misalignment` bytes off, between guards; every byte is poison at first (NaN in every
/// floating-point type). Plain memory, or that of a communicator.
class Guarded {
 public:
  Guarded(DType dtype, std::size_t count, std::size_t misalignment = 0, const Communicator* allocator = nullptr)
      : dtype_(dtype), count_(count), offset_(kGuard + misalignment) {
    const std::size_t bytes = 2 * kGuard + misalignment + count * size_of(dtype);
    if (allocator != nullptr) {
      memory_ = allocator->allocate_bytes(bytes);
    } else {
      memory_ = std::shared_ptr<std::byte[]>(new std::byte[bytes]);
    }
    bytes_ = {static_cast<std::byte*>(memory_.get()), bytes};
    std::fill(bytes_.begin(), bytes_.end(), kPoison);
  }

  std::byte* at(std::size_t i) { return bytes_.data() + offset_ + i * size_of(dtype_); }
  Buffer buffer() { return {at(0), count_, dtype_}; }

  void set(std::size_t first, const Bytes& values) { std::copy(values.begin(), values.end(), at(first)); }

  /// Empty if the elements from `first` on have exactly the bits of `expected`.
  std::string compare(const char* what, std::size_t first, const Bytes& expected) {
    const auto [got, wanted] = std::mismatch(at(first), at(first) + expected.size(), expected.begin());
    if (wanted == expected.end()) return {};
    const std::size_t i = static_cast<std::size_t>(wanted - expected.begin()) / size_of(dtype_);
    return text(what, "[", first + i, "] is ", number_at(dtype_, at(first + i)), ", not ",
                number_at(dtype_, expected.data() + i * size_of(dtype_)), "; ");
  }
  std::string compare_poison(const char* what) {
    if (std::all_of(at(0), at(count_), is_poison)) return {};
    return text(what, " was written to and should not be; ");
  }
  /// Empty if nothing was written before or after the elements.
  std::string compare_guards(const char* what) {
    if (std::all_of(bytes_.data(), at(0), is_poison) && std::all_of(at(count_), at(count_) + kGuard, is_poison))
      return {};
    return text(what, ": written to beside it; ");
  }

 private:
  static constexpr std::size_t kGuard = 64;
  static constexpr std::byte kPoison{0xFF};
  static bool is_poison(std::byte b) { return b == kPoison; }

  DType dtype_;
  std::size_t count_;
  std::size_t offset_;
  std::shared_ptr<void> memory_;
  std::span<std::byte> bytes_;
};

}  // namespace tutti::test
