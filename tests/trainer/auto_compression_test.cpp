// exchange.compression = "auto": declines where ranks share a node, chooses a codec where the network is slow, and
// keeps to that in a run that is resumed.
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <tutti/trainer/exchange/bucket_size.hpp>
#include <tutti/trainer/run/auto_compression.hpp>

#include "tests/support/temporary_folder.hpp"
#include "tests/trainer/training_runs.hpp"

namespace tutti::trainer::test {

namespace {

const std::vector<ParameterInfo> kMatrices{
    {"a.weight", {300, 400}, 0}, {"a.bias", {300}, 0}, {"b.weight", {100, 300}, 0}, {"b.bias", {100}, 0}};

/// Every rank on a node of its own, at 1 MB/s.
CommunicatorOptions slow_network() {
  LevelCosts costs = {kSharedMemoryCosts, kTcpCosts};
  costs.network.byte = 1e-6;
  return {.timeout = std::chrono::seconds(60), .costs = costs, .ranks_per_node = 1, .shared_memory = false};
}

class AutoCompression : public TrainingTest {
 protected:
  ExchangeOptions options_{.compression = "auto"};
  const Communicator slow_{MPI_COMM_WORLD, slow_network()};
};

TEST_F(AutoCompression, DeclinesOnOneNode) {
  const CompressionChoice choice = choose_compression(world_, kMatrices, options_);
  EXPECT_EQ(choice.compression, "none") << choice.reason;
  EXPECT_EQ(choice.reason, "all ranks are on one node and use each other's memory");
}

TEST_F(AutoCompression, ChoosesACodecForASlowNetwork) {
  const CompressionChoice choice = choose_compression(slow_, kMatrices, options_);
  EXPECT_NE(choice.compression, "none") << choice.reason;
  EXPECT_EQ(choice.compression, broadcast_text(world_, choice.compression));
  EXPECT_LE(normal_error(slow_, codec_settings(choice.compression), 3), options_.auto_error);
  // With bf16 half as many bytes travel, and at 1 MB/s there is nothing else.
  const auto half = predict_exchanges(slow_, kMatrices, options_, std::vector{codec_settings("bf16")}, shape_of(slow_));
  ASSERT_EQ(half.size(), 2U);
  EXPECT_NEAR(half[1].network_seconds / half[0].network_seconds, 0.5, 0.02);
  EXPECT_EQ(half[0].codec_seconds, 0.0);
  EXPECT_GT(half[1].codec_seconds, 0.0);
  const auto bytes = [&](std::size_t i) { return static_cast<double>(half[i].payload_bytes()); };
  EXPECT_NEAR(bytes(1) / bytes(0), 0.5, 0.01);  // and what fills the last block
}

TEST_F(AutoCompression, KeepsTheStatedError) {
  options_.auto_error = 0.0;
  const CompressionChoice choice = choose_compression(slow_, kMatrices, options_);
  EXPECT_EQ(choice.compression, "none");
  EXPECT_EQ(choice.reason, "no codec has a relative squared error of at most 0");
}

TEST_F(AutoCompression, CallsAreThoseOfAStep) {
  const ClusterShape cluster = shape_of(slow_);
  options_.bucket_bytes = 400000;
  const auto calls = exchange_calls(kMatrices, options_, "bf16", cluster);
  std::size_t elements = 0;
  for (const ExchangeCall& call : calls) elements += call.count();
  EXPECT_EQ(elements, 120000U + 300 + 30000 + 100);
  options_.rules = {{.match = "*.bias", .compression = "none"}};
  bool has_plain = false;
  for (const ExchangeCall& call : exchange_calls(kMatrices, options_, "bf16", cluster))
    has_plain = has_plain || call.settings.codec == "none";
  EXPECT_TRUE(has_plain);
}

TEST_F(AutoCompression, ARunKeepsToWhatItsFirstSessionChose) {
  Config chosen = config("mlp", "auto");
  chosen.model.hidden = 100;
  chosen.exchange.compression = "auto";
  chosen.train.max_steps = 2;
  train(slow_, chosen);
  const auto text_of = [&](const char* file) {
    return broadcast_text(world_, world_.rank() == 0 ? tutti::test::read_file(path() / "auto" / file) : "");
  };
  const auto first = nlohmann::json::parse(text_of("result.json"));
  const std::string codec = first.at("compression");
  EXPECT_NE(codec, "none");
  EXPECT_TRUE(first.at("compression_reason").is_string());
  EXPECT_EQ(parse_config(text_of("config.toml"), "config").exchange.compression, codec);
  // On one node it would be none.
  chosen.train.max_steps = 4;
  train(world_, chosen, {.resume = true});
  const auto second = nlohmann::json::parse(text_of("result.json"));
  EXPECT_EQ(second.at("steps"), 4);
  EXPECT_EQ(second.at("compression"), codec);
  EXPECT_EQ(second.at("compression_reason"), "chosen when the run began");
}

}  // namespace

}  // namespace tutti::trainer::test
