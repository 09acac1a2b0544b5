// Codecs, and the allreduce that sends encoded values: error bounds, equal bits, exactness where the codec is exact,
// operations in flight, errors.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <tests/support/ranks/grid.hpp>
#include <tutti/collectives/collectives.hpp>
#include <tutti/compression/block/block_codec.hpp>
#include <tutti/compression/codecs.hpp>
#include <tutti/compression/compressed_allreduce.hpp>
#include <tutti/compression/reduction.hpp>
#include <tutti/kernels/philox.hpp>

namespace tutti {
namespace {

constexpr std::uint64_t kSeed = 5;

struct Precision {
  std::string_view codec;
  double unit;      ///< half the distance from 1 to the next number: significands have 8 bits in bf16 and 11 in f16
  double smallest;  ///< smallest normal number
};
constexpr Precision kPrecisions[] = {{"bf16", 0x1p-8, 0x1p-126}, {"f16", 0x1p-11, 0x1p-14}};

/// Rounding to nearest errs by half the spacing, which from 2^e on is 2^e times that at 1: at most unit * |value|.
/// Below the smallest normal number the spacing stays what it is there.
double rounding_bound(const Precision& p, double value) { return p.unit * std::max(std::abs(value), p.smallest); }

float random_value(std::uint64_t stream, std::size_t i) {
  return static_cast<float>(std::ldexp(random_uniform(kSeed, stream, i) - 0.5, static_cast<int>(i % 13) - 6));
}

class CodecOf : public testing::TestWithParam<Precision> {
 protected:
  CodecSettings settings_ = codec_settings(GetParam().codec);
  std::unique_ptr<const detail::BlockCodec> codec_ = detail::make_block_codec(settings_);

