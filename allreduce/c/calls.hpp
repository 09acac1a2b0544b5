// What the collectives of the C interface call, start or set up: arguments from C become buffers of the C++ interface.
// Not installed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include <tutti/allreduce/allreduce.hpp>
#include <tutti/allreduce/c/handles.hpp>

namespace tutti::c_api {

enum class Form : std::uint8_t { call, start, init };
template <Form form>
using FormOf = std::integral_constant<Form, form>;

/// size * count; what does not fit is the largest count, which is refused for not being that.
inline std::size_t all_blocks(const Communicator& comm, std::size_t count) noexcept {
  const auto size = static_cast<std::size_t>(comm.size());
  return count > SIZE_MAX / size ? SIZE_MAX : size * count;
}

/// None if there are no counts, which is then refused as too few.
inline std::span<const std::size_t> counts_of(const Communicator& comm, const std::size_t* counts) noexcept {
  if (counts == nullptr) return {};
  return {counts, static_cast<std::size_t>(comm.size())};
}

inline std::size_t own_count(const Communicator& comm, const std::size_t* counts) noexcept {
  return counts == nullptr ? 0 : counts[comm.rank()];
}

inline std::size_t sum_of(const Communicator& comm, const std::size_t* counts) noexcept {
  std::size_t sum = 0;
  for (const std::size_t count : counts_of(comm, counts)) sum = count > SIZE_MAX - sum ? SIZE_MAX : sum + count;
  return sum;
}

// One function for each collective; what it returns takes the form, the communicator and the options.

inline auto allreduce_of(const void* input, void* output, std::size_t count, DType dtype, ReduceOp op) noexcept {
  return [=](auto form, const Communicator& c, const CollectiveOptions& o) {
    const ConstBuffer in(input, count, dtype);
    const Buffer out(output, count, dtype);
    if constexpr (form == Form::call) return allreduce(c, in, out, op, o);
    if constexpr (form == Form::start) return iallreduce(c, in, out, op, o);
    if constexpr (form == Form::init) return allreduce_init(c, in, out, op, o);
  };
}

inline auto allreduce_of(void* data, std::size_t count, DType dtype, ReduceOp op) noexcept {
  return [=](auto form, const Communicator& c, const CollectiveOptions& o) {
    if constexpr (form == Form::call) return allreduce(c, Buffer(data, count, dtype), op, o);
    if constexpr (form == Form::start) return iallreduce(c, Buffer(data, count, dtype), op, o);
  };
}

inline auto broadcast_of(void* data, std::size_t count, DType dtype, int root) noexcept {
  return [=](auto form, const Communicator& c, const CollectiveOptions& o) {
    const Buffer all(data, count, dtype);
    if constexpr (form == Form::call) return broadcast(c, all, root, o);
    if constexpr (form == Form::start) return ibroadcast(c, all, root, o);
    if constexpr (form == Form::init) return broadcast_init(c, all, root, o);
  };
}

inline auto all_gather_of(const void* input, void* output, std::size_t count, DType dtype) noexcept {
  return [=](auto form, const Communicator& c, const CollectiveOptions& o) {
    const ConstBuffer in(input, count, dtype);
    const Buffer out(output, all_blocks(c, count), dtype);
    if constexpr (form == Form::call) return all_gather(c, in, out, o);
    if constexpr (form == Form::start) return iall_gather(c, in, out, o);
    if constexpr (form == Form::init) return all_gather_init(c, in, out, o);
  };
}

inline auto gather_of(const void* input, void* output, std::size_t count, DType dtype, int root) noexcept {
  return [=](auto form, const Communicator& c, const CollectiveOptions& o) {
    const ConstBuffer in(input, count, dtype);
    const Buffer out(output, all_blocks(c, count), dtype);
    if constexpr (form == Form::call) return gather(c, in, out, root, o);
    if constexpr (form == Form::start) return igather(c, in, out, root, o);
    if constexpr (form == Form::init) return gather_init(c, in, out, root, o);
  };
}

inline auto scatter_of(const void* input, void* output, std::size_t count, DType dtype, int root) noexcept {
  return [=](auto form, const Communicator& c, const CollectiveOptions& o) {
    const ConstBuffer in(input, all_blocks(c, count), dtype);
    const Buffer out(output, count, dtype);
    if constexpr (form == Form::call) return scatter(c, in, out, root, o);
    if constexpr (form == Form::start) return iscatter(c, in, out, root, o);
    if constexpr (form == Form::init) return scatter_init(c, in, out, root, o);
  };
}

inline auto reduce_scatter_of(const void* input, void* output, std::size_t count, DType dtype, ReduceOp op) noexcept {
  return [=](auto form, const Communicator& c, const CollectiveOptions& o) {
    const ConstBuffer in(input, all_blocks(c, count), dtype);
    const Buffer out(output, count, dtype);
    if constexpr (form == Form::call) return reduce_scatter(c, in, out, op, o);
    if constexpr (form == Form::start) return ireduce_scatter(c, in, out, op, o);
    if constexpr (form == Form::init) return reduce_scatter_init(c, in, out, op, o);
  };
}

inline auto reduce_of(const void* input, void* output, std::size_t count, DType dtype, ReduceOp op, int root) noexcept {
  return [=](auto form, const Communicator& c, const CollectiveOptions& o) {
    const ConstBuffer in(input, count, dtype);
    const Buffer out(output, count, dtype);
    if constexpr (form == Form::call) return reduce(c, in, out, op, root, o);
    if constexpr (form == Form::start) return ireduce(c, in, out, op, root, o);
    if constexpr (form == Form::init) return reduce_init(c, in, out, op, root, o);
  };
}

inline auto all_to_all_of(const void* input, void* output, std::size_t count, DType dtype) noexcept {
  return [=](auto form, const Communicator& c, const CollectiveOptions& o) {
    const ConstBuffer in(input, all_blocks(c, count), dtype);
    const Buffer out(output, all_blocks(c, count), dtype);
    if constexpr (form == Form::call) return all_to_all(c, in, out, o);
    if constexpr (form == Form::start) return iall_to_all(c, in, out, o);
    if constexpr (form == Form::init) return all_to_all_init(c, in, out, o);
  };
}

inline auto barrier_of() noexcept {
  return [=](auto form, const Communicator& c, const CollectiveOptions& o) {
    if constexpr (form == Form::call) return barrier(c, o);
    if constexpr (form == Form::start) return ibarrier(c, o);
    if constexpr (form == Form::init) return barrier_init(c, o);
  };
}

// ---- Every rank its own count: called or started

inline auto all_gather_v_of(const void* input, void* output, const std::size_t* counts, DType dtype) noexcept {
  return [=](auto form, const Communicator& c, const CollectiveOptions& o) {
    const ConstBuffer in(input, own_count(c, counts), dtype);
    const Buffer out(output, sum_of(c, counts), dtype);
    if constexpr (form == Form::call) return all_gather_v(c, in, out, counts_of(c, counts), o);
    if constexpr (form == Form::start) return iall_gather_v(c, in, out, counts_of(c, counts), o);
  };
}

inline auto gather_v_of(const void* input, void* output, const std::size_t* counts, DType dtype, int root) noexcept {
  return [=](auto form, const Communicator& c, const CollectiveOptions& o) {
    const ConstBuffer in(input, own_count(c, counts), dtype);
    const Buffer out(output, sum_of(c, counts), dtype);
    if constexpr (form == Form::call) return gather_v(c, in, out, counts_of(c, counts), root, o);
    if constexpr (form == Form::start) return igather_v(c, in, out, counts_of(c, counts), root, o);
  };
}

inline auto scatter_v_of(const void* input, void* output, const std::size_t* counts, DType dtype, int root) noexcept {
  return [=](auto form, const Communicator& c, const CollectiveOptions& o) {
    const ConstBuffer in(input, sum_of(c, counts), dtype);
    const Buffer out(output, own_count(c, counts), dtype);
    if constexpr (form == Form::call) return scatter_v(c, in, out, counts_of(c, counts), root, o);
    if constexpr (form == Form::start) return iscatter_v(c, in, out, counts_of(c, counts), root, o);
  };
}

inline auto reduce_scatter_v_of(const void* input, void* output, const std::size_t* counts, DType dtype,
                                ReduceOp op) noexcept {
  return [=](auto form, const Communicator& c, const CollectiveOptions& o) {
    const ConstBuffer in(input, sum_of(c, counts), dtype);
    const Buffer out(output, own_count(c, counts), dtype);
    if constexpr (form == Form::call) return reduce_scatter_v(c, in, out, counts_of(c, counts), op, o);
    if constexpr (form == Form::start) return ireduce_scatter_v(c, in, out, counts_of(c, counts), op, o);
  };
}

inline auto all_to_all_v_of(const void* input, const std::size_t* input_counts, void* output,
                            const std::size_t* output_counts, DType dtype) noexcept {
  return [=](auto form, const Communicator& c, const CollectiveOptions& o) {
    const ConstBuffer in(input, sum_of(c, input_counts), dtype);
    const Buffer out(output, sum_of(c, output_counts), dtype);
    const auto sends = counts_of(c, input_counts);
    const auto receives = counts_of(c, output_counts);
    if constexpr (form == Form::call) return all_to_all_v(c, in, sends, out, receives, o);
    if constexpr (form == Form::start) return iall_to_all_v(c, in, sends, out, receives, o);
  };
}

}  // namespace tutti::c_api
