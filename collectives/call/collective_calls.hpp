// The calls behind the public collectives of one count for all ranks, which are made blocking, started and persistent.
#pragma once

#include <memory>

#include <tutti/collectives/call/call.hpp>
#include <tutti/collectives/communicator.hpp>

namespace tutti::detail {

inline std::size_t ranks(const Communicator& comm) { return static_cast<std::size_t>(comm.size()); }

inline ConstBuffer bytes_of(ConstBuffer b) noexcept { return {b.data, b.size_bytes(), DType::u8, b.space}; }
inline Buffer bytes_of(Buffer b) noexcept { return {b.data, b.size_bytes(), DType::u8, b.space}; }

inline Call broadcast_call(Buffer data, int root, const CollectiveOptions& options) {
  return {.collective = Collective::broadcast,
          .output = data,
          .data_count = data.count,
          .dtype = data.dtype,
          .root = root,
          .options = options};
}

inline Call all_gather_call(ConstBuffer input, Buffer output, const CollectiveOptions& options) {
  return {.collective = Collective::all_gather,
          .input = input,
          .output = output,
          .data_count = output.count,
          .dtype = output.dtype,
          .options = options};
}

inline Call gather_call(const Communicator& comm, ConstBuffer input, Buffer output, int root,
                        const CollectiveOptions& options) {
  return {.collective = Collective::gather,
          .input = input,
          .output = output,
          .data_count = input.count * ranks(comm),
          .dtype = input.dtype,
          .root = root,
          .options = options};
}

inline Call scatter_call(const Communicator& comm, ConstBuffer input, Buffer output, int root,
                         const CollectiveOptions& options) {
  return {.collective = Collective::scatter,
          .input = input,
          .output = output,
          .data_count = output.count * ranks(comm),
          .dtype = output.dtype,
          .root = root,
          .options = options};
}

inline Call reduce_scatter_call(ConstBuffer input, Buffer output, ReduceOp op, const CollectiveOptions& options) {
  return {.collective = Collective::reduce_scatter,
          .input = input,
          .output = output,
          .data_count = input.count,
          .dtype = input.dtype,
          .op = op,
          .options = options};
}

inline Call reduce_call(ConstBuffer input, Buffer output, ReduceOp op, int root, const CollectiveOptions& options) {
  return {.collective = Collective::reduce,
          .input = input,
          .output = output,
          .data_count = input.count,
          .dtype = input.dtype,
          .op = op,
          .root = root,
          .options = options};
}

inline Call all_to_all_call(ConstBuffer input, Buffer output, const CollectiveOptions& options) {
  return {.collective = Collective::all_to_all,
          .input = input,
          .output = output,
          .data_count = input.count,
          .dtype = input.dtype,
          .options = options};
}

inline Call barrier_call(const CollectiveOptions& options) {
  static constexpr std::byte kSent{};  // which nobody looks at
  return {.collective = Collective::barrier,
          .input = ConstBuffer(&kSent, 1, DType::u8),
          .data_count = 1,
          .options = options};
}

inline Call with_function(Call call, std::shared_ptr<const UserOperator> function) {
  set_function(call, std::move(function));
  return call;
}

}  // namespace tutti::detail
