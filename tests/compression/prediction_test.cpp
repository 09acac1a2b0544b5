// What an exchange is predicted to take by each codec, and which is chosen.
#include <gtest/gtest.h>
#include <mpi.h>

#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include <tests/support/ranks/grid.hpp>
#include <tutti/allreduce/allreduce.hpp>
#include <tutti/compression/normal_values.hpp>
#include <tutti/compression/prediction.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti {
namespace {

constexpr std::size_t kCount = 1 << 16;

std::vector<ExchangeCall> one_matrix(const std::string& codec) {
  return {
      {.settings = codec_settings(codec), .parts = {{.count = kCount, .rows = 256}}, .in_one_piece = codec == "none"}};
}

PredictedExchange made_up(const std::string& codec, std::size_t bytes, double seconds) {
  return {.settings = codec_settings(codec),
          .calls = {{.collectives = {{.collective = Collective::allreduce, .bytes = bytes}},
                     .payload_bytes = bytes,
                     .seconds = seconds}},
          .codec_seconds = seconds};
}

TEST(Prediction, ChoosesTheFastestThatKeepsTheErrorAndPays) {
  std::vector<PredictedExchange> all(4);
  for (std::size_t i = 0; i < all.size(); ++i) all[i].settings = codec_settings(i % 2 == 0 ? "none" : "bf16");
  all[0].network_seconds = 1.0;
  all[1].network_seconds = 0.5;
  all[2].network_seconds = 0.2;
  all[3].network_seconds = 0.1;
  all[1].error = 1e-5;
  all[2].error = 1e-2;
  all[3].problem = "it cannot";
  EXPECT_EQ(best_exchange(all, 1e-3), 1U);
  EXPECT_EQ(best_exchange(all, 1e-1), 2U);
  EXPECT_EQ(best_exchange(all, 1e-6), 0U);
  all[1].codec_seconds = 0.41;  // less than a tenth faster
  EXPECT_EQ(best_exchange(all, 1e-3), 0U);
  all[1].codec_seconds = 0.39;
  EXPECT_EQ(best_exchange(all, 1e-3), 1U);
}

TEST(Prediction, OneRankExchangesNothing) {
  ClusterPrices prices({.ranks = 1});
  EXPECT_EQ(prices.seconds({.collective = Collective::allreduce, .bytes = kCount}), 0.0);
}

TEST(Prediction, PricesFollowTheNetworkBetweenNodes) {
  const auto seconds = [](int ranks, int nodes, double byte) {
    LevelCosts costs = {kSharedMemoryCosts, kTcpCosts};
    costs.network.byte = byte;
    ClusterPrices prices({.ranks = ranks, .nodes = nodes, .costs = costs});
    return prices.seconds({.collective = Collective::allreduce, .bytes = 1 << 22});
  };
  EXPECT_GT(seconds(4, 4, 1e-6), 50 * seconds(4, 4, 1e-9));
  EXPECT_EQ(seconds(4, 1, 1e-6), seconds(4, 1, 1e-9));
  // 2 (P-1)/P of the bytes at 1 MB/s, and little else.
  EXPECT_NEAR(seconds(4, 4, 1e-6), 1.5 * 4.194304, 0.3);
  EXPECT_GT(seconds(8, 4, 1e-6), 1.4 * 4.194304);
}

TEST(Prediction, FewerBytesPayBelowABandwidth) {
  // Halving n bytes saves 2 (P-1)/P n/2 of the link: at the bandwidth where that takes the codec's time it is equal.
  const ClusterShape cluster = {.ranks = 4, .nodes = 4, .costs = {kSharedMemoryCosts, kTcpCosts}};
  constexpr std::size_t kBytes = std::size_t{64} << 20;
  const PredictedExchange plain = made_up("none", kBytes, 0.0);
  const double bandwidth = crossover_bandwidth(cluster, made_up("bf16", kBytes / 2, 0.3), plain);
  const double saved = 0.75 * kBytes;  // bytes of the busiest link
  // What is reduced is less by half, too.
  EXPECT_NEAR(bandwidth, saved / 0.3, 0.3 * saved / 0.3);
  EXPECT_GT(crossover_bandwidth(cluster, made_up("bf16", kBytes / 2, 0.03), plain), 5 * bandwidth);
  EXPECT_EQ(crossover_bandwidth(cluster, made_up("bf16", kBytes * 2, 0.0), plain), 0.0);
  EXPECT_EQ(crossover_bandwidth(cluster, made_up("bf16", kBytes / 2, 0.0), plain),
            std::numeric_limits<double>::infinity());
}

TEST(Prediction, ABandwidthIsMeasuredAlike) {
  const Communicator comm(MPI_COMM_WORLD);
  if (comm.size() == 1) return;
  const ClusterShape cluster = {.ranks = comm.size(), .nodes = comm.size(), .costs = {kSharedMemoryCosts, kTcpCosts}};
  const ClusterShape fitted = with_measured_bandwidth(comm, cluster);
  EXPECT_EQ(fitted.costs.node.byte, cluster.costs.node.byte);
  EXPECT_GT(fitted.costs.network.byte, 1e-13);
  EXPECT_LT(fitted.costs.network.byte, 1e-4);
  std::vector<double> bytes = {fitted.costs.network.byte, -fitted.costs.network.byte};
  allreduce(comm, std::span(bytes), ReduceOp::max);
  EXPECT_EQ(bytes[0], -bytes[1]);
}

TEST(Prediction, CallsBeyondWhatIsMeasuredAreScaled) {
  const Communicator comm(MPI_COMM_SELF);
  const std::size_t count = std::size_t{3} << 20;
  std::vector<ExchangeCall> calls;
  for (const std::size_t n : {count, count, count / 2})
    calls.push_back({.settings = codec_settings("bf16"), .parts = {{.offset = 64, .count = n}}});
  const auto measured = measure_calls(comm, calls, {.ranks = 4, .nodes = 4});
  ASSERT_EQ(measured.size(), 3U);
  EXPECT_EQ(measured[0].payload_bytes, 2 * count);
  EXPECT_EQ(measured[1].payload_bytes, 2 * count);
  EXPECT_EQ(measured[2].payload_bytes, count);
  ASSERT_EQ(measured[2].collectives.size(), 2U);
  EXPECT_EQ(measured[2].collectives[0].bytes, count);
  EXPECT_EQ(measured[1].seconds, measured[0].seconds);
  EXPECT_NEAR(measured[2].seconds, measured[0].seconds / 2, 1e-12);
}

/// Whatever is in the table: it has an error on normally distributed values, and can be priced.
TEST(Prediction, EveryCodecOrAReason) {
  const Communicator comm(MPI_COMM_SELF);
  ClusterPrices prices({.ranks = 4, .nodes = 4, .costs = {kSharedMemoryCosts, kTcpCosts}});
  for (const CodecSettings& settings : default_settings()) {
    const std::string name = to_text(settings);
    try {
      EXPECT_TRUE(std::isfinite(normal_error(comm, settings, 4))) << name;
      const auto calls = measure_calls(comm, one_matrix(name), {.ranks = 4, .nodes = 4});
      EXPECT_GT(prices.seconds(calls), 0.0) << name;
      if (name == "none") {
        EXPECT_EQ(calls.front().seconds, 0.0);
        EXPECT_EQ(calls.front().payload_bytes, kCount * sizeof(float));
      } else {
        EXPECT_GT(calls.front().seconds, 0.0) << name;
      }
    } catch (const InvalidArgument& reason) {
      EXPECT_NE(std::string(reason.what()), "") << name;
    }
  }
}

TEST(NormalValues, HaveMeanAndVariance) {
  const std::vector<float> values = normal_values(200000);
  double sum = 0.0;
  double squares = 0.0;
  for (const float value : values) {
    sum += static_cast<double>(value);
    squares += static_cast<double>(value) * static_cast<double>(value);
  }
  const auto n = static_cast<double>(values.size());
  EXPECT_NEAR(sum / n, 0.0, 0.02);  // five sigma of 65,537 draws
  EXPECT_NEAR(squares / n, 1.0, 0.03);
  EXPECT_EQ(normal_values(0).size(), 0U);
  EXPECT_EQ(normal_values(7), std::vector<float>(values.begin(), values.begin() + 7));
}

TEST(NormalValues, SquareRowsDivide) {
  EXPECT_EQ(square_rows(0), 0U);
  EXPECT_EQ(square_rows(1), 0U);
  EXPECT_EQ(square_rows(7), 0U);
  EXPECT_EQ(square_rows(12), 3U);
  EXPECT_EQ(square_rows(1 << 20), 1024U);
}

}  // namespace
}  // namespace tutti