  std::vector<float> through(const std::vector<float>& values) const {
    std::vector<std::byte> encoded(codec_->encoded_bytes(values.size()), std::byte{0xFF});
    codec_->encode(values, {}, {}, encoded);
    std::vector<float> decoded(values.size(), -1.0F);
    codec_->decode(encoded, decoded);
    return decoded;
  }
};

TEST_P(CodecOf, RoundsWithinItsPrecision) {
  EXPECT_EQ(codec_->encoded_bytes(0), 0U);
  for (const std::size_t count : {0, 1, 2, 7, 64, 1001}) {
    std::vector<float> values(count);
    for (std::size_t i = 0; i < count; ++i) values[i] = random_value(0, i);
    const std::vector<float> decoded = through(values);
    for (std::size_t i = 0; i < count; ++i) {
      EXPECT_NEAR(decoded[i], values[i], rounding_bound(GetParam(), static_cast<double>(values[i]))) << i;
    }
    EXPECT_EQ(through(decoded), decoded);  // what has been rounded stays
  }
}

TEST_P(CodecOf, KeepsSpecialValues) {
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> exact = {0.0F, 1.0F, -2.0F, 0.5F, 255.0F, infinity, -infinity};
  EXPECT_EQ(through(exact), exact);
  EXPECT_TRUE(std::signbit(through({-0.0F})[0]));
  EXPECT_TRUE(std::isnan(through({std::nanf("")})[0]));
  EXPECT_EQ(through({std::numeric_limits<float>::max()})[0], infinity);
}

std::vector<float> contribution(int rank, std::size_t count) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = random_value(static_cast<std::uint64_t>(rank), i);
  return values;
}

/// With contributions x_r and unit error e(x) of one rounding: the decoded contributions err by sum e(x_r), the P-1
/// additions in f32 by (P-1) 2^-24 sum|x_r|, the encoded sum by e(sum) more. The errors of errors are covered by the
/// factor 1.01.
TEST_P(CodecOf, AllreduceErrsByTwoRoundings) {
  const Communicator comm(MPI_COMM_WORLD, test::patient());
  const auto size = static_cast<std::size_t>(comm.size());
  for (const std::size_t count :
       {std::size_t{0}, std::size_t{1}, size - 1, size, size + 1, std::size_t{1037}, std::size_t{70001}}) {
    for (const ReduceOp op : {ReduceOp::sum, ReduceOp::avg}) {
      std::vector<float> data = contribution(comm.rank(), count);
      icompressed_allreduce(comm, data, op, settings_).wait();
      std::vector<double> sum(count);
      std::vector<double> bound(count);
      for (int r = 0; r < comm.size(); ++r) {
        const std::vector<float> values = contribution(r, count);
        for (std::size_t i = 0; i < count; ++i) {
          const auto value = static_cast<double>(values[i]);
          sum[i] += value;
          bound[i] += rounding_bound(GetParam(), value) + (comm.size() - 1) * 0x1p-24 * std::abs(value);
        }
      }
      const double divisor = op == ReduceOp::avg ? comm.size() : 1;
      for (std::size_t i = 0; i < count; ++i) {
        const double result = sum[i] / divisor;
        const double allowed = 1.01 * (bound[i] / divisor + rounding_bound(GetParam(), result));
        ASSERT_NEAR(static_cast<double>(data[i]), result, allowed)
            << name(op) << " [" << i << "] of " << count << ", seed " << kSeed;
      }
      // Every rank holds the same bits.
      std::vector<float> of_root = data;
      broadcast(comm, std::span(of_root), comm.size() - 1);
      EXPECT_TRUE(count == 0 || std::memcmp(of_root.data(), data.data(), count * sizeof(float)) == 0);
    }
  }
}

TEST_P(CodecOf, AllreduceOfSmallIntegersIsExact) {
  const Communicator comm(MPI_COMM_WORLD, test::patient());
  for (const std::size_t count : {1, 5, 1031}) {
    test::Guarded data(DType::f32, count, 4);
    data.set(0, test::contributions(DType::f32, ReduceOp::sum, comm.rank(), 0, count));
    const std::span<float> values(static_cast<float*>(data.buffer().data), count);
    Request operation = icompressed_allreduce(comm, values, ReduceOp::sum, settings_);
    while (!operation.test()) {
    }
    EXPECT_EQ(data.compare("data", 0, test::reductions(DType::f32, ReduceOp::sum, comm.size(), 0, count)) +
                  data.compare_guards("data"),
              "");
  }
}

/// Compressed and plain ones in flight together, waited for in an order of its own on each rank: the second half of a
/// compressed one must begin while its rank waits for another.
// Of many sizes, so that their stages become complete, and the next ones begin, in another order on each rank.
TEST_P(CodecOf, OperationsInFlightAreWaitedForInAnyOrder) {
  const Communicator comm(MPI_COMM_WORLD, test::patient());
  const auto count_of = [](std::size_t i) { return i % 2 == 0 ? 20011 + i : 97 * i; };
  std::vector<std::vector<float>> data(12);
  std::vector<Request> operations;
  for (std::size_t i = 0; i < data.size(); ++i) {
    data[i].assign(count_of(i), static_cast<float>(comm.rank() + 1));
    operations.push_back(i % 3 == 1 ? iallreduce(comm, std::span(data[i]), ReduceOp::sum)
                                    : icompressed_allreduce(comm, data[i], ReduceOp::sum, settings_));
    if (i % static_cast<std::size_t>(comm.rank() + 2) == 0) operations[i / 2].test();
  }
  for (std::size_t i = 0; i < operations.size(); ++i) {
    const std::size_t turned = (i + static_cast<std::size_t>(comm.rank())) % operations.size();
    operations[comm.rank() % 2 == 0 ? turned : operations.size() - 1 - turned].wait();
  }
  const int ranks_sum = comm.size() * (comm.size() + 1) / 2;
  const auto sum = static_cast<float>(ranks_sum);
  for (std::size_t i = 0; i < data.size(); ++i) EXPECT_EQ(data[i], std::vector<float>(count_of(i), sum)) << i;
}

INSTANTIATE_TEST_SUITE_P(Codecs, CodecOf, testing::ValuesIn(kPrecisions),
                         [](const auto& row) { return std::string(row.param.codec); });

template <class E>
std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const E& error) {
    return error.what();
  }
  return "nothing thrown";
}

testing::AssertionResult contains(const std::string& message, const std::string& part) {
  if (message.find(part) != std::string::npos) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "'" << message << "' does not say '" << part << "'";
}

TEST(Errors, OfUnknownCodecsNameTheKnown) {
  EXPECT_TRUE(
      contains(message_of<InvalidArgument>([] { codec_settings("zip"); }), "unknown codec 'zip'; known are none, "));
}

