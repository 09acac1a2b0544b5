// Compressed allreduce on integers of a shared scale: bits as the definition gives them, whatever the schedule and the
// cut into parts, with nothing lost, and values that are not finite.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include <tests/compression/naive_integers.hpp>
#include <tests/support/ranks/grid.hpp>
#include <tests/support/variable.hpp>
#include <tutti/allreduce/allreduce.hpp>
#include <tutti/allreduce/allreduce_table.hpp>
#include <tutti/collectives/collectives.hpp>
#include <tutti/compression/block/block_codec.hpp>
#include <tutti/compression/compressed_allreduce.hpp>
#include <tutti/compression/integers/integer_plan.hpp>
#include <tutti/kernels/philox.hpp>

namespace tutti {
namespace {

constexpr std::uint64_t kSeed = 23;

float contribution(std::uint64_t rank, std::uint64_t step, std::uint64_t tensor, std::size_t i) {
  const std::uint64_t stream = (step * 64 + tensor) * 16 + rank;
  return std::ldexp(static_cast<float>(random_uniform(kSeed, stream, i) - 0.5), static_cast<int>(i % 7) - 9);
}

/// Tensors with gaps of 3 elements between them.
std::vector<TensorPart> tensors(const std::vector<std::size_t>& counts) {
  std::vector<TensorPart> parts;
  std::size_t offset = 3;
  for (std::size_t t = 0; t < counts.size(); ++t) {
    parts.push_back({.offset = offset, .count = counts[t], .tensor = t});
    offset += counts[t] + 3;
  }
  return parts;
}

constexpr float kUntouched = -77.0F;

std::vector<float> data_of(const std::vector<TensorPart>& parts, std::uint64_t rank, std::uint64_t step) {
  std::vector<float> data(parts.back().offset + parts.back().count + 3, kUntouched);
  for (const TensorPart& part : parts)
    for (std::size_t i = 0; i < part.count; ++i)
      data[part.offset + i] = contribution(rank, step, part.tensor, part.first + i);
  return data;
}

/// All ranks of a tensor in emulation.
class Emulation {
 public:
  Emulation(const CodecSettings& settings, ReduceOp op, std::uint64_t tensor, std::size_t count, std::size_t ranks)
      : settings_(settings),
        op_(op),
        tensor_(tensor),
        plan_(detail::plan_integers(settings, ranks)),
        residuals_(ranks, std::vector<float>(count)) {}

  std::vector<float> step(std::uint64_t step) {
    const std::size_t ranks = residuals_.size();
    const std::size_t count = residuals_[0].size();
    std::vector<std::uint32_t> largest(count / plan_.grid.block + 1);
    std::vector<std::vector<float>> p = residuals_;
    for (std::size_t r = 0; r < ranks; ++r)
      for (std::size_t first = 0; first < count; first += plan_.grid.block) {
        float value = 0.0F;
        float held = 0.0F;
        for (std::size_t i = first; i < std::min(count, first + plan_.grid.block); ++i) {
          p[r][i] = contribution(r, step, tensor_, i);
          value = std::max(value, std::abs(p[r][i]));
          if (!settings_.feedback) continue;
          held = std::max(held, std::abs(residuals_[r][i]));
          p[r][i] += residuals_[r][i];
        }
        std::uint32_t& of_block = largest[first / plan_.grid.block];
        of_block = std::max(of_block, test::magnitude_of(value + held));
      }
    std::vector<float> result(count);
    const auto divisor = op_ == ReduceOp::avg ? static_cast<float>(ranks) : 1.0F;
    for (std::size_t i = 0; i < count; ++i) {
      const auto m = std::bit_cast<float>(largest[i / plan_.grid.block]);
      const float unit = test::unit_of(m, plan_.grid);
      int sum = 0;
      for (std::size_t r = 0; r < ranks; ++r) {
        const Draw source = {.seed = settings_.seed, .stream = detail::draw_stream(step, tensor_, r)};
        const float draw = settings_.rounding == "nearest" ? -1.0F : test::naive_draw(source, i);
        const int code = test::naive_code(p[r][i], m, plan_.grid, draw);
        residuals_[r][i] = p[r][i] - static_cast<float>(code) * unit;
        sum += code;
      }
      result[i] = static_cast<float>(sum) / divisor * unit;
    }
    return result;
  }

