// Several allreduces that are started together: small ones of one type and operator travel fused.
#pragma once

#include <tutti/kernels/cpp20.hpp>

#include <cstddef>
#include <vector>

#include <tutti/allreduce/allreduce.hpp>
#include <tutti/kernels/ranges.hpp>

#pragma GCC visibility push(default)
namespace tutti {

struct AllreduceGroupOptions {
  /// Tensors of at most so many bytes are copied together with others of their dtype and operator, and reduced by one
  /// allreduce; larger ones are reduced where they lie. 0: nothing is fused. Must agree.
  std::size_t fused_bytes = std::size_t{64} << 10;

  /// A fused piece is at most so large, or a single tensor. Must agree.
  std::size_t piece_bytes = std::size_t{4} << 20;
};

/// Collects allreduces in place, then starts them at once:
///
///     AllreduceGroup group(comm);
///     for (std::vector<float>& gradient : gradients) group.add(gradient, ReduceOp::avg);
///     group.start().wait();
///
/// All ranks add the same counts, dtypes and operators in the same order. Results are those of single allreduces but
/// for the order of additions (at reproducibility level `layout` they are the same). Gradients that already lie in one
/// piece of memory need no copies: FusedBuffer.
class AllreduceGroup {
 public:
  explicit AllreduceGroup(const Communicator& comm, const AllreduceGroupOptions& options = {})
      : comm_(comm), options_(options) {}

  /// Adds allreduce(comm, data, op). `data` stays until the group is started, and then belongs to the operation.
  void add(Buffer data, ReduceOp op) { members_.push_back({data, op}); }
  template <WritableRange Data>
  void add(Data&& data, ReduceOp op) {
    add(detail::writable(data), op);
  }

  std::size_t size() const noexcept { return members_.size(); }

  /// Starts all that was added and empties the group. Collective; complete at once if nothing was added. \throws as
  /// allreduce(); wrong arguments of one member are found before any is started.
  [[nodiscard]] Request start(const CollectiveOptions& options = {});

 private:
  struct Member {
    Buffer data;
    ReduceOp op;
  };

  Communicator comm_;
  AllreduceGroupOptions options_;
  std::vector<Member> members_;
};

}  // namespace tutti
#pragma GCC visibility pop
