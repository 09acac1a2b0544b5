// The allreduce of selected values on several ranks: against one that is written down plainly, and what has to be kept.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include <tests/support/ranks/grid.hpp>
#include <tutti/collectives/collectives.hpp>
#include <tutti/compression/codecs.hpp>
#include <tutti/compression/compressed_allreduce.hpp>
#include <tutti/compression/rehearsal.hpp>
#include <tutti/kernels/cast.hpp>
#include <tutti/kernels/philox.hpp>

namespace tutti {
namespace {

constexpr std::uint64_t kSparseSeed = 17;

std::vector<TensorPart> parts_of(const std::vector<std::size_t>& counts) {
  std::vector<TensorPart> parts;
  std::size_t offset = 0;
  for (const std::size_t count : counts) {
    parts.push_back({.offset = offset, .count = count, .tensor = parts.size()});
    offset += count;
  }
  return parts;
}

std::size_t elements_in(const std::vector<TensorPart>& parts) {
  return parts.empty() ? 0 : parts.back().offset + parts.back().count;
}

/// Whole numbers that are large here and there.
std::vector<float> whole_numbers(int rank, std::uint64_t step, std::size_t count) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t random = random_u64(kSparseSeed, 1000 * step + static_cast<std::uint64_t>(rank), i);
    values[i] = static_cast<float>(static_cast<int>(random % 21) - 10) * ((random >> 32) % 16 == 0 ? 9.0F : 1.0F);
  }
  return values;
}

bool on_all_ranks_alike(const Communicator& comm, const std::vector<float>& data) {
  std::vector<float> of_last = data;
  broadcast(comm, std::span(of_last), comm.size() - 1);
  return data.empty() || std::memcmp(of_last.data(), data.data(), data.size() * sizeof(float)) == 0;
}

/// What all ranks hold back, in one vector; of ranks what each does, of owners what they do for all.
std::vector<float> held_back(const Communicator& comm, CompressedAllreduce& reduction, std::size_t count) {
  std::vector<float> sum(count);
  for (const CompressionState& state : reduction.state()) {
    if (state.kind != CompressionState::Kind::held_back) continue;
    for (std::size_t i = 0; i < state.values.size(); ++i)
      sum[reduction.parts()[state.part].offset + state.first + i] += state.values[i] * static_cast<float>(state.weight);
  }
  allreduce(comm, std::span(sum), ReduceOp::sum);
  return sum;
}

/// The definition, all ranks computed here: contributions with residuals, the k largest of each part, added in the
/// order of ranks.
class PlainlyWritten {
 public:
  PlainlyWritten(std::vector<TensorPart> parts, double density, int ranks)
      : parts_(std::move(parts)),
        density_(density),
        residuals_(static_cast<std::size_t>(ranks), std::vector<float>(elements_in(parts_))) {}

  std::vector<float> sum(const std::vector<std::vector<float>>& contributions) {
    std::vector<float> sums(elements_in(parts_));
    for (std::size_t r = 0; r < residuals_.size(); ++r) {
      std::vector<float>& residual = residuals_[r];
      for (std::size_t i = 0; i < residual.size(); ++i) residual[i] += contributions[r][i];
      for (const TensorPart& part : parts_) {
        std::vector<std::size_t> order(part.count);
        std::iota(order.begin(), order.end(), part.offset);
        std::stable_sort(order.begin(), order.end(),
                         [&](std::size_t a, std::size_t b) { return std::abs(residual[a]) > std::abs(residual[b]); });
        const auto k = static_cast<std::size_t>(std::ceil(density_ * static_cast<double>(part.count) - 1e-9));
        order.resize(std::min(part.count, std::max<std::size_t>(k, 1)));
        for (const std::size_t i : order) {
          sums[i] += residual[i];
          residual[i] = 0.0F;
        }
      }
    }
    return sums;
  }

 private:
  std::vector<TensorPart> parts_;
  double density_;
  std::vector<std::vector<float>> residuals_;
};