TEST(Errors, OfWrongArgumentsLeaveTheCommunicatorUsable) {
  const Communicator comm(MPI_COMM_WORLD, test::patient());
  std::vector<float> data(10, 1.0F);
  const auto wrong = [&](std::span<float> values, ReduceOp op, const CodecSettings& codec) {
    return message_of<InvalidArgument>([&] { icompressed_allreduce(comm, values, op, codec).wait(); });
  };
  for (int turn = 0; turn < 20; ++turn) {
    EXPECT_TRUE(contains(wrong(data, ReduceOp::sum, codec_settings("f16:feedback=on")), "feedback"));
    EXPECT_TRUE(contains(wrong(data, ReduceOp::max, codec_settings("f16")), "max"));
    EXPECT_TRUE(contains(wrong({static_cast<float*>(nullptr), 3}, ReduceOp::sum, codec_settings("f16")), "null"));
    std::vector<float> ones(100, 1.0F);
    icompressed_allreduce(comm, ones, ReduceOp::avg, codec_settings("bf16")).wait();
    EXPECT_EQ(ones, std::vector<float>(100, 1.0F));
  }
}

/// Memory that outlives the test: after a failure MPI may still read and write it.
std::span<float> lasting(std::size_t count) {
  static std::vector<std::unique_ptr<std::vector<float>>> kept;
  return *kept.emplace_back(std::make_unique<std::vector<float>>(count));
}

/// Differences that the bytes on the wire do not show: codecs of one size, sum or average, counts that round up to the
/// same slices.
TEST(Errors, OfCallsThatDifferReachEveryRank) {
  const auto f16 = codec_settings("f16");
  const auto bf16 = codec_settings("bf16");
  struct Half {
    std::size_t count;
    ReduceOp op;
    CodecSettings codec;
  };
  const std::pair<Half, Half> differences[] = {{{1000, ReduceOp::sum, f16}, {1000, ReduceOp::sum, bf16}},
                                               {{1000, ReduceOp::sum, f16}, {1000, ReduceOp::avg, f16}},
                                               {{999, ReduceOp::sum, f16}, {1000, ReduceOp::sum, f16}},
                                               {{50, ReduceOp::sum, f16}, {100000, ReduceOp::sum, f16}}};
  for (const auto& [one, other] : differences) {
    const Communicator comm(MPI_COMM_WORLD, {.timeout = std::chrono::seconds(20)});
    if (comm.size() == 1) GTEST_SKIP() << "needs a peer";
    const Half& own = comm.rank() == comm.size() - 1 ? other : one;
    const std::string message = message_of<CommunicationError>(
        [&] { icompressed_allreduce(comm, lasting(own.count), own.op, own.codec).wait(); });
    EXPECT_TRUE(contains(message, "differ"));
    EXPECT_TRUE(comm.unusable());
  }
}

TEST(Errors, OfRanksThatAreMissingOrGiveUpReachEveryRank) {
  for (const bool gives_up : {false, true}) {
    const Communicator comm(MPI_COMM_WORLD, {.timeout = std::chrono::duration<double>(gives_up ? 20.0 : 0.5)});
    if (comm.size() == 1) GTEST_SKIP() << "needs a peer";
    const std::span<float> data = lasting(100000);
    std::string message = gives_up ? "given up" : "no progress";
    if (comm.rank() != 0) {
      message = message_of<CommunicationError>(
          [&] { icompressed_allreduce(comm, data, ReduceOp::sum, codec_settings("f16")).wait(); });
    } else if (gives_up) {
      const Request operation = icompressed_allreduce(comm, data, ReduceOp::sum, codec_settings("f16"));
    } else {
      std::this_thread::sleep_for(std::chrono::seconds(1));
      // What the others sent before they failed arrives now, in memory that has to be there still.
      message_of<CommunicationError>(
          [&] { icompressed_allreduce(comm, data, ReduceOp::sum, codec_settings("f16")).wait(); });
    }
    EXPECT_TRUE(contains(message, gives_up ? "given up" : "no progress"));
    EXPECT_NE(message_of<CommunicationError>([&] { barrier(comm); }), "nothing thrown");
    MPI_Barrier(MPI_COMM_WORLD);
  }
}

}  // namespace
}  // namespace tutti
