// Every kind of model through the step loop: two ranks make the steps of one, whatever the model, the loss and what is
// to be told. Without data sets and without libtorch.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <tutti/collectives/communicator.hpp>
#include <tutti/kernels/philox.hpp>
#include <tutti/trainer/config/config.hpp>
#include <tutti/trainer/memory/parameters.hpp>
#include <tutti/trainer/run/replicas.hpp>
#include <tutti/trainer/run/step_loop.hpp>

namespace tutti::trainer::test {

namespace {

constexpr std::uint64_t kFamilyBatch = 5;
constexpr std::uint64_t kFamilySteps = 4;

struct Family {
  const char* name;
  ModelOptions options;
  std::vector<std::size_t> input;
  std::size_t outputs;
};

const Family kFamilies[] = {
    {"softmax", {.name = "softmax"}, {7}, 3},
    {"mlp", {.name = "mlp", .hidden = 6, .depth = 3, .dropout = 0.3}, {7}, 3},
    {"mlp_smoothed", {.name = "mlp", .hidden = 6, .label_smoothing = 0.2}, {7}, 3},
    {"mlp_of_numbers", {.name = "mlp", .hidden = 6, .loss = "huber", .huber_delta = 0.5}, {7}, 3},
    {"convnet", {.name = "convnet", .hidden = 5, .channels = 2, .dropout = 0.5}, {1, 8, 8}, 3},
    {"lenet5", {.name = "lenet5"}, {1, 12, 12}, 3},
    {"linear", {.name = "linear"}, {7}, 2},
    {"logistic", {.name = "logistic"}, {7}, 2},
    {"gpt", {.name = "gpt", .dropout = 0.1, .layers = 2, .heads = 2, .width = 8}, {9}, 256},
};

/// Normalised by the statistics of a batch, which ranks do not share.
const Family kNormalised[] = {
    {"mlp_normalised", {.name = "mlp", .hidden = 6, .batch_norm = true}, {7}, 3},
};

/// This rank's part of a batch.
struct FamilyPart {
  std::vector<float> inputs;
  std::vector<std::uint8_t> bytes;
  std::vector<float> targets;
  std::vector<std::int64_t> labels;
  std::vector<std::uint64_t> ids;
  Samples samples;

  FamilyPart(const Family& family, std::uint64_t step, int rank, int ranks) {
    std::size_t elements = 1;
    for (const std::size_t extent : family.input) elements *= extent;
    const TargetKind kind = target_kind(family.options);
    const bool yes_or_no = loss_name(family.options) == "bce";
    for (std::uint64_t i = 0; i < kFamilyBatch; ++i) {
      if (static_cast<int>(i * static_cast<std::uint64_t>(ranks) / kFamilyBatch) != rank) continue;
      const std::uint64_t id = step * kFamilyBatch + i;
      ids.push_back(id);
      for (std::size_t e = 0; e < elements; ++e) {
        const double value = random_uniform(3, id, e);
        inputs.push_back(static_cast<float>(value));
        bytes.push_back(static_cast<std::uint8_t>(value * 256.0));
      }
      labels.push_back(static_cast<std::int64_t>(id % family.outputs));
      for (std::size_t o = 0; o < family.outputs; ++o) {
        const double value = random_uniform(4, id, o);
        targets.push_back(static_cast<float>(yes_or_no ? value : 4.0 * value - 2.0));
      }
    }
    samples.inputs = kind == TargetKind::next_byte ? ConstBuffer(std::span(bytes)) : ConstBuffer(std::span(inputs));
    samples.ids = ids;
    samples.draw = step;
    if (kind == TargetKind::labels) samples.labels = labels;
    if (kind == TargetKind::numbers) samples.targets = ConstBuffer(std::span(targets));
  }
};

class ModelSteps : public testing::TestWithParam<Family> {
 protected:
  ModelSteps() {
    set_arithmetic_threads(1);
    config_.model = GetParam().options;
    config_.model.dtype = "f64";
    config_.data.scale = 1.0;
    config_.optimizer.learning_rate = 0.05;
    config_.train.batch_size = kFamilyBatch;
    config_.exchange.bucket_bytes = 1000;
  }

