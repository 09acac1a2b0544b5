// The CUDA kernel of the SGD step gives the bits of the host. Without a device the test says so and is skipped.
#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <tutti/kernels/cuda/sgd.hpp>
#include <tutti/kernels/error.hpp>

#include "reference.hpp"
#include "sgd_cases.hpp"

namespace tutti::test {
namespace {

void expect_ok(cudaError_t code) { ASSERT_EQ(code, cudaSuccess) << cudaGetErrorString(code); }

/// Device memory with a copy of `values`.
template <class T>
class DeviceCopy {
 public:
  explicit DeviceCopy(const std::vector<T>& values) : count_(values.size()) {
    expect_ok(cudaMalloc(&data_, count_ * sizeof(T)));
    expect_ok(cudaMemcpy(data_, values.data(), count_ * sizeof(T), cudaMemcpyHostToDevice));
  }
  ~DeviceCopy() { cudaFree(data_); }
  DeviceCopy(const DeviceCopy&) = delete;
  DeviceCopy& operator=(const DeviceCopy&) = delete;
  Buffer buffer() const { return Buffer(data_, count_, dtype_of<T>, MemorySpace::device); }
  std::vector<T> values() const {
    std::vector<T> values(count_);
    expect_ok(cudaMemcpy(values.data(), data_, count_ * sizeof(T), cudaMemcpyDeviceToHost));
    return values;
  }

 private:
  std::size_t count_;
  void* data_ = nullptr;
};

template <class T>
void expect_bits_of_host() {
  for (const SgdStep& step : kSgdSteps) {
    for (const std::size_t n : {1, 31, 257, 100003}) {
      SgdCase<T> host(n);
      const DeviceCopy<T> parameters(host.parameters), gradients(host.gradients), velocity(host.velocity);
      for (int repeat = 0; repeat < 3; ++repeat) {
        sgd_update(Buffer(std::span(host.parameters)), ConstBuffer(std::span(host.gradients)),
                   Buffer(std::span(host.velocity)), step);
        cuda::sgd_update(parameters.buffer(), gradients.buffer(), velocity.buffer(), step, nullptr);
      }
      expect_ok(cudaDeviceSynchronize());
      EXPECT_EQ(first_difference(parameters.values().data(), host.parameters.data(), n), n) << "seed " << kSgdSeed;
      EXPECT_EQ(first_difference(velocity.values().data(), host.velocity.data(), n), n) << "seed " << kSgdSeed;
    }
  }
}

TEST(CudaSgd, DeviceGivesTheBitsOfTheHost) {
  int devices = 0;
  if (const cudaError_t code = cudaGetDeviceCount(&devices); code != cudaSuccess || devices == 0) {
    GTEST_SKIP() << "no CUDA device: " << (code != cudaSuccess ? cudaGetErrorString(code) : "none present");
  }
  expect_bits_of_host<float>();
  expect_bits_of_host<double>();
  std::vector<float> p(4), g(4);
  EXPECT_THROW(
      cuda::sgd_update(Buffer(std::span(p)), ConstBuffer(std::span(g)), Buffer(), {.learning_rate = 1}, nullptr),
      InvalidArgument);
}

}  // namespace
}  // namespace tutti::test
