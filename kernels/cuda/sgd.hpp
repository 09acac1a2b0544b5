// The SGD step on device memory. Part of tutti::kernels_cuda, which exists where tutti was built with CUDA.
#pragma once

#include <tutti/kernels/cpp20.hpp>

#include <tutti/kernels/sgd.hpp>

/// As the CUDA headers declare it, which callers of this header do not need.
using cudaStream_t = struct CUstream_st*;  // NOLINT(readability-identifier-naming): the toolkit's name

namespace tutti::cuda {

/// tutti::sgd_update() for buffers in device memory, on the current device, in the order of `stream`: returns when the
/// work is enqueued; the buffers must live until it is done. Gives the same bits as the host. \throws InvalidArgument
/// as tutti::sgd_update(); Error naming the CUDA error if the kernel cannot be launched.
void sgd_update(Buffer parameters, ConstBuffer gradients, Buffer velocity, const SgdStep& step, cudaStream_t stream);

}  // namespace tutti::cuda