  void make(const Communicator& comm) {
    const TargetKind kind = target_kind(config_.model);
    TaskShape task{.input = GetParam().input};
    (kind == TargetKind::numbers ? task.numbers : task.classes) = GetParam().outputs;
    loop_ = std::make_unique<StepLoop>(comm, config_, task);
    for (std::size_t i = 0; i < loop_->parameters().size(); ++i)
      initialise(loop_->parameters()[i], i, 1, loop_->buckets().parameter(i));
  }

  double step(const Communicator& comm, std::uint64_t number) {
    const FamilyPart part(GetParam(), number, comm.rank(), comm.size());
    return loop_->train_step({.step = number, .samples = part.samples, .ids = part.ids, .global_samples = kFamilyBatch})
        .loss;
  }

  std::vector<double> parameters() const {
    std::vector<double> all;
    for (std::size_t i = 0; i < loop_->parameters().size(); ++i) {
      const Buffer parameter = loop_->buckets().parameter(i);
      const auto* values = static_cast<const double*>(parameter.data);
      all.insert(all.end(), values, values + parameter.count);
    }
    return all;
  }

  std::vector<double> buffers() const {
    std::vector<double> all;
    for (const NamedBuffer& buffer : loop_->network().buffers()) {
      const auto* values = static_cast<const double*>(buffer.values.data);
      all.insert(all.end(), values, values + buffer.values.count);
    }
    return all;
  }

  const Communicator world_{MPI_COMM_WORLD, {.timeout = std::chrono::seconds(30)}};
  Config config_;
  std::unique_ptr<StepLoop> loop_;
};

class IndependentSteps : public ModelSteps {};
class NormalisedSteps : public ModelSteps {};

TEST_P(IndependentSteps, TwoRanksMakeTheStepsOfOne) {
  std::vector<double> losses;
  std::vector<double> expected;
  {
    const auto alone = world_.split(world_.rank());
    make(*alone);
    for (std::uint64_t s = 0; s < kFamilySteps; ++s) losses.push_back(step(*alone, s));
    expected = parameters();
    loop_.reset();
  }
  make(world_);
  for (std::uint64_t s = 0; s < kFamilySteps; ++s) EXPECT_NEAR(step(world_, s), losses[s], 1e-9) << "step " << s;
  const std::vector<double> together = parameters();
  ASSERT_EQ(together.size(), expected.size());
  for (std::size_t i = 0; i < together.size(); ++i) ASSERT_NEAR(together[i], expected[i], 1e-9) << i;
}

TEST_P(ModelSteps, EvaluationChangesNothing) {
  make(world_);
  step(world_, 0);
  const std::vector<double> before = parameters();
  const std::vector<double> statistics = buffers();
  const FamilyPart part(GetParam(), 1, 0, 1);
  const Score first = loop_->network().evaluate(part.samples).score;
  const Score second = loop_->network().evaluate(part.samples).score;
  EXPECT_EQ(first.loss, second.loss) << "there is no dropout in an evaluation";
  EXPECT_EQ(first.samples, kFamilyBatch);
  EXPECT_EQ(first.of_classes(), loss_name(config_.model) != "mse" && loss_name(config_.model) != "huber");
  EXPECT_EQ(first.targets.size(), loop_->network().numbers());
  EXPECT_TRUE(std::isfinite(first.loss));
  EXPECT_EQ(parameters(), before);
  EXPECT_EQ(buffers(), statistics);
  EXPECT_EQ(statistics.empty(), !config_.model.batch_norm);
}

TEST_P(NormalisedSteps, StatisticsOfRank0AreShared) {
  make(world_);
  step(world_, 0);
  const std::vector<double> own = buffers();
  share_buffers(world_, loop_->network());
  EXPECT_EQ(own == buffers(), world_.rank() == 0) << "each rank sees other samples";
}

class StepsInBf16 : public ModelSteps {
 protected:
  StepsInBf16() { config_.model.dtype = "f32"; }

