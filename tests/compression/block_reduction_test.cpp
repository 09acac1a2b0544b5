// The compressed allreduce of every codec that encodes block by block: the same bits on all ranks, nothing lost with
// feedback, majority votes, what is not finite.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <tests/support/ranks/grid.hpp>
#include <tutti/allreduce/allreduce.hpp>
#include <tutti/collectives/collectives.hpp>
#include <tutti/compression/codec_rows.hpp>
#include <tutti/compression/compressed_allreduce.hpp>
#include <tutti/kernels/philox.hpp>

namespace tutti {
namespace {

constexpr std::uint64_t kSeed = 20261130;

/// Every codec as it is by default, and variants.
std::vector<std::string> all_settings() {
  std::vector<std::string> all;
  for (const Codec* codec : detail::block_codecs()) all.emplace_back(codec->name);
  for (const char* variant :
       {"bf16:feedback=on", "bf16:rounding=stochastic", "f16:feedback=on", "fp8:format=e5m2,block=32",
        "block8:feedback=off", "block4:block=32,rounding=stochastic", "qsgd:levels=1", "qsgd:levels=7,block=4096",
        "natural:rounding=nearest,feedback=on", "sign:block=2048", "sign:block=32"})
    all.emplace_back(variant);
  return all;
}

/// Tensors of odd sizes; two are parts of one, elsewhere in the data.
std::vector<TensorPart> some_parts() {
  return {{.offset = 0, .count = 1, .tensor = 0},
          {.offset = 1, .count = 0, .tensor = 1},
          {.offset = 1, .count = 2, .tensor = 2},
          {.offset = 3, .count = 7, .tensor = 3},
          {.offset = 10, .count = 9, .tensor = 4, .rows = 1},
          {.offset = 4000, .count = 1024, .tensor = 5},
          {.offset = 20, .count = 1500, .tensor = 5, .first = 1024}};
}
constexpr std::size_t kCount = 5100;

float contribution(int rank, std::uint64_t step, std::size_t i) {
  const auto stream = static_cast<std::uint64_t>(rank) + 100 * step;
  return static_cast<float>(std::ldexp(random_uniform(kSeed, stream, i) - 0.5, static_cast<int>(i % 7)));
}

std::vector<float> contributions(int rank, std::uint64_t step) {
  std::vector<float> values(kCount);
  for (std::size_t i = 0; i < kCount; ++i) values[i] = contribution(rank, step, i);
  return values;
}

testing::AssertionResult are_same_on_all_ranks(const Communicator& comm, const std::vector<float>& values) {
  std::vector<float> of_root = values;
  broadcast(comm, std::span(of_root), comm.size() - 1);
  if (values.empty() || std::memcmp(of_root.data(), values.data(), values.size() * sizeof(float)) == 0)
    return testing::AssertionSuccess();
  return testing::AssertionFailure() << "rank " << comm.rank() << " has other bits than rank " << comm.size() - 1;
}

bool is_in_parts(std::size_t i) {
  for (const TensorPart& part : some_parts())
    if (i >= part.offset && i < part.offset + part.count) return true;
  return false;
}

TEST(BlockReduction, GivesAllRanksTheSameBits) {
  const Communicator comm(MPI_COMM_WORLD, test::patient());
  for (const std::string& settings : all_settings()) {
    SCOPED_TRACE(settings);
    for (const ReduceOp op : {ReduceOp::sum, ReduceOp::avg}) {
      CompressedAllreduce reduction(comm, some_parts(), codec_settings(settings), op);
      for (std::uint64_t step = 0; step < 2; ++step) {
        std::vector<float> data = contributions(comm.rank(), step);
        reduction.start(data, step).wait();
        for (std::size_t i = 0; i < kCount; ++i) {
          if (is_in_parts(i))
            ASSERT_TRUE(std::isfinite(data[i])) << i;
          else
            ASSERT_EQ(data[i], contribution(comm.rank(), step, i)) << i;
        }
        for (const TensorPart& part : some_parts()) {
          const auto begin = data.begin() + static_cast<std::ptrdiff_t>(part.offset);
          ASSERT_TRUE(are_same_on_all_ranks(comm, {begin, begin + static_cast<std::ptrdiff_t>(part.count)}));
        }
      }
    }
  }
}

/// What results and residuals of all ranks add up to, in units of contributions. Rounding: each step rounds the
/// residual of each rank, P sums and the residual of the owner, each by half an ulp, 2^-24 of numbers that are below
/// 64 P; feedback may hold back a few contributions at once.
TEST(BlockReduction, LosesNothingWithFeedback) {
  const Communicator comm(MPI_COMM_WORLD, test::patient());
  constexpr std::uint64_t kSteps = 6;
  const double bound = kSteps * (2.0 * comm.size() + 1) * 0x1p-24 * 64 * comm.size() * 8;
  for (const std::string& text : all_settings()) {
    CodecSettings settings = codec_settings(text);
    if (!settings.feedback) continue;
    SCOPED_TRACE(text);
    for (const ReduceOp op : {ReduceOp::sum, ReduceOp::avg}) {
      CompressedAllreduce reduction(comm, some_parts(), settings, op);
      std::vector<double> came(kCount), rest(kCount), sent(kCount);
      for (std::uint64_t step = 0; step < kSteps; ++step) {
        std::vector<float> data = contributions(comm.rank(), step);
        for (std::size_t i = 0; i < kCount; ++i) came[i] += static_cast<double>(data[i]);
        reduction.start(data, step).wait();
        for (std::size_t i = 0; i < kCount; ++i)
          sent[i] += static_cast<double>(data[i]) * (op == ReduceOp::avg ? comm.size() : 1);
      }
      for (const CompressionState& state : reduction.state())
        for (std::size_t i = 0; i < state.values.size(); ++i)
          rest[some_parts()[state.part].offset + state.first + i] +=
              state.weight * static_cast<double>(state.values[i]);
      allreduce(comm, std::span(came), ReduceOp::sum);
      allreduce(comm, std::span(rest), ReduceOp::sum);
      for (std::size_t i = 0; i < kCount; ++i) {
        if (is_in_parts(i)) {
          ASSERT_NEAR(sent[i] + rest[i], came[i], bound) << i << ", " << name(op) << ", seed " << kSeed;
        }
      }
    }
  }
}

/// Signs of four kinds of elements: all ranks positive, all negative, one against the rest, and alternating. Ties and
/// zeros count as positive.
TEST(BlockReduction, CountsVotes) {
  const Communicator comm(MPI_COMM_WORLD, test::patient());
  const int size = comm.size();
  const auto value_of = [size](int rank, std::size_t i) {
    const std::size_t kind = i % 5;
    if (kind == 0) return 0.25F;
    if (kind == 1) return -3.0F;
    if (kind == 2) return rank == 0 ? 1e30F : -1e-30F;
    if (kind == 3) return rank % 2 == 0 ? -1.0F : 1.0F;
    return rank == size - 1 ? 0.0F : -0.0F;
  };
  for (const ReduceOp op : {ReduceOp::sum, ReduceOp::avg}) {
    std::vector<float> data(2500);
    for (std::size_t i = 0; i < data.size(); ++i) data[i] = value_of(comm.rank(), i);
    compressed_allreduce(comm, data, op, codec_settings("vote"));
    for (std::size_t i = 0; i < data.size(); ++i) {
      int sum = 0;
      for (int rank = 0; rank < size; ++rank) sum += value_of(rank, i) < 0 ? -1 : 1;
      ASSERT_EQ(data[i], sum >= 0 ? 1.0F : -1.0F) << i;
    }
  }
}

/// A NaN on one rank, in one block, makes that block NaN everywhere, and nothing else; the next step is as if it had
/// not been there.
TEST(BlockReduction, KeepsWhatIsNotFiniteApart) {
  const Communicator comm(MPI_COMM_WORLD, test::patient());
  constexpr std::size_t kLargest = 4096;  // of the blocks
  for (const std::string& settings : all_settings()) {
    SCOPED_TRACE(settings);
    for (const float odd : {std::nanf(""), -std::numeric_limits<float>::infinity()}) {
      CompressedAllreduce reduction(comm, {{.offset = 0, .count = 2 * kLargest}}, codec_settings(settings),
                                    ReduceOp::avg);
      for (std::uint64_t step = 0; step < 3; ++step) {
        std::vector<float> data(2 * kLargest, static_cast<float>(comm.rank() + 1));
        if (step == 1 && comm.rank() == comm.size() - 1) data[7] = odd;
        reduction.start(data, step).wait();
        EXPECT_EQ(std::isfinite(data[7]), step != 1) << step;
        for (std::size_t i = kLargest; i < data.size(); ++i) ASSERT_TRUE(std::isfinite(data[i])) << i;
        EXPECT_TRUE(are_same_on_all_ranks(comm, data));
        for (const CompressionState& state : reduction.state())
          for (const float x : state.values) ASSERT_TRUE(std::isfinite(x));
      }
    }
  }
}

/// With the same data on all ranks what they hold back differs, as their draws do; so it does from step to step.
TEST(BlockReduction, GivesEachRankDrawsOfItsOwn) {
  const Communicator comm(MPI_COMM_WORLD, test::patient());
  CompressedAllreduce reduction(comm, {{.offset = 0, .count = 512}}, codec_settings("block4:rounding=stochastic"),
                                ReduceOp::sum);
  std::vector<float> last;
  for (std::uint64_t step = 0; step < 2; ++step) {
    std::vector<float> data = contributions(0, 0);
    const std::vector<CompressionState> all = reduction.state();
    for (const CompressionState& state : all) std::fill(state.values.begin(), state.values.end(), 0.0F);
    reduction.start(data, step).wait();
    const std::vector<float> own(all[0].values.begin(), all[0].values.end());
    std::vector<float> of_first = own;
    broadcast(comm, std::span(of_first), 0);
    EXPECT_EQ(own == of_first, comm.rank() == 0);
    EXPECT_NE(own, last);
    last = own;
  }
}

/// Averages of what all ranks have alike come close to it: what a rank and an owner hold back stays within a step of 4
/// bits, a seventh of the largest value, 32.
TEST(BlockReduction, SettlesOnConstantGradients) {
  const Communicator comm(MPI_COMM_WORLD, test::patient());
  constexpr std::size_t kValues = 2048;
  constexpr std::uint64_t kSteps = 60;
  CompressedAllreduce reduction(comm, {{.offset = 0, .count = kValues}}, codec_settings("block4"), ReduceOp::avg);
  std::vector<double> sums(kValues);
  for (std::uint64_t step = 0; step < kSteps; ++step) {
    std::vector<float> data = contributions(0, 0);
    data.resize(kValues);
    reduction.start(data, step).wait();
    for (std::size_t i = 0; i < kValues; ++i) sums[i] += static_cast<double>(data[i]);
  }
  for (std::size_t i = 0; i < kValues; ++i)
    EXPECT_NEAR(sums[i] / kSteps, static_cast<double>(contribution(0, 0, i)), 2 * 33.0 / 7 / kSteps) << i;
}

}  // namespace
}  // namespace tutti