class Sparse : public testing::Test {
 protected:
  CompressedAllreduce make(const std::string& codec, const std::vector<TensorPart>& parts, ReduceOp op) const {
    return {comm_, parts, codec_settings(codec), op};
  }
  std::vector<std::vector<float>> all_whole_numbers(std::uint64_t step, std::size_t count) const {
    std::vector<std::vector<float>> all;
    for (int r = 0; r < comm_.size(); ++r) all.push_back(whole_numbers(r, step, count));
    return all;
  }
  std::vector<float> own(std::uint64_t step, std::size_t count) const {
    return whole_numbers(comm_.rank(), step, count);
  }

  Communicator comm_{MPI_COMM_WORLD, test::patient()};
  float size_ = static_cast<float>(comm_.size());
};

// With whole numbers no order of additions matters, and results are equal bit for bit.
TEST_F(Sparse, IsWhatIsWrittenDownPlainly) {
  constexpr std::uint64_t kSteps = 3;
  for (const double density : {0.02, 0.3, 1.0}) {
    for (const auto& counts : std::vector<std::vector<std::size_t>>{
             {}, {0}, {1}, {2}, {7}, {9}, {0, 1, 2, 7, 9}, {1000, 1, 5000}, {5, 66000}}) {
      const auto parts = parts_of(counts);
      if (density > 0.1 && elements_in(parts) > 10000) continue;  // for time
      PlainlyWritten plain(parts, density, comm_.size());
      std::vector<std::vector<float>> expected;
      for (std::uint64_t step = 0; step < kSteps; ++step)
        expected.push_back(plain.sum(all_whole_numbers(step, elements_in(parts))));
      for (const char* options :
           {"exchange=auto", "exchange=gather", "exchange=slices", "exchange=gather,indices=rice",
            "exchange=slices,indices=rice", "values=bf16,exchange=gather", "values=f16,exchange=slices"}) {
        const std::string codec = "topk:density=" + std::to_string(density) + "," + options;
        CompressedAllreduce reduction = make(codec, parts, ReduceOp::sum);
        for (std::uint64_t step = 0; step < kSteps; ++step) {
          std::vector<float> data = own(step, elements_in(parts));
          reduction.start(data, step).wait();
          ASSERT_EQ(data, expected[step])
              << codec << ", step " << step << ", " << data.size() << " elements, seed " << kSparseSeed;
        }
      }
    }
  }
}

TEST_F(Sparse, TopOneOfFourAndThreeIsConserved) {
  for (const ReduceOp op : {ReduceOp::sum, ReduceOp::avg}) {
    CompressedAllreduce reduction = make("topk:density=0.5", parts_of({2}), op);
    std::vector<float> sent(2);
    for (std::uint64_t step = 0; step < 3; ++step) {
      std::vector<float> gradient = {4, 3};
      reduction.start(gradient, step).wait();
      for (std::size_t i = 0; i < 2; ++i) sent[i] += gradient[i];
    }
    const float factor = op == ReduceOp::sum ? size_ : 1.0F;
    EXPECT_EQ(sent, (std::vector<float>{12 * factor, 6 * factor}));
    const auto state = reduction.state();
    ASSERT_EQ(state.size(), 1U);
    EXPECT_EQ(state[0].name, "residual");
    EXPECT_EQ(std::vector<float>(state[0].values.begin(), state[0].values.end()), (std::vector<float>{0, 3}));
  }
}

TEST_F(Sparse, WhatIsSentAndHeldBackIsWhatWasContributed) {
  const auto parts = parts_of({3000, 0, 1, 9, 5000});
  const std::size_t count = elements_in(parts);
  for (const char* codec : {"topk", "topk:exchange=slices", "topk:reselect=on", "topk:density=0.2,reselect=on",
                            "topk:values=f16,density=0.05", "topk:values=bf16,reselect=on", "topk:select=sampled",
                            "threshold:threshold=40", "threshold:threshold=40,exchange=slices"}) {
    CompressedAllreduce reduction = make(codec, parts, ReduceOp::sum);
    std::vector<float> results(count);
    std::vector<float> contributed(count);
    for (std::uint64_t step = 0; step < 8; ++step) {
      std::vector<float> data = own(step, count);
      for (std::size_t i = 0; i < count; ++i) contributed[i] += data[i];
      reduction.start(data, step).wait();
      for (std::size_t i = 0; i < count; ++i) results[i] += data[i];
    }
    allreduce(comm_, std::span(contributed), ReduceOp::sum);
    const std::vector<float> held = held_back(comm_, reduction, count);
    for (std::size_t i = 0; i < count; ++i)
      ASSERT_EQ(results[i] + held[i], contributed[i]) << codec << " [" << i << "], seed " << kSparseSeed;
  }
}

