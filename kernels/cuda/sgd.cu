// The SGD step on device memory. Compiled with -fmad=false: every operation is rounded once, as on the host.
#include <tutti/kernels/cuda/sgd.hpp>

#include <cuda_runtime_api.h>

#include <algorithm>

#include <tutti/kernels/arithmetic/sgd.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::cuda {
namespace {

constexpr unsigned kThreads = 256;
constexpr std::size_t kMaxBlocks = 65536;

template <class T, class Variant>
__global__ void sgd_kernel(T* parameters, const T* gradients, T* velocity, std::size_t count,
                           arithmetic::SgdNumbers<T> step) {
  const std::size_t stride = std::size_t{gridDim.x} * blockDim.x;
  for (std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < count; i += stride) {
    T unused = 0;
    T& moving = Variant::kMomentum ? velocity[i] : unused;
    arithmetic::sgd_element<arithmetic::ScalarOps<T>, Variant::kWeightDecay, Variant::kMomentum, Variant::kNesterov>(
        step, parameters[i], gradients[i], moving);
  }
}

template <class T>
void launch(const Buffer& parameters, const ConstBuffer& gradients, const Buffer& velocity, const SgdStep& step,
            cudaStream_t stream) {
  const std::size_t wanted = (parameters.count + kThreads - 1) / kThreads;
  const auto blocks = static_cast<unsigned>(std::min(wanted, kMaxBlocks));
  arithmetic::with_sgd_variant(step, [&](auto variant) {
    sgd_kernel<T, decltype(variant)><<<blocks, kThreads, 0, stream>>>(
        static_cast<T*>(parameters.data), static_cast<const T*>(gradients.data), static_cast<T*>(velocity.data),
        parameters.count, arithmetic::sgd_numbers<T>(step));
  });
}

}  // namespace

void sgd_update(Buffer parameters, ConstBuffer gradients, Buffer velocity, const SgdStep& step, cudaStream_t stream) {
  arithmetic::check_sgd_arguments(parameters, gradients, velocity, step, MemorySpace::device);
  if (parameters.count == 0) return;
  if (parameters.dtype == DType::f32) {
    launch<float>(parameters, gradients, velocity, step, stream);
  } else {
    launch<double>(parameters, gradients, velocity, step, stream);
  }
  if (const cudaError_t code = cudaGetLastError(); code != cudaSuccess) {
    throw Error(text("sgd_update: the CUDA kernel cannot be launched: ", cudaGetErrorString(code)));
  }
}

}  // namespace tutti::cuda