  struct Gradient {
    double loss;
    std::vector<std::vector<double>> of;  // each parameter
  };

  /// Of the first step, from the same parameters.
  Gradient gradient(const Communicator& comm, const char* compute) {
    config_.model.compute = compute;
    make(comm);
    Gradient gradient{.loss = step(comm, 0), .of = {}};
    for (std::size_t i = 0; i < loop_->parameters().size(); ++i) {
      const Buffer memory = loop_->buckets().gradient(i);
      const auto* values = static_cast<const float*>(memory.data);
      gradient.of.emplace_back(values, values + memory.count);
    }
    return gradient;
  }

  static double length_of(const std::vector<double>& values) {
    double squares = 0.0;
    for (const double value : values) squares += value * value;
    return std::sqrt(squares);
  }

  /// The difference of each parameter against its gradient's length, or a hundredth of the longest: before a
  /// normalisation the gradient of a bias is 0 but for the rounding.
  void expect_near(const Gradient& a, const Gradient& b, double tolerance) const {
    EXPECT_NEAR(a.loss, b.loss, tolerance * (1.0 + std::abs(b.loss)));
    double longest = 0.0;
    for (const auto& of : b.of) longest = std::max(longest, length_of(of));
    for (std::size_t i = 0; i < a.of.size(); ++i) {
      std::vector<double> difference = a.of[i];
      for (std::size_t j = 0; j < difference.size(); ++j) difference[j] -= b.of[i][j];
      EXPECT_LE(length_of(difference), tolerance * std::max(length_of(b.of[i]), 0.01 * longest))
          << loop_->parameters()[i].name;
    }
  }
};

TEST_P(StepsInBf16, GradientsAreThoseOfF32UpToTheRounding) {
  const Gradient exact = gradient(world_, "same");
  const Gradient rounded = gradient(world_, "bf16");
  expect_near(rounded, exact, 0.05);
  EXPECT_NE(rounded.of, exact.of) << "nothing was computed in bf16";
}

constexpr auto kNameOf = [](const auto& row) { return std::string(row.param.name); };
INSTANTIATE_TEST_SUITE_P(All, IndependentSteps, testing::ValuesIn(kFamilies), kNameOf);
INSTANTIATE_TEST_SUITE_P(Independent, ModelSteps, testing::ValuesIn(kFamilies), kNameOf);
INSTANTIATE_TEST_SUITE_P(Normalised, ModelSteps, testing::ValuesIn(kNormalised), kNameOf);
INSTANTIATE_TEST_SUITE_P(All, StepsInBf16, testing::ValuesIn(kFamilies), kNameOf);
INSTANTIATE_TEST_SUITE_P(Normalised, StepsInBf16, testing::ValuesIn(kNormalised), kNameOf);
INSTANTIATE_TEST_SUITE_P(All, NormalisedSteps, testing::ValuesIn(kNormalised), kNameOf);

// Where loss and gradient come from may differ; that training makes the loss small must not.
TEST(ByteModel, LearnsWhatCanBeLearnt) {
  const Communicator world(MPI_COMM_WORLD, {.timeout = std::chrono::seconds(30)});
  Config config;
  config.model.name = "gpt";
  config.model.layers = 1;
  config.model.heads = 2;
  config.model.width = 16;
  config.optimizer.learning_rate = 0.03;
  StepLoop loop(world, config, {.input = {9}, .classes = 256});
  for (std::size_t i = 0; i < loop.parameters().size(); ++i)
    initialise(loop.parameters()[i], i, 1, loop.buckets().parameter(i));
  const std::string text = "abcabcabcabcabcabcabcabcabc";  // three samples
  double loss = 0.0;
  for (std::uint64_t s = 0; s < 120; ++s)
    loss = loop.train_step({.step = s,
                            .samples = {.inputs = ConstBuffer(text.data(), text.size(), DType::u8), .labels = {}},
                            .global_samples = 6})
               .loss;
  EXPECT_LT(loss, 0.4);  // log 3 is what the frequencies of the bytes say
}

}  // namespace

}  // namespace tutti::trainer::test
