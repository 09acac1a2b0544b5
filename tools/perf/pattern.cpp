#include "tools/perf/pattern.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <functional>

#include <tutti/kernels/cast.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/philox.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::tools {
namespace {

constexpr std::size_t kPeriod = 251;
constexpr std::size_t kPeriodsPerTile =
    9;  // one more than a copy takes, so that a copy may start anywhere in the first
constexpr std::size_t kStride = kPeriod * (kPeriodsPerTile - 1);
constexpr std::size_t kPhasePerIteration = 17;

/// Whole numbers up to here are exact in `dtype`; for integers this is a limit that keeps averages from wrapping.
std::int64_t exact_limit(DType dtype) {
  switch (dtype) {
    case DType::bf16:
      return 256;
    case DType::f16:
      return 2048;
    case DType::i8:
      return 127;
    case DType::u8:
      return 255;
    default:
      return 30000;
  }
}

/// A fixed pseudo-random number for (rank, position), uniform in [0, below).
std::int64_t draw(int rank, std::size_t position, std::int64_t below) {
  return static_cast<std::int64_t>(random_u64(251, static_cast<std::uint64_t>(rank), position) %
                                   static_cast<std::uint64_t>(below));
}

std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

/// Every rank adds at least 1 as long as all partial sums stay below `limit`; with more ranks, they take turns.
std::int64_t sum_term(std::int64_t limit, int ranks, int rank, std::size_t position) {
  const std::int64_t turns = divide_up(ranks, limit / 2);
  const std::int64_t at_once = divide_up(ranks, turns);
  const std::int64_t largest = std::clamp<std::int64_t>(limit / at_once, 1, 100);
  if ((rank + static_cast<std::int64_t>(position)) % turns != 0) return 0;
  return 1 + draw(rank, position, largest);
}

/// A whole average w at every position: ranks give w, the first ones in pairs w + 1 and w - 1. Never negative; with so
/// many ranks that even averages of 1 have inexact sums, all give 0.
std::int64_t avg_term(std::int64_t limit, int ranks, int rank, std::size_t position) {
  const std::int64_t largest = std::clamp<std::int64_t>(limit / ranks - 1, 0, 50);
  if (largest == 0) return 0;
  const std::int64_t whole = 1 + static_cast<std::int64_t>(position) % largest;
  const bool paired = rank < std::min(32, ranks / 2 * 2);
  return paired ? whole + (rank % 2 == 0 ? 1 : -1) : whole;
}

/// At most five ranks give 2 or 3 at one position, all others 1: products stay below 3^5 = 243.
std::int64_t prod_term(int ranks, int rank, std::size_t position) {
  const std::int64_t turns = divide_up(ranks, 5);
  const bool speaks = (rank + static_cast<std::int64_t>(position)) % turns == 0;
  return speaks ? 1 + draw(rank, position, 3) : 1;
}

std::int64_t term(DType dtype, ReduceOp op, int ranks, int rank, std::size_t position) {
  const std::int64_t truth = ranks == 1 ? 1 : 2;  // a single operand may come back as it is
  switch (op) {
    case ReduceOp::sum:
      return sum_term(exact_limit(dtype), ranks, rank, position);
    case ReduceOp::avg:
      return avg_term(exact_limit(dtype), ranks, rank, position);
    case ReduceOp::prod:
      return prod_term(ranks, rank, position);
    case ReduceOp::logical_and:
      return draw(rank, position, std::int64_t{2} * ranks) != 0 ? truth : 0;
    case ReduceOp::logical_or:
      return draw(rank, position, std::int64_t{2} * ranks) == 0 ? truth : 0;
    default:
      return draw(rank, position, 100);
  }
}

/// Unsigned arithmetic, which wraps as the library's integer arithmetic does.
std::int64_t reduce_exactly(ReduceOp op, std::int64_t left, std::int64_t right) {
  const auto a = static_cast<std::uint64_t>(left);
  const auto b = static_cast<std::uint64_t>(right);
  switch (op) {
    case ReduceOp::sum:
    case ReduceOp::avg:
      return static_cast<std::int64_t>(a + b);
    case ReduceOp::prod:
      return static_cast<std::int64_t>(a * b);
    case ReduceOp::min:
      return std::min(left, right);
    case ReduceOp::max:
      return std::max(left, right);
    case ReduceOp::bit_and:
      return left & right;
    case ReduceOp::bit_or:
      return left | right;
    case ReduceOp::bit_xor:
      return left ^ right;
    case ReduceOp::logical_and:
      return static_cast<std::int64_t>(left != 0 && right != 0);
    case ReduceOp::logical_or:
      return static_cast<std::int64_t>(left != 0 || right != 0);
  }
  return 0;
}

template <class T>
void put(std::byte* out, T value) {
  std::memcpy(out, &value, sizeof(T));
}

void store(std::byte* out, DType dtype, std::int64_t value) {
  switch (dtype) {
    case DType::f64:
      return put(out, static_cast<double>(value));
    case DType::f32:
      return put(out, static_cast<float>(value));
    case DType::bf16:
      return put(out, to_bf16(static_cast<float>(value)));
    case DType::f16:
      return put(out, to_f16(static_cast<float>(value)));
    case DType::i64:
    case DType::u64:
      return put(out, value);
    case DType::i32:
    case DType::u32:
      return put(out, static_cast<std::uint32_t>(value));
    case DType::i16:
    case DType::u16:
      return put(out, static_cast<std::uint16_t>(value));
    case DType::i8:
    case DType::u8:
      return put(out, static_cast<std::uint8_t>(value));
  }
}

std::vector<std::byte> make_tile(DType dtype, const std::function<std::int64_t(std::size_t)>& value) {
  const std::size_t period_bytes = kPeriod * size_of(dtype);
  std::vector<std::byte> tile(period_bytes * kPeriodsPerTile);
  for (std::size_t i = 0; i < kPeriod; ++i) store(&tile[i * size_of(dtype)], dtype, value(i));
  for (std::size_t p = 1; p < kPeriodsPerTile; ++p) std::memcpy(&tile[p * period_bytes], tile.data(), period_bytes);
  return tile;
}

std::size_t phase(std::size_t first, int iteration) {
  return (first % kPeriod + kPhasePerIteration * static_cast<std::size_t>(iteration)) % kPeriod;
}

}  // namespace

