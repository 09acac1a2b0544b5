// PowerSGD: exact examples, matrices of low rank, one rank against several, what is held back, and values that are not
// finite; its kernels on every instruction set.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <tests/kernels/targets.hpp>
#include <tests/support/ranks/grid.hpp>
#include <tutti/allreduce/allreduce.hpp>
#include <tutti/collectives/collectives.hpp>
#include <tutti/compression/compressed_allreduce.hpp>
#include <tutti/kernels/codecs/low_rank.hpp>
#include <tutti/kernels/philox.hpp>

namespace tutti {
namespace {

constexpr std::uint64_t kSeed = 31;

float random_value(std::uint64_t stream, std::size_t i) {
  return static_cast<float>(random_uniform(kSeed, stream, i) - 0.5);
}

std::vector<float> random_values(std::size_t count, std::uint64_t stream) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = random_value(stream, i);
  return values;
}

void expect_near(std::span<const float> values, const std::vector<double>& expected, double tolerance) {
  ASSERT_EQ(values.size(), expected.size());
  for (std::size_t i = 0; i < values.size(); ++i)
    EXPECT_NEAR(static_cast<double>(values[i]), expected[i], tolerance) << i;
}

// ---- Kernels

/// Columns are added 16 apart and then in a tree, as low_rank.cpp says.
float naive_dot(const float* x, const float* y, std::size_t count) {
  float columns[16] = {};
  for (std::size_t j = 0; j < count; ++j) columns[j % 16] += x[j] * y[j];
  for (std::size_t width = 8; width > 0; width /= 2)
    for (std::size_t j = 0; j < width; ++j) columns[j] += columns[j + width];
  return columns[0];
}

struct Products {
  std::vector<float> left = {};
  std::vector<float> right = {};
  std::vector<float> matrix = {};
  std::vector<float> residual = {};
  double values = 0.0;
  double error = 0.0;
};

Products naive_products(const LowRank& shape, std::vector<float> matrix, const std::vector<float>& residual,
                        const std::vector<float>& factor, const std::vector<float>& sum) {
  Products all = {.left = std::vector<float>(shape.rows * shape.rank),
                  .right = std::vector<float>(shape.rank * shape.columns)};
  for (std::size_t i = 0; i < residual.size(); ++i) matrix[i] += residual[i];
  for (const float x : matrix) all.values += std::pow(static_cast<double>(x), 2);
  for (std::size_t i = 0; i < shape.rows; ++i) {
    for (std::size_t k = 0; k < shape.rank; ++k) {
      const float left = naive_dot(&matrix[i * shape.columns], &factor[k * shape.columns], shape.columns);
      all.left[i * shape.rank + k] = left;
      for (std::size_t j = 0; j < shape.columns; ++j)
        all.right[k * shape.columns + j] += left * matrix[i * shape.columns + j];
    }
  }
  all.residual = all.matrix = matrix;
  for (std::size_t i = 0; i < shape.rows; ++i) {
    for (std::size_t j = 0; j < shape.columns; ++j) {
      float own = all.left[i * shape.rank] * all.right[j];
      float of_all = all.left[i * shape.rank] * sum[j];
      for (std::size_t k = 1; k < shape.rank; ++k) {
        own += all.left[i * shape.rank + k] * all.right[k * shape.columns + j];
        of_all += all.left[i * shape.rank + k] * sum[k * shape.columns + j];
      }
      all.residual[i * shape.columns + j] -= own;
      all.matrix[i * shape.columns + j] = of_all;
    }
  }
  for (const float x : all.residual) all.error += std::pow(static_cast<double>(x), 2);
  return all;
}

TEST(LowRankKernels, OfEveryInstructionSetDoWhatIsWrittenDown) {
  const LowRank shapes[] = {{1, 1, 1}, {3, 2, 2}, {7, 33, 3}, {16, 16, 4}, {19, 1100, 5}, {40, 15, 9}};
  for (const LowRank& shape : shapes) {
    const std::size_t count = shape.rows * shape.columns;
    for (const bool feedback : {false, true}) {
      const std::vector<float> matrix = random_values(count, 1);
      const std::vector<float> residual = feedback ? random_values(count, 2) : std::vector<float>();
      const std::vector<float> factor = random_values(shape.rank * shape.columns, 3);
      const std::vector<float> sum = random_values(shape.rank * shape.columns, 4);
      const Products expected = naive_products(shape, matrix, residual, factor, sum);
      test::for_each_target([&] {
        std::vector<float> data = matrix;
        std::vector<float> left(expected.left.size());
        std::vector<float> right(expected.right.size());
        std::vector<float> held = residual;
        EXPECT_NEAR(multiply_from_right(shape, data, held, factor, left), expected.values, 1e-9 * expected.values);
        EXPECT_EQ(left, expected.left);
        multiply_from_left(shape, data, left, right);
        EXPECT_EQ(right, expected.right);
        EXPECT_NEAR(expand(shape, left, right, sum, data, held), expected.error, 1e-9 * expected.error);
        EXPECT_EQ(data, expected.matrix);
        EXPECT_EQ(held, feedback ? expected.residual : residual);
      });
    }
  }
}

TEST(LowRankKernels, OrthonormaliseWhatIsIndependent) {
  const LowRank shape = {.rows = 50, .columns = 1, .rank = 6};
  std::vector<float> left = random_values(shape.rows * shape.rank, 9);
  for (std::size_t i = 0; i < shape.rows; ++i) {
    float* row = &left[i * shape.rank];
    row[1] = 0.0F;                                    // stays zero
    row[3] = 2.0F * row[0];                           // depends on another
    row[4] = row[0] + 0x1p-20F * random_value(8, i);  // almost does
    row[5] *= 1e-38F;                                 // its square is below any f32
  }
  std::vector<float> one_after_another(left.size());
  const auto at = [&](std::size_t i, std::size_t k) { return k * shape.rows + i; };
  for (std::size_t n = 0; n < left.size(); ++n) one_after_another[at(n / shape.rank, n % shape.rank)] = left[n];
  std::vector<double> scratch(left.size());
  orthonormalise({.vectors = shape.rank, .length = shape.rows, .interleaved = true}, left, scratch);
  orthonormalise({.vectors = shape.rank, .length = shape.rows}, one_after_another, scratch);
  for (std::size_t n = 0; n < left.size(); ++n)
    EXPECT_EQ(one_after_another[at(n / shape.rank, n % shape.rank)], left[n]);
  for (std::size_t k = 0; k < shape.rank; ++k) {
    for (std::size_t l = 0; l < shape.rank; ++l) {
      double dot = 0.0;
      for (std::size_t i = 0; i < shape.rows; ++i)
        dot += static_cast<double>(left[i * shape.rank + k]) * static_cast<double>(left[i * shape.rank + l]);
      EXPECT_NEAR(dot, k == l && k != 1 && k != 3 ? 1.0 : 0.0, 1e-6) << k << l;
    }
  }
  for (std::size_t i = 0; i < shape.rows; ++i) {
    EXPECT_EQ(left[i * shape.rank + 1], 0.0F);
    EXPECT_EQ(left[i * shape.rank + 3], 0.0F);
  }
}

// ---- The allreduce

std::vector<TensorPart> one_matrix(std::size_t rows, std::size_t columns) {
  return {{.offset = 0, .count = rows * columns, .tensor = 0, .first = 0, .rows = rows}};
}

std::span<float> state_of(CompressedAllreduce& reduction, std::string_view name, std::size_t part = 0) {
  for (const CompressionState& state : reduction.state())
    if (state.name == name && state.part == part) return state.values;
  return {};
}

class PowerSgdTest : public testing::Test {
 protected:
  const Communicator comm_{MPI_COMM_WORLD, test::patient()};
  std::uint64_t rank_ = static_cast<std::uint64_t>(comm_.rank());
};

/// Q = (1, 0); two ranks have these matrices, and others pairs of them: the mean is the same.
TEST_F(PowerSgdTest, OfTwoMatricesOfThreeByTwo) {
  if (comm_.size() % 2 != 0) GTEST_SKIP() << "an even number of ranks";
  CompressedAllreduce reduction(comm_, one_matrix(3, 2), codec_settings("powersgd:rank=1,min_rate=1"), ReduceOp::avg);
  const std::span<float> factor = state_of(reduction, "factor");
  ASSERT_EQ(factor.size(), 2U);
  factor[0] = 1.0F;
  const bool is_first = rank_ % 2 == 0;
  std::vector<float> data = is_first ? std::vector<float>{1, 2, 3, 4, 5, 6} : std::vector<float>{1, 0, -1, 0, 1, 2};
  reduction.start(data, 0).wait();
  expect_near(data, {1, 15.0 / 11, 1, 15.0 / 11, 3, 45.0 / 11}, 1e-6);
  if (is_first)
    expect_near(state_of(reduction, "residual"), {-8.0 / 11, -2.0 / 11, 14.0 / 11, 20.0 / 11, -2.0 / 11, -6.0 / 11},
                1e-6);
  // Q of the mean is (3.3166248, 4.5226702).
  expect_near(factor, {3.3166248, 4.5226702}, 1e-6);
  // The mean of all residuals is what the result lacks, at right angles to it: 32 = |A|^2 + |mean e|^2.
  std::vector<float> mean(state_of(reduction, "residual").begin(), state_of(reduction, "residual").end());
  allreduce(comm_, mean, ReduceOp::avg);
  double squares = 0.0;
  for (const float x : data) squares += std::pow(static_cast<double>(x), 2);
  for (const float x : mean) squares += std::pow(static_cast<double>(x), 2);
  EXPECT_NEAR(squares, 32.0, 1e-5);
}

/// The sum of all ranks has rank 3, which P spans whatever Q is. It is known as well as f32 and the condition of a
/// random Q of 3 rows allow: some hundred times 2^-24.
TEST_F(PowerSgdTest, RecoversMatricesOfItsRank) {
  constexpr std::size_t kRows = 24;
  constexpr std::size_t kColumns = 40;
  for (const char* settings : {"powersgd:rank=3", "powersgd:rank=4", "powersgd:rank=4,feedback=off"}) {
    CompressedAllreduce reduction(comm_, one_matrix(kRows, kColumns), codec_settings(settings), ReduceOp::sum);
    for (std::uint64_t step = 0; step < 3; ++step) {
      // All ranks share the columns' space, with rows of their own.
      std::vector<float> data(kRows * kColumns);
      std::vector<double> sum(data.size());
      for (std::uint64_t r = 0; r < static_cast<std::uint64_t>(comm_.size()); ++r)
        for (std::size_t i = 0; i < kRows; ++i)
          for (std::size_t j = 0; j < kColumns; ++j) {
            double value = 0.0;
            for (std::uint64_t k = 0; k < 3; ++k)
              value += static_cast<double>(random_value(10 * step + k, i)) *
                       static_cast<double>(random_value(1000 * step + 10 * r + k + 100, j));
            sum[i * kColumns + j] += static_cast<double>(static_cast<float>(value));
            if (r == rank_) data[i * kColumns + j] = static_cast<float>(value);
          }
      reduction.start(data, step).wait();
      expect_near(data, sum, 1e-4);
      for (const float held : state_of(reduction, "residual")) EXPECT_NEAR(static_cast<double>(held), 0.0, 1e-4);
    }
  }
}

/// All ranks together do what one rank with the mean would, and hold the same bits.
TEST_F(PowerSgdTest, RanksAreAsOneThatHoldsTheMean) {
  constexpr std::size_t kRows = 30;
  constexpr std::size_t kColumns = 50;
  const Communicator alone(MPI_COMM_SELF, test::patient());
  const CodecSettings settings = codec_settings("powersgd:rank=2,seed=4");
  CompressedAllreduce together(comm_, one_matrix(kRows, kColumns), settings, ReduceOp::avg);
  CompressedAllreduce one(alone, one_matrix(kRows, kColumns), settings, ReduceOp::avg);
  for (std::uint64_t step = 0; step < 4; ++step) {
    std::vector<float> data = random_values(kRows * kColumns, 100 * step + rank_);
    std::vector<float> mean = data;
    allreduce(comm_, mean, ReduceOp::avg);
    together.start(data, step).wait();
    one.start(mean, step).wait();
    for (std::size_t i = 0; i < data.size(); ++i)
      EXPECT_NEAR(static_cast<double>(data[i]), static_cast<double>(mean[i]), 2e-5) << "step " << step;
    std::vector<float> of_root = data;
    broadcast(comm_, std::span(of_root), comm_.size() - 1);
    EXPECT_EQ(of_root, data);
  }
}

/// Vectors, scalars, nothing, and matrices that would not shrink travel beside matrices as they are.
TEST_F(PowerSgdTest, LeavesTheRestAsItIs) {
  const std::size_t counts[] = {0, 1, 2, 7, 9, 600, 12, 400};
  const std::size_t rows[] = {0, 1, 0, 0, 1, 20, 3, 0};
  for (const ReduceOp op : {ReduceOp::sum, ReduceOp::avg}) {
    std::vector<TensorPart> parts;
    std::size_t offset = 0;
    for (std::size_t t = 0; t < std::size(counts); ++t) {
      parts.push_back({.offset = offset, .count = counts[t], .tensor = t, .first = 0, .rows = rows[t]});
      offset += counts[t] + 1;
    }
    CompressedAllreduce reduction(comm_, parts, codec_settings("powersgd:rank=2"), op);
    std::vector<float> data(offset, -7.0F);
    for (const TensorPart& part : parts)
      for (std::size_t i = 0; i < part.count; ++i) data[part.offset + i] = static_cast<float>((rank_ + 1) * (i % 5));
    const auto size = static_cast<std::uint64_t>(comm_.size());
    const double factor = static_cast<double>(size * (size + 1) / 2) / (op == ReduceOp::avg ? comm_.size() : 1);
    reduction.start(data, 0).wait();
    for (const TensorPart& part : parts) {
      const bool is_matrix = part.tensor == 5;  // of rank 1
      for (std::size_t i = 0; i < part.count; ++i)
        EXPECT_NEAR(static_cast<double>(data[part.offset + i]), factor * static_cast<double>(i % 5),
                    is_matrix ? 1e-4 : 1e-6)
            << part.tensor;
      EXPECT_EQ(data[part.offset + part.count], -7.0F);
      EXPECT_EQ(state_of(reduction, "residual", part.tensor).empty(), !is_matrix);
    }
    EXPECT_EQ(reduction.payload_bytes(), ((20 + 30) * 2 + 1 + 2 + 7 + 9 + 12 + 400) * sizeof(float));
  }
}

/// All results and all residuals add up to all contributions, and the residual of a rank does not grow where its
/// gradients differ from others'.
TEST_F(PowerSgdTest, LosesNothing) {
  constexpr std::size_t kRows = 20;
  constexpr std::size_t kColumns = 16;
  CompressedAllreduce reduction(comm_, one_matrix(kRows, kColumns), codec_settings("powersgd:rank=2"), ReduceOp::avg);
  std::vector<double> lacking(kRows * kColumns);
  double early = 0.0;
  for (std::uint64_t step = 0; step < 400; ++step) {
    std::vector<float> data = random_values(lacking.size(), 1000 * rank_ + step);
    for (std::size_t i = 0; i < data.size(); ++i) lacking[i] += static_cast<double>(data[i]);
    reduction.start(data, step).wait();
    for (std::size_t i = 0; i < data.size(); ++i) lacking[i] -= static_cast<double>(data[i]);
    if (step == 50) early = reduction.facts()[0].error;
  }
  EXPECT_LT(reduction.facts()[0].error, 2 * early);
  const std::span<const float> residual = state_of(reduction, "residual");
  for (std::size_t i = 0; i < lacking.size(); ++i) lacking[i] -= static_cast<double>(residual[i]);
  allreduce(comm_, lacking, ReduceOp::avg);
  for (const double difference : lacking) EXPECT_NEAR(difference, 0.0, 400 * 0x1p-20);
}

/// A gradient of zero has no directions; the next one finds its own.
TEST_F(PowerSgdTest, RecoversFromZerosAndTinyValues) {
  constexpr std::size_t kRows = 16;
  constexpr std::size_t kColumns = 16;
  for (const float size : {1.0F, 1e-20F, 1e-30F, 1e10F}) {
    CompressedAllreduce reduction(comm_, one_matrix(kRows, kColumns), codec_settings("powersgd:rank=2"), ReduceOp::avg);
    const std::vector<float> zeros(kRows * kColumns);
    std::vector<float> data = zeros;
    for (std::uint64_t step = 0; step < 3; ++step) {
      reduction.start(data, step).wait();
      EXPECT_EQ(data, zeros);
    }
    std::vector<float> expected = zeros;
    for (std::size_t i = 0; i < data.size(); ++i)
      expected[i] = size * static_cast<float>(i / kColumns + 1) * static_cast<float>(i % kColumns + 1);
    for (std::uint64_t step = 10; step < 20; ++step) {
      data = expected;
      reduction.start(data, step).wait();
      for (std::size_t i = 0; i < data.size(); ++i)
        ASSERT_NEAR(static_cast<double>(data[i] / size), static_cast<double>(expected[i] / size), 1e-3) << size;
    }
  }
}

/// One rank has a value that is none: the matrix is NaN on all ranks, others are not, and nothing that is kept changes.
TEST_F(PowerSgdTest, AMatrixThatIsNotFiniteIsNanOnEveryRank) {
  const std::vector<TensorPart> parts = {{.offset = 0, .count = 320, .tensor = 0, .first = 0, .rows = 20},
                                         {.offset = 320, .count = 320, .tensor = 1, .first = 0, .rows = 16},
                                         {.offset = 640, .count = 10, .tensor = 2}};
  CompressedAllreduce reduction(comm_, parts, codec_settings("powersgd:rank=2"), ReduceOp::avg);
  std::vector<float> data = random_values(650, rank_);
  reduction.start(data, 0).wait();
  const auto copy = [&](std::string_view name) {
    const std::span<const float> values = state_of(reduction, name, 0);
    return std::vector<float>(values.begin(), values.end());
  };
  const std::vector<float> residual = copy("residual");
  const std::vector<float> factor = copy("factor");
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    data = random_values(650, 50 + rank_);
    if (comm_.rank() == comm_.size() - 1) data[33] = bad;
    reduction.start(data, 1).wait();
    for (std::size_t i = 0; i < data.size(); ++i) EXPECT_EQ(std::isnan(data[i]), i < 320) << i;
    EXPECT_EQ(copy("residual"), residual);
    EXPECT_EQ(copy("factor"), factor);
  }
  data = random_values(650, 70 + rank_);
  reduction.start(data, 2).wait();
  EXPECT_TRUE(std::all_of(data.begin(), data.end(), [](float x) { return std::isfinite(x); }));
}

}  // namespace
}  // namespace tutti