  const std::vector<float>& residual(int rank) const { return residuals_[static_cast<std::size_t>(rank)]; }

 private:
  CodecSettings settings_;
  ReduceOp op_;
  std::uint64_t tensor_;
  detail::IntegerPlan plan_;
  std::vector<std::vector<float>> residuals_;
};

constexpr const char* kVariants[] = {"int16",
                                     "int16:sums=wide,block=64",
                                     "int8",
                                     "int8:feedback=off,rounding=stochastic,seed=9",
                                     "int8:sums=wide,rounding=stochastic",
                                     "int4",
                                     "int4:sums=narrow,block=32",
                                     "int4:sums=wide,rounding=stochastic,block=256",
                                     "int8:scale=power_of_two"};

TEST(Integers, GiveTheBitsOfTheDefinition) {
  const Communicator comm(MPI_COMM_WORLD, test::patient());
  const std::vector<TensorPart> parts = tensors({0, 1, 2, 7, 9, 1024, 3333});
  for (const char* variant : kVariants) {
    for (const ReduceOp op : {ReduceOp::sum, ReduceOp::avg}) {
      SCOPED_TRACE(testing::Message() << variant << ", " << name(op) << ", seed " << kSeed);
      const CodecSettings settings = codec_settings(variant);
      CompressedAllreduce reduction(comm, parts, settings, op);
      std::vector<Emulation> expected;
      for (const TensorPart& part : parts)
        expected.emplace_back(settings, op, part.tensor, part.count, static_cast<std::size_t>(comm.size()));
      for (std::uint64_t step = 0; step < 3; ++step) {
        std::vector<float> data = data_of(parts, static_cast<std::uint64_t>(comm.rank()), step);
        std::vector<float> wanted(data.size(), kUntouched);
        for (std::size_t p = 0; p < parts.size(); ++p) {
          const std::vector<float> values = expected[p].step(step);
          std::copy(values.begin(), values.end(), wanted.begin() + static_cast<std::ptrdiff_t>(parts[p].offset));
        }
        reduction.start(data, step).wait();
        EXPECT_EQ(data, wanted) << "step " << step;
        for (const CompressionState& state : reduction.state()) {
          double error = 0.0;
          EXPECT_EQ(state.kind, CompressionState::Kind::held_back);
          EXPECT_EQ(std::vector<float>(state.values.begin(), state.values.end()),
                    expected[state.part].residual(comm.rank()));
          for (const float value : state.values) error += std::pow(static_cast<double>(value), 2);
          EXPECT_NEAR(reduction.facts()[state.part].error, error, 1e-5 * error);
        }
        EXPECT_EQ(reduction.state().empty(), !settings.feedback);
      }
    }
  }
}

/// What was added up as integers does not depend on who adds what to what.
TEST(Integers, GiveTheSameBitsInEverySchedule) {
  const std::vector<TensorPart> parts = tensors({5000, 17});
  for (const char* variant : {"int16", "int8", "int4:sums=narrow"}) {
    std::vector<float> wanted;
    std::vector<std::string> names = {""};
    for (const Algorithm* row : allreduce_algorithms()) names.emplace_back(row->name);
    for (const std::string& algorithm : names) {
      const test::Variable rule("TUTTI_ALGORITHM", algorithm.empty() ? "" : "allreduce:" + algorithm);
      const Communicator comm(MPI_COMM_WORLD, test::patient());
      CompressedAllreduce reduction(comm, parts, codec_settings(variant), ReduceOp::sum);
      std::vector<float> data;
      for (std::uint64_t step = 0; step < 2; ++step) {
        data = data_of(parts, static_cast<std::uint64_t>(comm.rank()), step);
        reduction.start(data, step).wait();
      }
      if (wanted.empty()) wanted = data;
      EXPECT_EQ(data, wanted) << variant << " by " << algorithm;
    }
  }
}

/// A tensor in one part, and the same in several, in another order and among others.
TEST(Integers, DoNotDependOnTheCutIntoParts) {
  const Communicator comm(MPI_COMM_WORLD, test::patient());
  constexpr std::size_t kCount = 5000;
  const std::vector<TensorPart> whole = {{.offset = 0, .count = kCount, .tensor = 7}};
  const std::vector<TensorPart> cut = {{.offset = 0, .count = 10, .tensor = 3},
                                       {.offset = 3000, .count = kCount - 2048, .tensor = 7, .first = 2048},
                                       {.offset = 20, .count = 2048, .tensor = 7}};
  for (const char* variant : {"int16:block=128", "int8:rounding=stochastic", "int4"}) {
    CompressedAllreduce one(comm, whole, codec_settings(variant), ReduceOp::avg);
    CompressedAllreduce other(comm, cut, codec_settings(variant), ReduceOp::avg);
    for (std::uint64_t step = 0; step < 3; ++step) {
      std::vector<float> of_one = data_of(whole, static_cast<std::uint64_t>(comm.rank()), step);
      std::vector<float> of_other(6000);
      for (const TensorPart& part : cut)
        for (std::size_t i = 0; i < part.count; ++i)
          of_other[part.offset + i] =
              contribution(static_cast<std::uint64_t>(comm.rank()), step, part.tensor, part.first + i);
      Request first = one.start(of_one, step);
      other.start(of_other, step).wait();
      first.wait();
      if (step == 1) one.state();  // to look at what is held back changes nothing
      EXPECT_EQ(std::memcmp(of_one.data(), of_other.data() + 20, 2048 * sizeof(float)), 0) << variant;
      EXPECT_EQ(std::memcmp(of_one.data() + 2048, of_other.data() + 3000, (kCount - 2048) * sizeof(float)), 0);
    }
  }
}

/// To the bit for integers, whose sums f32 holds, where a unit is a power of two.
TEST(Integers, LoseNothingOfIntegersToTheBit) {
  const Communicator comm(MPI_COMM_WORLD, test::patient());
  constexpr std::size_t kCount = 1100;
  for (const char* codec : {"int16", "int8", "int4"}) {
    for (const char* rounding : {"nearest", "stochastic"}) {
      const std::string text = std::string(codec) + ":scale=power_of_two,rounding=" + rounding;
      CompressedAllreduce reduction(comm, {{.offset = 0, .count = kCount}}, codec_settings(text), ReduceOp::sum);
      std::vector<float> contributed(kCount);
      std::vector<float> received(kCount);
      for (std::uint64_t step = 0; step < 30; ++step) {
        std::vector<float> data(kCount);
        for (std::size_t i = 0; i < kCount; ++i) {
          data[i] = std::nearbyint(contribution(static_cast<std::uint64_t>(comm.rank()), step, 0, i) * 0x1p14F);
          contributed[i] += data[i];
        }
        reduction.start(data, step).wait();
        for (std::size_t i = 0; i < kCount; ++i) received[i] += data[i];
      }
      const std::span<const float> residual = reduction.state()[0].values;
      for (std::size_t i = 0; i < kCount; ++i) contributed[i] -= residual[i];
      allreduce(comm, contributed, ReduceOp::sum);
      EXPECT_EQ(received, contributed) << text;
    }
  }
}

/// All results and all residuals add up to all contributions. Each step rounds p - q u once and the decoded sum once:
/// at most 2^-24 of the largest |p| for every rank, and of P times that.
TEST(Integers, LoseNothing) {
  const Communicator comm(MPI_COMM_WORLD, test::patient());
  constexpr std::size_t kCount = 1500;
  constexpr std::uint64_t kSteps = 50;
  for (const char* variant : {"int16", "int8:rounding=stochastic", "int8:sums=wide", "int4", "int4:sums=narrow"}) {
    for (const ReduceOp op : {ReduceOp::sum, ReduceOp::avg}) {
      const std::vector<TensorPart> parts = {{.offset = 0, .count = kCount}};
      CompressedAllreduce reduction(comm, parts, codec_settings(variant), op);
      std::vector<double> lacking(kCount);
      for (std::uint64_t step = 0; step < kSteps; ++step) {
        std::vector<float> data = data_of(parts, static_cast<std::uint64_t>(comm.rank()), step);
        const double divisor = op == ReduceOp::avg ? comm.size() : 1.0;
        for (std::size_t i = 0; i < kCount; ++i) lacking[i] += static_cast<double>(data[i]) / divisor;
        reduction.start(std::span(data).first(kCount), step).wait();
        for (std::size_t i = 0; i < kCount; ++i) lacking[i] -= static_cast<double>(data[i]) / comm.size();
      }
      const std::vector<CompressionState> state = reduction.state();
      ASSERT_EQ(state.size(), 1U);
      const double divisor = op == ReduceOp::avg ? comm.size() : 1.0;
      for (std::size_t i = 0; i < kCount; ++i) lacking[i] -= static_cast<double>(state[0].values[i]) / divisor;
      allreduce(comm, lacking, ReduceOp::sum);
      double largest = 0.0;
      for (const double difference : lacking) largest = std::max(largest, std::abs(difference));
      EXPECT_LT(largest, static_cast<double>(kSteps) * 0x1p-23 * comm.size()) << variant << ' ' << name(op);
    }
  }
}

/// One rank has a value that is none: all ranks decode NaN in its block, and nothing else changes; what was held back
/// there is still there.
TEST(Integers, ABlockThatIsNotFiniteIsNanOnEveryRank) {
  const Communicator comm(MPI_COMM_WORLD, test::patient());
  const std::vector<TensorPart> parts = tensors({4096, 100});
  for (const char* variant : {"int16:block=512", "int8:block=512", "int8:block=512,sums=wide", "int4:block=512"}) {
    CompressedAllreduce reduction(comm, parts, codec_settings(variant), ReduceOp::sum);
    CompressedAllreduce healthy(comm, parts, codec_settings(variant), ReduceOp::sum);
    const auto start = [&](CompressedAllreduce& with, std::uint64_t step, float bad) {
      std::vector<float> data = data_of(parts, static_cast<std::uint64_t>(comm.rank()), step);
      if (bad != 0 && comm.rank() == comm.size() - 1) data[parts[0].offset + 1025] = bad;
      with.start(data, step).wait();
      return data;
    };
    EXPECT_EQ(start(reduction, 0, 0), start(healthy, 0, 0));
    const CompressionState before = reduction.state()[0];
    const std::vector<float> held(before.values.begin() + 1024, before.values.begin() + 1536);
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
      const std::vector<float> found = start(reduction, 1, bad);
      for (std::size_t i = 0; i < 4096; ++i) {
        EXPECT_EQ(std::isnan(found[parts[0].offset + i]), i / 512 == 2) << variant << ' ' << i;
      }
      EXPECT_TRUE(std::none_of(found.begin() + static_cast<std::ptrdiff_t>(parts[1].offset), found.end(),
                               [](float x) { return std::isnan(x); }));
      EXPECT_EQ(std::vector<float>(before.values.begin() + 1024, before.values.begin() + 1536), held);
    }
    for (const float value : start(reduction, 2, 0)) EXPECT_FALSE(std::isnan(value));
  }
}

/// Calls of nothing, and of less than a rank each, beside other kinds whose sums need no decoding.
TEST(Integers, MayBeNone) {
  const Communicator comm(MPI_COMM_WORLD, test::patient());
  for (const char* codec : {"int16", "int8", "int8:sums=wide", "int4", "int4:sums=wide", "powersgd", "randomk"}) {
    for (const std::vector<std::size_t>& counts : {std::vector<std::size_t>{}, {0}, {0, 1, 0}, {1, 1}}) {
      std::vector<TensorPart> parts;
      for (std::size_t t = 0; t < counts.size(); ++t) parts.push_back({.offset = t, .count = counts[t], .tensor = t});
      CompressedAllreduce reduction(comm, parts, codec_settings(codec), ReduceOp::avg);
      std::vector<float> data(4, 0.0F);
      for (std::uint64_t step = 0; step < 2; ++step) {
        reduction.start(data, step).wait();
        EXPECT_EQ(data, std::vector<float>(4, 0.0F)) << codec;
      }
    }
  }
}

TEST(Integers, OfSettingsThatCannotBeAreRefusedOnEveryRank) {
  const Communicator comm(MPI_COMM_WORLD, test::patient());
  std::vector<float> data(10, 1.0F);
  EXPECT_THROW(icompressed_allreduce(comm, data, ReduceOp::sum, codec_settings("int8:feedback=off,block=100")).wait(),
               InvalidArgument);
  EXPECT_THROW(codec_settings("int8:block=2048"), InvalidArgument);
  EXPECT_THROW(codec_settings("int8:sums=medium"), InvalidArgument);
  EXPECT_THROW(codec_settings("int8:rounding=up"), InvalidArgument);
  icompressed_allreduce(comm, data, ReduceOp::avg, codec_settings("int8:feedback=off,scale=power_of_two")).wait();
  EXPECT_EQ(data, std::vector<float>(10, 1.0F));
}

}  // namespace
}  // namespace tutti
