// Many tensors in one piece of memory, so that one allreduce serves them all.
#pragma once

#include <tutti/kernels/cpp20.hpp>

#include <cstddef>
#include <span>
#include <vector>

#include <tutti/allreduce/allreduce.hpp>

#pragma GCC visibility push(default)
namespace tutti {

/// Contiguous memory for tensors of one element type, handed out as views: fill the views, allreduce all(), read the
/// views; nothing is copied. Each view starts at a multiple of 64 bytes; the gaps are zeros that travel along.
class FusedBuffer {
 public:
  /// Room for tensors with these element counts, zeroed, from comm.allocate. Local.
  FusedBuffer(const Communicator& comm, DType dtype, std::span<const std::size_t> counts);

  /// The same in plain memory, which costs less to allocate than memory that local ranks can map: for a short life.
  FusedBuffer(DType dtype, std::span<const std::size_t> counts);

  std::size_t tensors() const noexcept { return views_.size(); }

  /// The i-th tensor's memory. Valid as long as a copy of this object lives.
  Buffer view(std::size_t i) const { return views_.at(i); }

  /// Everything, gaps included.
  Buffer all() const noexcept { return all_; }

  /// For tensors that live elsewhere: copies them into the views, or the views into them. \throws InvalidArgument if
  /// number, counts or dtype differ, or a tensor is null or not in host memory; then nothing is copied.
  void copy_in(std::span<const ConstBuffer> tensors) const;
  void copy_out(std::span<const Buffer> tensors) const;

 private:
  FusedBuffer(DType dtype, std::span<const std::size_t> counts, const Communicator* comm);

  std::shared_ptr<void> memory_;
  Buffer all_;
  std::vector<Buffer> views_;
};

/// allreduce() of all tensors of `fused` at once. The gaps take part and mean nothing.
void allreduce(const Communicator& comm, const FusedBuffer& fused, ReduceOp op, const CollectiveOptions& options = {});

}  // namespace tutti
#pragma GCC visibility pop
