// A call on one rank as if it were one of many, against calls of as many ranks.
#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <vector>

#include <tests/support/ranks/grid.hpp>
#include <tutti/compression/codecs.hpp>
#include <tutti/compression/compressed_allreduce.hpp>
#include <tutti/compression/rehearsal.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/philox.hpp>

namespace tutti {
namespace {

constexpr std::uint64_t kSeed = 11;

std::vector<float> equal_contribution(std::size_t count) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<float>(random_uniform(kSeed, 0, i) - 0.5);
  return values;
}

std::vector<TensorPart> two_tensors() {
  return {{.count = 2048, .tensor = 0, .rows = 32}, {.offset = 2048, .count = 1000, .tensor = 1}};
}

/// What a rank gets of what it adds up itself, and what it sends, is what it gets and sends when all are there.
TEST(Rehearsal, IsACallOfAsManyRanks) {
  const Communicator comm(MPI_COMM_WORLD);
  const std::vector<float> values = equal_contribution(3048);
  for (const std::string codec : {"none", "bf16", "f16", "f16:feedback=on"}) {
    const CodecSettings settings = codec_settings(codec);
    CompressedAllreduce operation(comm, two_tensors(), settings, ReduceOp::sum);
    std::vector<float> made = values;
    operation.start(made, 0).wait();
    std::vector<float> result(values.size());
    const Rehearsal rehearsal =
        rehearse(comm, two_tensors(), settings, {.ranks = comm.size(), .rounds = 0}, values, result);
    EXPECT_EQ(rehearsal.payload_bytes, operation.payload_bytes()) << codec;
    const std::size_t own = values.size() / static_cast<std::size_t>(comm.size()) / 16 * 16 - 16;
    for (std::size_t i = values.size() - own; i < values.size(); ++i)
      ASSERT_EQ(result[i], made[i]) << codec << " at " << i;
    ASSERT_EQ(rehearsal.facts.size(), 2U);
    for (std::size_t p = 0; p < 2; ++p) {
      EXPECT_EQ(rehearsal.facts[p].values, operation.facts()[p].values) << codec;
      EXPECT_EQ(rehearsal.facts[p].error, operation.facts()[p].error) << codec;
    }
  }
}

TEST(Rehearsal, TellsCollectivesAndTheirBytes) {
  const Communicator comm(MPI_COMM_WORLD);
  const std::vector<float> values = equal_contribution(3048);
  std::vector<float> result(values.size());
  const Rehearsal plain = rehearse(comm, two_tensors(), codec_settings("none"), {.ranks = 7}, values, result);
  ASSERT_EQ(plain.collectives.size(), 1U);
  EXPECT_EQ(plain.collectives[0].collective, Collective::allreduce);
  EXPECT_EQ(plain.collectives[0].bytes, 3048 * sizeof(float));
  for (std::size_t i = 0; i < values.size(); ++i) EXPECT_NEAR(result[i], 7 * values[i], 1e-6);
  const Rehearsal bf16 = rehearse(comm, two_tensors(), codec_settings("bf16"), {.ranks = 7}, values, result);
  ASSERT_EQ(bf16.collectives.size(), 2U);
  EXPECT_EQ(bf16.collectives[0].collective, Collective::all_to_all);
  EXPECT_EQ(bf16.collectives[1].collective, Collective::all_gather);
  // 191 blocks of 16 values in 7 slices: the longest has 28 blocks.
  EXPECT_EQ(bf16.collectives[0].bytes, 7U * 28 * 16 * 2);
  EXPECT_EQ(bf16.collectives[1].bytes, 7U * 28 * 16 * 2);
  EXPECT_GT(bf16.seconds(), 0.0);
}

/// An error is of one encoding, though alone a rank encodes its sums again: what it then holds back is that of one.
TEST(Rehearsal, AnErrorIsOfOneEncoding) {
  const Communicator alone(MPI_COMM_SELF);
  const std::vector<float> values = equal_contribution(3048);
  for (const std::string codec : {"bf16", "block4:rounding=stochastic", "sign"}) {
    CodecSettings settings = codec_settings(codec);
    std::vector<float> scratch(values.size());
    settings.feedback = false;
    const EncodingError found = encoding_error(alone, two_tensors(), settings, 1, values, scratch);
    settings.feedback = true;
    CompressedAllreduce operation(alone, two_tensors(), settings, ReduceOp::sum);
    std::vector<float> data = values;
    operation.start(data, 0).wait();
    double error = 0.0;
    for (const CompressionFacts& facts : operation.facts()) error += facts.error;
    EXPECT_GT(error, 0.0) << codec;
    EXPECT_EQ(found.error, error) << codec;
  }
}

/// Of every codec there is: a call can be rehearsed on many ranks, or there is a reason.
TEST(Rehearsal, EveryCodecHasAnErrorOrAReason) {
  const Communicator comm(MPI_COMM_WORLD);
  const std::vector<float> values = equal_contribution(3048);
  std::vector<float> scratch(values.size());
  for (const Codec* codec : codecs()) {
    for (const int ranks : {1, 2, 9, 300}) {
      try {
        const EncodingError error =
            encoding_error(comm, two_tensors(), codec_settings(codec->name), ranks, values, scratch);
        ASSERT_TRUE(error.relative().has_value()) << codec->name << " on " << ranks;
        EXPECT_GE(*error.relative(), 0.0);
        if (codec->name == "none") {
          EXPECT_EQ(*error.relative(), 0.0);
        }
        if (codec->name == "bf16") {
          EXPECT_GT(*error.relative(), 0x1p-20);
          EXPECT_LT(*error.relative(), 0x1p-16);  // of each value at most 2^-8
        }
      } catch (const InvalidArgument& reason) {
        EXPECT_NE(std::string(reason.what()), "");
      }
    }
  }
}

}  // namespace
}  // namespace tutti