// A step of the warm-up needs a larger sample than the density that is set, which needs none.
TEST_F(Sparse, WarmingUpConserves) {
  constexpr std::size_t kCount = 400'000;
  CompressedAllreduce reduction =
      make("dgc:density=0.0001,warmup=2,reselect=on,momentum=0", parts_of({kCount}), ReduceOp::sum);
  std::vector<float> results(kCount);
  std::vector<float> contributed(kCount);
  for (std::uint64_t step = 0; step < 3; ++step) {
    std::vector<float> data = own(step, kCount);
    for (std::size_t i = 0; i < kCount; ++i) contributed[i] += data[i];
    reduction.start(data, step).wait();
    for (std::size_t i = 0; i < kCount; ++i) results[i] += data[i];
  }
  allreduce(comm_, std::span(contributed), ReduceOp::sum);
  const std::vector<float> held = held_back(comm_, reduction, kCount);
  for (std::size_t i = 0; i < kCount; ++i) ASSERT_EQ(results[i] + held[i], contributed[i]) << i;
}

TEST_F(Sparse, ReselectedAveragesAreConserved) {
  // Averages of powers of two ranks are exact; others are rounded ten times, numbers of at most 1000.
  const bool is_exact = (comm_.size() & (comm_.size() - 1)) == 0;
  const float allowed = is_exact ? 0.0F : 10 * 1000 * 0x1p-24F * size_;
  const auto parts = parts_of({5000, 3});
  CompressedAllreduce reduction = make("topk:reselect=on", parts, ReduceOp::avg);
  std::vector<float> results(5003);
  std::vector<float> contributed(5003);
  for (std::uint64_t step = 0; step < 10; ++step) {
    std::vector<float> data = own(step, 5003);
    for (std::size_t i = 0; i < data.size(); ++i) contributed[i] += data[i];
    reduction.start(data, step).wait();
    ASSERT_TRUE(on_all_ranks_alike(comm_, data));
    for (std::size_t i = 0; i < data.size(); ++i) results[i] += data[i] * size_;
  }
  allreduce(comm_, std::span(contributed), ReduceOp::sum);
  const std::vector<float> held = held_back(comm_, reduction, 5003);
  for (std::size_t i = 0; i < held.size(); ++i) ASSERT_NEAR(results[i] + held[i], contributed[i], allowed) << i;
}

TEST_F(Sparse, BothExchangesGiveTheSameBits) {
  constexpr std::size_t kCount = 30000;
  std::vector<float> data[2];
  const char* codecs[] = {"topk:density=0.4,exchange=gather", "topk:density=0.4,exchange=slices"};
  for (int c = 0; c < 2; ++c) {
    CompressedAllreduce reduction = make(codecs[c], parts_of({kCount}), ReduceOp::avg);
    for (std::uint64_t step = 0; step < 3; ++step) {
      data[c].resize(kCount);
      for (std::size_t i = 0; i < kCount; ++i)
        data[c][i] =
            static_cast<float>(random_uniform(kSparseSeed, 50 + static_cast<std::uint64_t>(comm_.rank()), i) - 0.3);
      reduction.start(data[c], step).wait();
    }
  }
  EXPECT_EQ(std::memcmp(data[0].data(), data[1].data(), kCount * sizeof(float)), 0);
}

TEST_F(Sparse, AllElementsMayBeOfOneOwner) {
  constexpr std::size_t kCount = 40000;
  for (const char* codec : {"topk:density=0.02,exchange=slices", "topk:density=0.02,reselect=on"}) {
    CompressedAllreduce reduction = make(codec, parts_of({kCount}), ReduceOp::sum);
    std::vector<float> data(kCount);
    std::fill_n(data.begin(), 800, 3.0F);  // 2 %, in the first run of elements
    reduction.start(data, 0).wait();
    // Reselection sends as large a part of each slice as of the whole.
    const bool all_are_sent = comm_.size() == 1 || std::string(codec).find("reselect") == std::string::npos;
    if (all_are_sent) {
      std::vector<float> expected(kCount);
      std::fill_n(expected.begin(), 800, 3.0F * size_);
      EXPECT_EQ(data, expected) << codec;
    }
    const std::vector<float> held = held_back(comm_, reduction, kCount);
    for (std::size_t i = 0; i < kCount; ++i) ASSERT_EQ(data[i] + held[i], i < 800 ? 3.0F * size_ : 0.0F) << codec << i;
  }
}

