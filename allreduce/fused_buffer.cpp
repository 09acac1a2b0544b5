// Fused buffers; see fused_buffer.hpp.
#include <cstdint>
#include <new>

#include <tutti/allreduce/fused_buffer.hpp>
#include <tutti/collectives/communicator/memory_pools.hpp>
#include <tutti/kernels/copy.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti {
namespace {

constexpr std::size_t kAlignment = 64;

template <class Tensor, class Copy>
void for_each_pair(std::span<const Tensor> tensors, std::span<const Buffer> views, Copy copy) {
  if (tensors.size() != views.size()) {
    throw InvalidArgument(text("FusedBuffer: got ", tensors.size(), " tensors for ", views.size(), " views"));
  }
  for (std::size_t i = 0; i < views.size(); ++i) {
    if (tensors[i].count != views[i].count || tensors[i].dtype != views[i].dtype) {
      throw InvalidArgument(text("FusedBuffer: tensor ", i, " is ", name(tensors[i].dtype), " x ", tensors[i].count,
                                 ", its view ", name(views[i].dtype), " x ", views[i].count));
    }
    if (tensors[i].space != MemorySpace::host)
      throw InvalidArgument(text("FusedBuffer: tensor ", i, " is device memory"));
    if (tensors[i].data == nullptr && tensors[i].count > 0) {
      throw InvalidArgument(text("FusedBuffer: tensor ", i, " is null"));
    }
  }
  for (std::size_t i = 0; i < views.size(); ++i) {
    if (views[i].count > 0) copy(tensors[i], views[i]);
  }
}

}  // namespace

FusedBuffer::FusedBuffer(const Communicator& comm, DType dtype, std::span<const std::size_t> counts)
    : FusedBuffer(dtype, counts, &comm) {}

FusedBuffer::FusedBuffer(DType dtype, std::span<const std::size_t> counts) : FusedBuffer(dtype, counts, nullptr) {}

FusedBuffer::FusedBuffer(DType dtype, std::span<const std::size_t> counts, const Communicator* comm) {
  const std::size_t step = kAlignment / size_of(dtype);
  const std::size_t limit = SIZE_MAX / size_of(dtype) - step;
  std::vector<std::size_t> firsts;
  firsts.reserve(counts.size());
  std::size_t total = 0;
  for (const std::size_t count : counts) {
    if (total > limit || count > limit - total) {
      throw OutOfMemory(text("FusedBuffer: tensor ", firsts.size(), " of ", count, " elements of ", name(dtype),
                             ": together more than memory holds"));
    }
    firsts.push_back(total);
    total += (count + step - 1) / step * step;
  }
  const std::size_t bytes = total * size_of(dtype);
  memory_ = comm != nullptr ? comm->allocate_bytes(bytes) : detail::allocate_plain(bytes);
  all_ = Buffer(memory_.get(), total, dtype);
  for (std::size_t i = 0; i < counts.size(); ++i) views_.push_back(all_.slice(firsts[i], counts[i]));
}

void FusedBuffer::copy_in(std::span<const ConstBuffer> tensors) const {
  for_each_pair(tensors, std::span<const Buffer>(views_), [](const ConstBuffer& tensor, const Buffer& view) {
    copy_bytes(view.data, tensor.data, view.size_bytes());
  });
}

void FusedBuffer::copy_out(std::span<const Buffer> tensors) const {
  for_each_pair(tensors, std::span<const Buffer>(views_), [](const Buffer& tensor, const Buffer& view) {
    copy_bytes(tensor.data, view.data, view.size_bytes());
  });
}

void allreduce(const Communicator& comm, const FusedBuffer& fused, ReduceOp op, const CollectiveOptions& options) {
  allreduce(comm, fused.all(), op, options);
}

}  // namespace tutti