Pattern Pattern::for_reduction(DType dtype, ReduceOp op, int ranks) {
  if (!is_supported(op, dtype))
    throw InvalidArgument(text("--op ", name(op), " does not go with --dtype ", name(dtype)));
  Pattern pattern(dtype, ranks);
  for (int rank = 0; rank < ranks; ++rank) {
    pattern.contributions_[static_cast<std::size_t>(rank)] =
        make_tile(dtype, [&](std::size_t position) { return term(dtype, op, ranks, rank, position); });
  }
  pattern.result_ = make_tile(dtype, [&](std::size_t position) {
    std::int64_t result = term(dtype, op, ranks, 0, position);
    for (int rank = 1; rank < ranks; ++rank)
      result = reduce_exactly(op, result, term(dtype, op, ranks, rank, position));
    return op == ReduceOp::avg ? result / ranks : result;
  });
  return pattern;
}

Pattern Pattern::for_movement(DType dtype, int ranks) {
  Pattern pattern(dtype, ranks);
  for (int rank = 0; rank < ranks; ++rank) {
    pattern.contributions_[static_cast<std::size_t>(rank)] = make_tile(
        dtype, [&](std::size_t position) { return (std::int64_t{31} * rank + draw(0, position, 113)) % 113; });
  }
  return pattern;
}

void Pattern::fill(Buffer out, int rank, std::size_t first, int iteration) const {
  const Tile& tile = contributions_[static_cast<std::size_t>(rank)];
  const std::byte* from = tile.data() + phase(first, iteration) * size_of(dtype_);
  auto* to = static_cast<std::byte*>(out.data);
  for (std::size_t left = out.size_bytes(); left > 0;) {
    const std::size_t bytes = std::min(left, kStride * size_of(dtype_));
    std::memcpy(to, from, bytes);
    to += bytes;
    left -= bytes;
  }
}

std::size_t Pattern::compare(ConstBuffer got, const Tile& tile, std::size_t first, int iteration) const {
  const std::size_t element = size_of(dtype_);
  const std::byte* expected = tile.data() + phase(first, iteration) * element;
  const auto* data = static_cast<const std::byte*>(got.data);
  std::size_t wrong = 0;
  for (std::size_t left = got.size_bytes(); left > 0;) {
    const std::size_t bytes = std::min(left, kStride * element);
    if (std::memcmp(data, expected, bytes) != 0) {
      for (std::size_t i = 0; i < bytes; i += element)
        wrong += std::memcmp(data + i, expected + i, element) != 0 ? 1 : 0;
    }
    data += bytes;
    left -= bytes;
  }
  return wrong;
}

std::size_t Pattern::count_wrong(ConstBuffer got, int rank, std::size_t first, int iteration) const {
  return compare(got, contributions_[static_cast<std::size_t>(rank)], first, iteration);
}

std::size_t Pattern::count_wrong_result(ConstBuffer got, std::size_t first, int iteration) const {
  return compare(got, result_, first, iteration);
}

}  // namespace tutti::tools
