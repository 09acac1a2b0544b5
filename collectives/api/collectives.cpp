// The public collectives; see collectives.hpp and persistent.hpp.
#include <utility>

#include <tutti/collectives/call/collective_calls.hpp>
#include <tutti/collectives/collectives.hpp>
#include <tutti/collectives/engine/dispatch.hpp>
#include <tutti/collectives/persistent.hpp>
#include <tutti/collectives/schedule/algorithm_table.hpp>

namespace tutti {
namespace {

using Function = std::shared_ptr<const UserOperator>;

Request start(const Communicator& comm, detail::Call&& call) {
  return Request(detail::start_collective(comm, collective_algorithms(), std::move(call)));
}

void run(const Communicator& comm, detail::Call&& call) {
  detail::run_collective(comm, collective_algorithms(), std::move(call));
}

PersistentRequest prepare(const Communicator& comm, detail::Call&& call) {
  return PersistentRequest(detail::prepare_collective(comm, collective_algorithms(), std::move(call)));
}

/// What user-defined operators reduce is counted in bytes.
constexpr ReduceOp kNone = detail::kUserOperator;

}  // namespace

// ---- broadcast

Request ibroadcast(const Communicator& comm, Buffer data, int root, const CollectiveOptions& options) {
  return start(comm, detail::broadcast_call(data, root, options));
}
void broadcast(const Communicator& comm, Buffer data, int root, const CollectiveOptions& options) {
  run(comm, detail::broadcast_call(data, root, options));
}
PersistentRequest broadcast_init(const Communicator& comm, Buffer data, int root, const CollectiveOptions& options) {
  return prepare(comm, detail::broadcast_call(data, root, options));
}

// ---- all_gather

Request iall_gather(const Communicator& comm, ConstBuffer input, Buffer output, const CollectiveOptions& options) {
  return start(comm, detail::all_gather_call(input, output, options));
}
void all_gather(const Communicator& comm, ConstBuffer input, Buffer output, const CollectiveOptions& options) {
  run(comm, detail::all_gather_call(input, output, options));
}
PersistentRequest all_gather_init(const Communicator& comm, ConstBuffer input, Buffer output,
                                  const CollectiveOptions& options) {
  return prepare(comm, detail::all_gather_call(input, output, options));
}

// ---- gather

Request igather(const Communicator& comm, ConstBuffer input, Buffer output, int root,
                const CollectiveOptions& options) {
  return start(comm, detail::gather_call(comm, input, output, root, options));
}
void gather(const Communicator& comm, ConstBuffer input, Buffer output, int root, const CollectiveOptions& options) {
  run(comm, detail::gather_call(comm, input, output, root, options));
}
PersistentRequest gather_init(const Communicator& comm, ConstBuffer input, Buffer output, int root,
                              const CollectiveOptions& options) {
  return prepare(comm, detail::gather_call(comm, input, output, root, options));
}

// ---- scatter

Request iscatter(const Communicator& comm, ConstBuffer input, Buffer output, int root,
                 const CollectiveOptions& options) {
  return start(comm, detail::scatter_call(comm, input, output, root, options));
}
void scatter(const Communicator& comm, ConstBuffer input, Buffer output, int root, const CollectiveOptions& options) {
  run(comm, detail::scatter_call(comm, input, output, root, options));
}
PersistentRequest scatter_init(const Communicator& comm, ConstBuffer input, Buffer output, int root,
                               const CollectiveOptions& options) {
  return prepare(comm, detail::scatter_call(comm, input, output, root, options));
}

// ---- reduce_scatter

Request ireduce_scatter(const Communicator& comm, ConstBuffer input, Buffer output, ReduceOp op,
                        const CollectiveOptions& options) {
  return start(comm, detail::reduce_scatter_call(input, output, op, options));
}
void reduce_scatter(const Communicator& comm, ConstBuffer input, Buffer output, ReduceOp op,
                    const CollectiveOptions& options) {
  run(comm, detail::reduce_scatter_call(input, output, op, options));
}
PersistentRequest reduce_scatter_init(const Communicator& comm, ConstBuffer input, Buffer output, ReduceOp op,
                                      const CollectiveOptions& options) {
  return prepare(comm, detail::reduce_scatter_call(input, output, op, options));
}
Request ireduce_scatter(const Communicator& comm, ConstBuffer input, Buffer output, Function function,
                        const CollectiveOptions& options) {
  const auto call = detail::reduce_scatter_call(detail::bytes_of(input), detail::bytes_of(output), kNone, options);
  return start(comm, detail::with_function(call, std::move(function)));
}
void reduce_scatter(const Communicator& comm, ConstBuffer input, Buffer output, Function function,
                    const CollectiveOptions& options) {
  const auto call = detail::reduce_scatter_call(detail::bytes_of(input), detail::bytes_of(output), kNone, options);
  run(comm, detail::with_function(call, std::move(function)));
}

// ---- reduce

Request ireduce(const Communicator& comm, ConstBuffer input, Buffer output, ReduceOp op, int root,
                const CollectiveOptions& options) {
  return start(comm, detail::reduce_call(input, output, op, root, options));
}
void reduce(const Communicator& comm, ConstBuffer input, Buffer output, ReduceOp op, int root,
            const CollectiveOptions& options) {
  run(comm, detail::reduce_call(input, output, op, root, options));
}
PersistentRequest reduce_init(const Communicator& comm, ConstBuffer input, Buffer output, ReduceOp op, int root,
                              const CollectiveOptions& options) {
  return prepare(comm, detail::reduce_call(input, output, op, root, options));
}
Request ireduce(const Communicator& comm, ConstBuffer input, Buffer output, Function function, int root,
                const CollectiveOptions& options) {
  const auto call = detail::reduce_call(detail::bytes_of(input), detail::bytes_of(output), kNone, root, options);
  return start(comm, detail::with_function(call, std::move(function)));
}
void reduce(const Communicator& comm, ConstBuffer input, Buffer output, Function function, int root,
            const CollectiveOptions& options) {
  const auto call = detail::reduce_call(detail::bytes_of(input), detail::bytes_of(output), kNone, root, options);
  run(comm, detail::with_function(call, std::move(function)));
}

// ---- all_to_all

Request iall_to_all(const Communicator& comm, ConstBuffer input, Buffer output, const CollectiveOptions& options) {
  return start(comm, detail::all_to_all_call(input, output, options));
}
void all_to_all(const Communicator& comm, ConstBuffer input, Buffer output, const CollectiveOptions& options) {
  run(comm, detail::all_to_all_call(input, output, options));
}
PersistentRequest all_to_all_init(const Communicator& comm, ConstBuffer input, Buffer output,
                                  const CollectiveOptions& options) {
  return prepare(comm, detail::all_to_all_call(input, output, options));
}

// ---- barrier

Request ibarrier(const Communicator& comm, const CollectiveOptions& options) {
  return start(comm, detail::barrier_call(options));
}
void barrier(const Communicator& comm, const CollectiveOptions& options) { ibarrier(comm, options).wait(); }
PersistentRequest barrier_init(const Communicator& comm, const CollectiveOptions& options) {
  return prepare(comm, detail::barrier_call(options));
}

}  // namespace tutti
