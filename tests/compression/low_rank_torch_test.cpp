// PowerSGD against that of PyTorch, whose steps powersgd_torch.py has written into the file that TUTTI_TEST_POWERSGD
// names.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <span>
#include <string_view>
#include <vector>

#include <tests/support/ranks/grid.hpp>
#include <tutti/compression/compressed_allreduce.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti {
namespace {

std::vector<float> read_numbers(std::ifstream& file, std::size_t count) {
  std::vector<float> values(count);
  for (float& value : values) file >> value;
  return values;
}

/// Both round each element of a few products in f32, of values around 1: the products of 40 and of 24 terms, and an
/// orthonormal basis that f32 knows to some 2^-20.
void expect_like(std::span<const float> values, const std::vector<float>& expected, const char* what, int step) {
  ASSERT_EQ(values.size(), expected.size());
  for (std::size_t i = 0; i < values.size(); ++i)
    ASSERT_NEAR(static_cast<double>(values[i]), static_cast<double>(expected[i]), 2e-4)
        << what << ' ' << i << " in step " << step;
}

TEST(PowerSgdOfTorch, IsRepeated) {
  const char* path = std::getenv("TUTTI_TEST_POWERSGD");
  if (path == nullptr) GTEST_SKIP() << "TUTTI_TEST_POWERSGD names no file";
  std::ifstream file(path);
  std::size_t rows = 0;
  std::size_t columns = 0;
  std::size_t rank = 0;
  int steps = 0;
  file >> rows >> columns >> rank >> steps;
  ASSERT_GT(steps, 0);
  const Communicator comm(MPI_COMM_WORLD, test::patient());
  const std::vector<TensorPart> parts = {{.offset = 0, .count = rows * columns, .tensor = 0, .first = 0, .rows = rows}};
  CompressedAllreduce reduction(comm, parts, codec_settings(text("powersgd:min_rate=1,rank=", rank)), ReduceOp::avg);
  const auto state_of = [&](std::string_view name) {
    for (const CompressionState& state : reduction.state())
      if (state.name == name) return state.values;
    return std::span<float>();
  };
  const std::span<float> residual = state_of("residual");
  for (const std::span<float> state : {state_of("factor"), residual}) {
    const std::vector<float> before = read_numbers(file, state.size());
    std::copy(before.begin(), before.end(), state.begin());
  }
  for (int step = 0; step < steps; ++step) {
    std::vector<float> data = read_numbers(file, rows * columns);
    const std::vector<float> result = read_numbers(file, rows * columns);
    const std::vector<float> held = read_numbers(file, rows * columns);
    ASSERT_TRUE(file);
    reduction.start(data, static_cast<std::uint64_t>(step)).wait();
    expect_like(data, result, "result", step);
    expect_like(residual, held, "residual", step);
  }
}

}  // namespace
}  // namespace tutti