TEST_F(Sparse, AUnionOfMostElementsIsSentAsAllOfThem) {
  // Each rank has elements of its own, together all: the list of sums turns dense.
  constexpr std::size_t kCount = 20000;
  CompressedAllreduce reduction =
      make("topk:density=" + std::to_string(std::min(1.0, 1.0 / comm_.size() + 1e-4)) + ",exchange=slices",
           parts_of({kCount}), ReduceOp::sum);
  std::vector<float> data(kCount);
  for (std::size_t i = static_cast<std::size_t>(comm_.rank()); i < kCount; i += static_cast<std::size_t>(comm_.size()))
    data[i] = static_cast<float>(i + 1);
  std::vector<float> expected(kCount);
  std::iota(expected.begin(), expected.end(), 1.0F);
  reduction.start(data, 0).wait();
  EXPECT_EQ(data, expected);
}

TEST_F(Sparse, WhatIsNotFiniteIsSeenByAllAndNotKept) {
  const float infinity = std::numeric_limits<float>::infinity();
  for (const char* codec : {"topk:density=0.01", "topk:density=0.01,exchange=slices", "topk:density=0.01,values=f16",
                            "topk:density=0.01,reselect=on", "topk:density=0.01,select=sampled", "dgc:density=0.01",
                            "threshold:threshold=0.5"}) {
    constexpr std::size_t kCount = 3000;
    CompressedAllreduce reduction = make(codec, parts_of({kCount}), ReduceOp::sum);
    const auto call = [&](bool broken, std::uint64_t step) {
      std::vector<float> data(kCount, 0.25F);
      if (broken && comm_.rank() == comm_.size() - 1) {
        data[1234] = std::nanf("");
        data[2000] = infinity;
        data[2001] = -infinity;
      }
      reduction.start(data, step).wait();
      EXPECT_TRUE(on_all_ranks_alike(comm_, data)) << codec;
      return data;
    };
    for (const float value : call(false, 0)) ASSERT_TRUE(std::isfinite(value));
    const std::vector<float> data = call(true, 1);
    EXPECT_TRUE(std::isnan(data[1234])) << codec;
    EXPECT_EQ(data[2000], infinity) << codec;
    EXPECT_EQ(data[2001], -infinity) << codec;
    EXPECT_EQ(std::count_if(data.begin(), data.end(), [](float v) { return !std::isfinite(v); }), 3) << codec;
    for (const CompressionState& state : reduction.state()) {
      for (const float value : state.values) ASSERT_TRUE(std::isfinite(value)) << codec << ", " << state.name;
      // What had been held back there stays: nothing was sent of it in the first call.
      if (state.name == "residual" && std::string(codec).find("density") != std::string::npos) {
        EXPECT_EQ(state.values[1234], comm_.rank() == comm_.size() - 1 ? 0.25F : state.values[1235]) << codec;
      }
    }
    for (const float value : call(false, 2)) ASSERT_TRUE(std::isfinite(value)) << codec;
  }
}

TEST_F(Sparse, MoreNaNThanIsSentLeaveNone) {
  CompressedAllreduce reduction = make("topk:density=0.01", parts_of({500}), ReduceOp::sum);
  std::vector<float> data(500, std::nanf(""));
  reduction.start(data, 0).wait();
  EXPECT_EQ(std::count_if(data.begin(), data.end(), [](float v) { return std::isnan(v); }), 5);
  const std::span<const float> kept = reduction.state()[0].values;
  for (const float value : kept) EXPECT_EQ(value, 0.0F);
}

