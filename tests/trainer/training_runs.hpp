// Training runs on small data for the tests: three ranks, of which the first P train together.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <tutti/collectives/collectives.hpp>
#include <tutti/trainer/run/agreed_error.hpp>
#include <tutti/trainer/run/training.hpp>

#include "tests/trainer/support.hpp"

namespace tutti::trainer::test {

struct Outcome {
  TrainingResult result;
  std::vector<double> losses;                   // by step
  std::vector<std::vector<std::uint64_t>> ids;  // this rank's, by step
};

class TrainingTest : public testing::Test {
 protected:
  static constexpr std::uint64_t kSamples = 101;  // prime: no batch size, number of ranks or of shards divides it

  void SetUp() override {
    if (world_.rank() == 0) {
      folder_.emplace();
      write_bars(path() / "train", kSamples, 3);
      write_bars(path() / "test", 37, 2);
    }
    const std::string name = broadcast_text(world_, folder_ ? folder_->path().string() : "");
    root_ = name;
  }
  void TearDown() override { barrier(world_); }

  const fs::path& path() const { return folder_ ? folder_->path() : root_; }

  Config config(const std::string& model, const std::string& run) const {
    Config config;
    config.data.train = (path() / "train").string();
    config.data.test = (path() / "test").string();
    config.data.mean = {0.3};
    config.data.std = {0.25};
    config.model = {.name = model, .hidden = 10, .channels = 4, .stride = 1, .dtype = "f32"};
    config.train.epochs = 2;
    config.train.batch_size = 13;
    config.train.threads = 1;
    config.train.timeout_s = 60;
    config.optimizer = {.learning_rate = 0.05, .momentum = 0.9, .nesterov = true, .weight_decay = 1e-4};
    config.exchange.bucket_bytes = 512;
    config.run.dir = (path() / run).string();
    config.run.progress = "none";
    return config;
  }

  /// Trains with the first `ranks` ranks; the others get nothing.
  std::optional<Outcome> run(int ranks, const Config& config, bool resume = false) const {
    const auto part = world_.split(world_.rank() < ranks ? 0 : -1);
    if (!part) return std::nullopt;
    Outcome outcome;
    outcome.result = train(*part, config, {.resume = resume, .on_step = [&](const StepReport& step) {
                                             outcome.losses.push_back(step.loss);
                                             outcome.ids.emplace_back(step.ids.begin(), step.ids.end());
                                           }});
    return outcome;
  }

  /// What train() says, on all three ranks, which must be the same everywhere.
  std::string agreed_error(const Config& config, bool resume = false) const {
    std::string message;
    try {
      run(3, config, resume);
      ADD_FAILURE() << "no error";
    } catch (const AgreedError& error) {
      message = error.what();
    }
    EXPECT_EQ(message, broadcast_text(world_, message));
    EXPECT_EQ(message.find('\n'), std::string::npos) << "not one line: " << message;
    return message;
  }

  std::vector<std::uint64_t> logged_steps(const std::string& run) const {
    std::vector<std::uint64_t> steps;
    std::ifstream in(path() / run / "metrics.jsonl");
    for (std::string line; std::getline(in, line);) {
      const auto record = nlohmann::json::parse(line);
      if (record.at("kind") == "step") steps.push_back(record.at("step"));
    }
    return steps;
  }

  const Communicator world_{MPI_COMM_WORLD, {.timeout = std::chrono::seconds(60)}};
  std::optional<TemporaryFolder> folder_;
  fs::path root_;
};

}  // namespace tutti::trainer::test
