// Contributions and the naive reference; see grid.hpp.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>
#include <type_traits>

#include <tests/support/ranks/grid.hpp>
#include <tests/support/ranks/queue_double.hpp>
#include <tutti/collectives/communicator/communicator_state.hpp>
#include <tutti/kernels/cast.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::test {
namespace {

/// Calls f(T{}) with the C++ type of `dtype`.
template <class F>
auto with_type(DType dtype, F f) {
  switch (dtype) {
    case DType::f64:
      return f(double{});
    case DType::f32:
      return f(float{});
    case DType::bf16:
      return f(bfloat16{});
    case DType::f16:
      return f(float16{});
    case DType::i64:
      return f(std::int64_t{});
    case DType::i32:
      return f(std::int32_t{});
    case DType::i16:
      return f(std::int16_t{});
    case DType::i8:
      return f(std::int8_t{});
    case DType::u64:
      return f(std::uint64_t{});
    case DType::u32:
      return f(std::uint32_t{});
    case DType::u16:
      return f(std::uint16_t{});
    case DType::u8:
      break;
  }
  return f(std::uint8_t{});
}

template <Element T>
T from_number(double number) {
  if constexpr (std::is_same_v<T, bfloat16>) {
    return to_bf16(static_cast<float>(number));
  } else if constexpr (std::is_same_v<T, float16>) {
    return to_f16(static_cast<float>(number));
  } else {
    return static_cast<T>(number);
  }
}

template <Element T>
double to_number(T value) {
  if constexpr (std::is_same_v<T, bfloat16> || std::is_same_v<T, float16>) {
    return static_cast<double>(to_f32(value));
  } else {
    return static_cast<double>(value);
  }
}

/// 64 well mixed bits; cheaper than Philox, which the grids would spend their time in. (The finaliser of splitmix64.)
inline std::uint64_t mix(int rank, std::size_t i) {
  std::uint64_t x = (static_cast<std::uint64_t>(rank) + 1) * 0x9E3779B97F4A7C15U + i;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31);
}

template <Element T>
T contribution(ReduceOp op, int rank, std::size_t i) {
  const std::uint64_t bits = mix(rank, i);
  if constexpr (is_floating(dtype_of<T>)) {
    constexpr double kFactors[] = {1, 2, -1, -2};
    return from_number<T>(op == ReduceOp::prod ? kFactors[bits % 4] : static_cast<double>(bits % 15) - 7);
  } else {
    if (op == ReduceOp::logical_and) return static_cast<T>(bits % 8 == 0 ? 0 : bits | 1);
    if (op == ReduceOp::logical_or) return static_cast<T>(bits % 4 == 0 ? bits | 1 : 0);
    return static_cast<T>(bits);
  }
}

template <Element T>
T reduced_floating(ReduceOp op, int size, std::size_t i) {
  double result = to_number(contribution<T>(op, 0, i));
  for (int r = 1; r < size; ++r) {
    const double next = to_number(contribution<T>(op, r, i));
    if (op == ReduceOp::sum || op == ReduceOp::avg) result += next;
    if (op == ReduceOp::prod) result *= next;
    if (op == ReduceOp::min) result = std::min(result, next);
    if (op == ReduceOp::max) result = std::max(result, next);
  }
  if (op != ReduceOp::avg) return from_number<T>(result);
  if constexpr (std::is_same_v<T, double>) return result / size;
  return from_number<T>(static_cast<double>(static_cast<float>(result) / static_cast<float>(size)));
}

template <Element T>
T reduced_integer(ReduceOp op, int size, std::size_t i) {
  T result = contribution<T>(op, 0, i);
  if (op == ReduceOp::logical_and || op == ReduceOp::logical_or) result = result != 0 ? 1 : 0;
  for (int r = 1; r < size; ++r) {
    const T next = contribution<T>(op, r, i);
    // Sign-extended, of i8 too, which is a number here: arithmetic modulo 2^64 is right modulo 2^8.
    const auto a = static_cast<std::uint64_t>(result);  // NOLINT(bugprone-signed-char-misuse)
    const auto b = static_cast<std::uint64_t>(next);    // NOLINT(bugprone-signed-char-misuse)
    switch (op) {
      case ReduceOp::sum:
      case ReduceOp::avg:
        result = static_cast<T>(a + b);
        break;
      case ReduceOp::prod:
        result = static_cast<T>(a * b);
        break;
      case ReduceOp::min:
        result = std::min(result, next);
        break;
      case ReduceOp::max:
        result = std::max(result, next);
        break;
      case ReduceOp::bit_and:
        result = static_cast<T>(a & b);
        break;
      case ReduceOp::bit_or:
        result = static_cast<T>(a | b);
        break;
      case ReduceOp::bit_xor:
        result = static_cast<T>(a ^ b);
        break;
      case ReduceOp::logical_and:
        result = a != 0 && b != 0 ? 1 : 0;
        break;
      case ReduceOp::logical_or:
        result = a != 0 || b != 0 ? 1 : 0;
        break;
    }
  }
  if (op != ReduceOp::avg) return result;
  if constexpr (std::is_signed_v<T>) return static_cast<T>(static_cast<std::int64_t>(result) / size);
  return static_cast<T>(static_cast<std::uint64_t>(result) / static_cast<std::uint64_t>(size));
}

/// The exact reduction of all ranks' element `i`.
template <Element T>
T reduced(ReduceOp op, int size, std::size_t i) {
  if constexpr (is_floating(dtype_of<T>)) {
    return reduced_floating<T>(op, size, i);
  } else {
    return reduced_integer<T>(op, size, i);
  }
}

template <class Value>
Bytes fill(DType dtype, std::size_t first, std::size_t count, Value value) {
  Bytes bytes(count * size_of(dtype));
  with_type(dtype, [&](auto type) {
    for (std::size_t i = 0; i < count; ++i) {
      const auto element = value(type, first + i);
      std::memcpy(bytes.data() + i * sizeof(element), &element, sizeof(element));
    }
    return 0;
  });
  return bytes;
}

}  // namespace

Communicator world(const CommunicatorOptions& options) {
  Communicator comm(MPI_COMM_WORLD, options);
  const char* const wish = std::getenv("TUTTI_TEST_TRANSPORT");
  const std::string_view transport = wish == nullptr ? "mpi" : wish;
  if (transport == "queue") {
    comm.state().set_queue(std::make_unique<QueueDouble>(comm.mpi()));
  } else if (transport != "mpi") {
    throw InvalidArgument(text("TUTTI_TEST_TRANSPORT is '", transport, "', not mpi or queue"));
  }
  return comm;
}

Bytes contributions(DType dtype, ReduceOp op, int rank, std::size_t first, std::size_t count) {
  return fill(dtype, first, count, [&](auto type, std::size_t i) { return contribution<decltype(type)>(op, rank, i); });
}

Bytes reductions(DType dtype, ReduceOp op, int size, std::size_t first, std::size_t count) {
  return fill(dtype, first, count, [&](auto type, std::size_t i) { return reduced<decltype(type)>(op, size, i); });
}

double number_at(DType dtype, const std::byte* element) {
  return with_type(dtype, [&](auto type) {
    std::memcpy(&type, element, sizeof(type));
    return to_number(type);
  });
}

}  // namespace tutti::test