TEST_F(Sparse, ZerosAndDenormals) {
  for (const char* codec : {"topk", "topk:exchange=slices", "topk:reselect=on", "threshold", "dgc"}) {
    CompressedAllreduce reduction = make(codec, parts_of({2000}), ReduceOp::avg);
    std::vector<float> data(2000);
    reduction.start(data, 0).wait();
    EXPECT_EQ(data, std::vector<float>(2000)) << codec;
    EXPECT_EQ(reduction.facts()[0].error, 0.0);
  }
  CompressedAllreduce reduction = make("topk:density=0.5", parts_of({4}), ReduceOp::sum);
  std::vector<float> data = {1e-42F, -2e-42F, 3e-42F, 0.0F};
  reduction.start(data, 0).wait();
  EXPECT_EQ(data, (std::vector<float>{0.0F, -2e-42F * size_, 3e-42F * size_, 0.0F}));
  EXPECT_EQ(reduction.state()[0].values[0], 1e-42F);
}

TEST_F(Sparse, ErrorIsAtMostItsBound) {
  constexpr std::size_t kCount = 6000;
  for (const double density : {0.001, 0.01, 0.1, 1.0}) {
    CompressedAllreduce reduction = make("topk:density=" + std::to_string(density), parts_of({kCount}), ReduceOp::sum);
    std::vector<float> data(kCount);
    double squares = 0.0;
    for (std::size_t i = 0; i < kCount; ++i) {
      data[i] = static_cast<float>(random_uniform(kSparseSeed, 9, i) - 0.5);
      squares += static_cast<double>(data[i]) * static_cast<double>(data[i]);
    }
    reduction.start(data, 0).wait();
    const CompressionFacts facts = reduction.facts()[0];
    EXPECT_NEAR(facts.values, squares, 1e-9 * squares);
    EXPECT_LE(facts.error, (1.0 - std::ceil(density * kCount) / kCount) * squares);
    double left = 0.0;
    const std::span<const float> kept = reduction.state()[0].values;
    for (const float value : kept) left += static_cast<double>(value) * static_cast<double>(value);
    EXPECT_NEAR(facts.error, left, 1e-9 * squares);
  }
}

TEST_F(Sparse, ValuesBeyondTheirTypeSaturateIntoTheResidual) {
  CompressedAllreduce reduction = make("topk:density=0.5,values=f16", parts_of({4}), ReduceOp::sum);
  std::vector<float> data = {1e6F, 0.0F, -3.0F, 1.0F};
  reduction.start(data, 0).wait();
  EXPECT_EQ(data, (std::vector<float>{65504.0F * size_, 0.0F, -3.0F * size_, 0.0F}));
  EXPECT_EQ(reduction.facts()[0].saturated, 1U);
  const auto residual = reduction.state()[0].values;
  EXPECT_EQ(std::vector<float>(residual.begin(), residual.end()), (std::vector<float>{934496.0F, 0.0F, 0.0F, 1.0F}));
}

TEST_F(Sparse, SampledNeverSendMoreThanTheDensity) {
  constexpr std::size_t kCount = 120000;
  CompressedAllreduce reduction = make("topk:density=0.01,select=sampled", parts_of({kCount}), ReduceOp::sum);
  for (std::uint64_t step = 0; step < 2; ++step) {
    // The same places on all ranks, so that results tell how many were sent.
    std::vector<float> data(kCount);
    for (std::size_t i = 0; i < kCount; ++i)
      data[i] =
          static_cast<float>(random_uniform(kSparseSeed, 70 + step, i) + random_uniform(kSparseSeed, 80 + step, i));
    reduction.start(data, step).wait();
    const auto sent =
        static_cast<std::size_t>(std::count_if(data.begin(), data.end(), [](float v) { return v != 0.0F; }));
    EXPECT_GE(sent, 1080U);
    EXPECT_LE(sent, 1200U * static_cast<std::size_t>(comm_.size()));
    EXPECT_LE(reduction.payload_bytes(), 8U + 2 * 4 + 6 * 1200);
  }
}

TEST_F(Sparse, ThresholdsSendWhatReachesThem) {
  CompressedAllreduce reduction = make("threshold:threshold=1", parts_of({3}), ReduceOp::avg);
  const auto call = [&](std::uint64_t step) {
    std::vector<float> data = {0.625F, -1.0F, 0.25F};
    reduction.start(data, step).wait();
    return data;
  };
  EXPECT_EQ(call(0), (std::vector<float>{0.0F, -1.0F, 0.0F}));
  EXPECT_EQ(call(1), (std::vector<float>{1.25F, -1.0F, 0.0F}));
  EXPECT_EQ(call(2), (std::vector<float>{0.0F, -1.0F, 0.0F}));
  EXPECT_EQ(call(3), (std::vector<float>{1.25F, -1.0F, 1.0F}));
}

TEST_F(Sparse, WithoutFeedbackNothingIsKept) {
  std::vector<float> data = {4, 3, -5, 1};
  compressed_allreduce(comm_, data, ReduceOp::avg, codec_settings("topk:density=0.5,feedback=off"));
  EXPECT_EQ(data, (std::vector<float>{4, 0, -5, 0}));
  CompressedAllreduce reduction = make("topk:density=0.5,feedback=off", parts_of({4}), ReduceOp::avg);
  data = {4, 3, -5, 1};
  reduction.start(data, 0).wait();
  EXPECT_TRUE(reduction.state().empty());
}

TEST_F(Sparse, ElementsOutsideOfPartsAreNotTouched) {
  CompressedAllreduce reduction =
      make("topk:density=1", {{.offset = 2, .count = 2}, {.offset = 5, .count = 1}}, ReduceOp::avg);
  std::vector<float> data = {9, 9, 1, 2, 9, 3, 9};
  reduction.start(data, 0).wait();
  EXPECT_EQ(data, (std::vector<float>{9, 9, 1, 2, 9, 3, 9}));
}

TEST_F(Sparse, ContinuesFromAStateThatWasCopied) {
  for (const char* codec : {"topk:reselect=on", "dgc:density=0.01", "topk:select=sampled"}) {
    const auto parts = parts_of({4000, 7});
    CompressedAllreduce one = make(codec, parts, ReduceOp::sum);
    CompressedAllreduce other = make(codec, parts, ReduceOp::sum);
    std::vector<float> data;
    for (std::uint64_t step = 0; step < 3; ++step) one.start(data = own(step, 4007), step).wait();
    const auto from = one.state();
    const auto to = other.state();
    ASSERT_EQ(from.size(), to.size());
    for (std::size_t s = 0; s < from.size(); ++s)
      std::copy(from[s].values.begin(), from[s].values.end(), to[s].values.begin());
    std::vector<float> data_of_other = own(3, 4007);
    one.start(data = own(3, 4007), 3).wait();
    other.start(data_of_other, 3).wait();
    EXPECT_EQ(data, data_of_other) << codec;
  }
}

// arXiv:1712.01887, with mu = 0.9 and one element of three a step.
TEST_F(Sparse, DeepGradientCompressionSumsUpWithMomentum) {
  CompressedAllreduce reduction = make("dgc:density=0.3,momentum=0.9", parts_of({3}), ReduceOp::avg);
  const auto call = [&](std::vector<float> gradient, std::uint64_t step) {
    reduction.start(gradient, step).wait();
    return gradient;
  };
  const auto state = reduction.state();
  ASSERT_EQ(state.size(), 2U);
  EXPECT_EQ(state[1].name, "momentum");
  EXPECT_EQ(state[1].kind, CompressionState::Kind::added);
  const auto expect_state = [&](std::vector<double> u, std::vector<double> v) {
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_NEAR(static_cast<double>(state[1].values[i]), u[i], 1e-6);
      EXPECT_NEAR(static_cast<double>(state[0].values[i]), v[i], 1e-6);
    }
  };
  EXPECT_EQ(call({1, .5F, -.2F}, 0), (std::vector<float>{1, 0, 0}));
  expect_state({0, .5, -.2}, {0, .5, -.2});
  std::vector<float> sent = call({.1F, .5F, -.2F}, 1);
  EXPECT_NEAR(static_cast<double>(sent[1]), 1.45, 1e-6);
  expect_state({.1, 0, -.38}, {.1, 0, -.58});
  sent = call({.1F, .5F, -.2F}, 2);
  EXPECT_NEAR(static_cast<double>(sent[2]), -1.122, 1e-6);
  expect_state({.19, .5, 0}, {.29, .5, 0});
}

TEST_F(Sparse, MomentumStaysWhereWhatIsSentIsNotFinite) {
  CompressedAllreduce reduction = make("dgc:density=0.3,momentum=0.5", parts_of({3}), ReduceOp::avg);
  std::vector<float> data = {2, 9, 1};
  reduction.start(data, 0).wait();
  EXPECT_EQ(data, (std::vector<float>{0, 9, 0}));
  data = {std::nanf(""), 1, 1};
  reduction.start(data, 1).wait();
  EXPECT_TRUE(std::isnan(data[0]));
  const auto state = reduction.state();
  EXPECT_EQ(std::vector<float>(state[0].values.begin(), state[0].values.end()), (std::vector<float>{2, 1, 2.5F}));
  EXPECT_EQ(std::vector<float>(state[1].values.begin(), state[1].values.end()), (std::vector<float>{2, 1, 1.5F}));
}

TEST_F(Sparse, DeepGradientCompressionClipsAndWarmsUp) {
  // Of norm 5, clipped to 2.5 x sqrt(P) / sqrt(P).
  const std::string clip = std::to_string(2.5 * std::sqrt(static_cast<double>(comm_.size())));
  CompressedAllreduce clipped = make("dgc:density=1,momentum=0,clip=" + clip, parts_of({2}), ReduceOp::avg);
  std::vector<float> data = {3, 4};
  clipped.start(data, 0).wait();
  EXPECT_NEAR(static_cast<double>(data[0]), 1.5, 1e-5);
  EXPECT_NEAR(static_cast<double>(data[1]), 2.0, 1e-5);
  // An infinite norm would make zeros of what is finite, and NaN of what is not.
  data = {std::numeric_limits<float>::infinity(), 4};
  clipped.start(data, 1).wait();
  EXPECT_EQ(data, (std::vector<float>{std::numeric_limits<float>::infinity(), 4}));
  CompressedAllreduce nesterov = make("dgc:density=1,momentum=0.5,nesterov=on", parts_of({1}), ReduceOp::avg);
  data = {8};
  nesterov.start(data, 0).wait();
  EXPECT_EQ(data[0], 12.0F);  // u = 0.5 (0 + 8), v = u + 8

  CompressedAllreduce warming = make("dgc:density=0.001,warmup=2", parts_of({10000}), ReduceOp::avg);
  const std::size_t expected[] = {1000, 100, 10, 10};
  for (std::uint64_t step = 0; step < 4; ++step) {
    data.assign(10000, 1.0F);
    warming.start(data, step).wait();
    const auto sent =
        static_cast<std::size_t>(std::count_if(data.begin(), data.end(), [](float v) { return v != 0.0F; }));
    EXPECT_EQ(sent, expected[step]) << step;
  }
}

TEST_F(Sparse, CallsOfManyRanksCanBeRehearsedByOne) {
  for (const char* codec : {"topk:exchange=slices", "topk:exchange=gather", "topk:reselect=on", "topk:density=0.5"}) {
    for (const std::size_t count : {5U, 3048U, 50000U}) {
      for (const int ranks : {1, 2, 3, 9, 64}) {
        std::vector<float> values(count);
        for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<float>(i % 97);
        std::vector<float> result(count);
        const Rehearsal rehearsal =
            rehearse(comm_, parts_of({count}), codec_settings(codec), {.ranks = ranks, .rounds = 0}, values, result);
        EXPECT_GT(rehearsal.payload_bytes, 0U) << codec << ", " << count << ", ranks " << ranks;
        if (std::string(codec) == "topk:exchange=slices") {
          EXPECT_GE(rehearsal.collectives.size(), 4U);
        }
      }
    }
  }
}

TEST_F(Sparse, SettingsThatCannotBeAreRefused) {
  EXPECT_THROW(make("topk:reselect=on,exchange=gather", {}, ReduceOp::sum), InvalidArgument);
  CodecSettings settings = codec_settings("dgc");
  settings.feedback = false;
  EXPECT_THROW(CompressedAllreduce(comm_, {}, settings, ReduceOp::sum), InvalidArgument);
  EXPECT_THROW(codec_settings("topk:density=0"), InvalidArgument);
  EXPECT_THROW(codec_settings("topk:density=1.5"), InvalidArgument);
  EXPECT_THROW(codec_settings("dgc:feedback=off"), InvalidArgument);
  EXPECT_EQ(to_text(codec_settings("topk:density=0.012345678")), "topk:density=0.012345678");
}

}  // namespace
}  // namespace tutti
