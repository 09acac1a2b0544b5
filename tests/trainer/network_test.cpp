// The model's side against libtorch's own: gradients that land in the buckets, and steps of SGD.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <mpi.h>
#include <torch/csrc/autograd/variable.h>
#include <torch/optim/sgd.h>

#include <tutti/kernels/error.hpp>
#include <tutti/trainer/exchange/exchange.hpp>
#include <tutti/trainer/models/model.hpp>
#include <tutti/trainer/network/network.hpp>
#include <tutti/trainer/optimizers/optimizer.hpp>
#include <tutti/trainer/run/update.hpp>

#include "tests/trainer/support.hpp"

namespace tutti::trainer::test {

namespace {

constexpr std::size_t kSamplesUsed = 11;

class NetworkTest : public testing::TestWithParam<const char*> {
 protected:
  NetworkTest() {
    set_arithmetic_threads(1);
    for (std::uint64_t id = 0; id < kSamplesUsed; ++id) {
      for (std::size_t pixel = 0; pixel < kPixels; ++pixel) images_.push_back(pixel_of(id, pixel));
      labels_.push_back(label_of(id));
    }
    network_.emplace(options_, InputScaling{.scale = 255.0, .mean = {0.3}, .std = {0.25}},
                     Task{.input = {1, 8, 8}, .classes = kClasses});
    buckets_.emplace(world_, plan_buckets(network_->parameters(), DType::f64, 800), DType::f64,
                     make_optimizer({})->slots());
    for (std::size_t i = 0; i < network_->parameters().size(); ++i)
      initialise(network_->parameters()[i], i, 3, buckets_->parameter(i));
  }

  Samples samples() const { return {.inputs = ConstBuffer(std::span(images_)), .labels = labels_}; }

  static const double* values(Buffer buffer) { return static_cast<const double*>(buffer.data); }

  /// The same model as a plain libtorch program would hold it: tensors of its own.
  std::vector<at::Tensor> own_parameters() const {
    std::vector<at::Tensor> parameters;
    for (std::size_t i = 0; i < network_->parameters().size(); ++i) {
      const auto& shape = network_->parameters()[i].shape;
      parameters.push_back(
          at::from_blob(buckets_->parameter(i).data, shape, at::kDouble).clone().set_requires_grad(true));
    }
    return parameters;
  }

  at::Tensor output_of(const at::Tensor& input, const std::vector<at::Tensor>& parameters) const {
    return plan_model({.input = {1, 8, 8}, .outputs = kClasses}, options_).forward(input, {.parameters = parameters});
  }

  at::Tensor own_loss(const std::vector<at::Tensor>& parameters) {
    const auto n = static_cast<std::int64_t>(kSamplesUsed);
    at::Tensor input = at::from_blob(images_.data(), {n, 1, 8, 8}, at::kByte).to(at::kDouble);
    input = (input / 255.0 - 0.3) / 0.25;
    const at::Tensor labels = at::from_blob(labels_.data(), {n}, at::kLong);
    return at::cross_entropy_loss(output_of(input, parameters), labels);
  }

  void expect_equal(const std::vector<at::Tensor>& expected, bool gradients) {
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const at::Tensor tensor = (gradients ? expected[i].grad() : expected[i]).contiguous();
      const double* its = tensor.data_ptr<double>();
      const double* ours = values(gradients ? buckets_->gradient(i) : buckets_->parameter(i));
      for (std::int64_t j = 0; j < tensor.numel(); ++j)
        ASSERT_NEAR(ours[j], its[j], 1e-12) << network_->parameters()[i].name << "[" << j << "]";
    }
  }

  const Communicator world_{MPI_COMM_WORLD};
  const ModelOptions options_{.name = GetParam(), .hidden = 9, .channels = 3, .stride = 2, .dtype = "f64"};
  std::vector<std::uint8_t> images_;
  std::vector<std::int64_t> labels_;
  std::optional<Network> network_;
  std::optional<Buckets> buckets_;
};

TEST_P(NetworkTest, InputsMayBeScaledByChannel) {
  if (std::string_view(GetParam()) != "convnet") return;
  constexpr std::size_t kSize = 3 * kPixels;
  const std::vector<double> mean{0.1, 0.25, 0.5};
  const std::vector<double> std{0.5, 2.0, 0.125};
  std::vector<std::uint8_t> bytes;
  std::vector<double> scaled;
  for (std::size_t i = 0; i < 2 * kSize; ++i) {
    bytes.push_back(pixel_of(i / kSize, i % kPixels));
    const std::size_t channel = i % kSize / kPixels;
    scaled.push_back((bytes.back() / 255.0 - mean[channel]) / std[channel]);
  }
  const auto loss = [&](const InputScaling& scaling, ConstBuffer inputs) {
    Network network(options_, scaling, Task{.input = {3, 8, 8}, .classes = kClasses});
    Buckets buckets(world_, plan_buckets(network.parameters(), DType::f64, 800), DType::f64,
                    make_optimizer({})->slots());
    for (std::size_t i = 0; i < network.parameters().size(); ++i)
      initialise(network.parameters()[i], i, 3, buckets.parameter(i));
    network.bind(buckets, {});
    return network.forward({.inputs = inputs, .labels = std::span(labels_).first(2)});
  };
  const double expected = loss({}, ConstBuffer(std::span(std::as_const(scaled))));
  EXPECT_NEAR(loss({.scale = 255.0, .mean = mean, .std = std}, ConstBuffer(std::span(std::as_const(bytes)))), expected,
              1e-12);
  EXPECT_THROW(loss({.mean = {1, 2}}, ConstBuffer(std::span(std::as_const(bytes)))), InvalidArgument);
}

TEST_P(NetworkTest, GradientsAreAddedToTheBucketsMemory) {
  std::vector<std::size_t> ready;
  network_->bind(*buckets_, [&](std::size_t parameter, std::size_t first, std::size_t count) {
    ready.push_back(parameter);
    double sum = 0.0;  // what is announced is there
    for (std::size_t j = first; j < first + count; ++j) sum += std::abs(values(buckets_->gradient(parameter))[j]);
    EXPECT_GT(sum, 0.0) << network_->parameters()[parameter].name;
  });
  for (std::size_t b = 0; b < buckets_->size(); ++b) {
    const Buffer gradients = buckets_->gradients(b);  // of the step before
    std::fill_n(static_cast<double*>(gradients.data), gradients.count, 1e300);
  }
  network_->begin_gradients();
  const auto own = own_parameters();
  const at::Tensor loss = own_loss(own);
  loss.backward();
  EXPECT_NEAR(network_->forward(samples()), loss.item<double>() * static_cast<double>(kSamplesUsed), 1e-10);
  network_->backward(1.0 / static_cast<double>(kSamplesUsed));
  expect_equal(own, true);
  EXPECT_EQ(ready.size(), own.size());
  EXPECT_GE(ready.front() / 2, ready.back() / 2);  // of weights and biases those of the last layer are ready first

  // A second pass adds: the memory is the gradient, not a copy made at the end.
  network_->forward(samples());
  network_->backward(1.0 / static_cast<double>(kSamplesUsed));
  own_loss(own).backward();
  expect_equal(own, true);
}

TEST_P(NetworkTest, StepsLikeTorchOptimSgd) {
  for (const bool nesterov : {false, true}) {
    for (std::size_t i = 0; i < network_->parameters().size(); ++i)
      initialise(network_->parameters()[i], i, 3, buckets_->parameter(i));
    for (std::size_t b = 0; b < buckets_->size(); ++b)
      for (const Buffer slot : buckets_->slots(b)) std::fill_n(static_cast<double*>(slot.data), slot.count, 0.0);
    const ExchangeOptions options;
    const auto exchange = make_exchange({world_, *buckets_, network_->parameters(), options});
    const OptimizerOptions own_options{.momentum = 0.9, .nesterov = nesterov, .weight_decay = 0.01};
    const auto sgd = make_optimizer(own_options);
    Update update(*sgd, own_options, network_->parameters(), *buckets_);
    network_->bind(*buckets_, [&](std::size_t parameter, std::size_t first, std::size_t count) {
      exchange->gradient_ready(parameter, first, count);
    });
    auto own = own_parameters();
    torch::optim::SGD optimizer(own, torch::optim::SGDOptions(0.1).momentum(0.9).weight_decay(0.01).nesterov(nesterov));
    for (int step = 0; step < 5; ++step) {
      optimizer.zero_grad();
      own_loss(own).backward();
      optimizer.step();
      exchange->begin(0);
      network_->begin_gradients();
      network_->forward(samples());
      network_->backward(1.0 / static_cast<double>(kSamplesUsed));
      ASSERT_FALSE(update.run(*exchange, {.learning_rate = 0.1}).not_finite);
    }
    expect_equal(own, false);
  }
}

TEST_P(NetworkTest, NoSamplesIsNoLossAndNoGradient) {
  bool called = false;
  network_->bind(*buckets_, [&](std::size_t, std::size_t, std::size_t) { called = true; });
  EXPECT_EQ(network_->forward({.inputs = {}, .labels = {}}), 0.0);
  network_->backward(1.0);
  EXPECT_FALSE(called);
  EXPECT_EQ(network_->evaluate({.inputs = {}, .labels = {}}).score.samples, 0U);
  const Buffer gradient = buckets_->gradient(0);
  static_cast<double*>(gradient.data)[1] = 5.0;  // of the step before
  network_->begin_gradients();
  network_->end_gradients();
  EXPECT_EQ(values(gradient)[1], 0.0);
}

// The order in which backward completes gradients, before the memory is there.
TEST_P(NetworkTest, TellsInWhichOrderGradientsCome) {
  network_->bind(*buckets_, {});
  const std::vector<std::size_t> order = network_->arrival_order();
  std::vector<std::size_t> seen;
  network_->bind(*buckets_, [&](std::size_t parameter, std::size_t, std::size_t) { seen.push_back(parameter); });
  network_->begin_gradients();
  network_->forward(samples());
  network_->backward(1.0);
  EXPECT_EQ(order, seen);
  if (std::string(GetParam()) == "mlp") {
    EXPECT_EQ(order, (std::vector<std::size_t>{2, 3, 0, 1}));
  }
}

TEST_P(NetworkTest, ErrorsOfTheHookComeOutAsTheyAre) {
  network_->bind(*buckets_, [](std::size_t, std::size_t, std::size_t) { throw CommunicationError("rank 2 is gone"); });
  network_->forward(samples());
  EXPECT_THROW(network_->backward(1.0), CommunicationError);
}

TEST_P(NetworkTest, EvaluationCountsRightAnswers) {
  network_->bind(*buckets_, {});
  ClassCounts counts = ClassCounts::of(network_->classes());
  const Score score = network_->evaluate(samples(), &counts).score;
  EXPECT_EQ(score.samples, kSamplesUsed);
  EXPECT_NEAR(score.loss, network_->forward(samples()), 1e-12);
  const auto own = own_parameters();
  const auto n = static_cast<std::int64_t>(kSamplesUsed);
  const at::Tensor input =
      (at::from_blob(images_.data(), {n, 1, 8, 8}, at::kByte).to(at::kDouble) / 255.0 - 0.3) / 0.25;
  const at::Tensor answers = output_of(input, own).argmax(1);
  std::uint64_t right = 0;
  ClassCounts expected = ClassCounts::of(kClasses);
  for (std::size_t i = 0; i < kSamplesUsed; ++i) {
    const auto answer = answers[static_cast<std::int64_t>(i)].item<std::int64_t>();
    right += answer == labels_[i] ? 1U : 0U;
    expected.add(static_cast<std::size_t>(labels_[i]), static_cast<std::size_t>(answer));
  }
  EXPECT_EQ(score.correct, right);
  EXPECT_EQ(counts.cells, expected.cells);
}

INSTANTIATE_TEST_SUITE_P(Models, NetworkTest, testing::Values("softmax", "mlp", "convnet"),
                         [](const auto& row) { return std::string(row.param); });

/// Keeps what it is given.
class Sink final : public GradientSink {
 public:
  explicit Sink(const std::vector<ParameterInfo>& infos, at::ScalarType type) {
    for (const ParameterInfo& info : infos) gradients.push_back(at::zeros(info.shape, type));
  }
  void put(std::size_t parameter, std::int64_t first, const at::Tensor& gradient) override {
    gradients[parameter].narrow(0, first, gradient.size(0)).add_(gradient);
    order.emplace_back(parameter, first);
  }

  std::vector<at::Tensor> gradients;
  std::vector<std::pair<std::size_t, std::int64_t>> order;
};

// The gradient of a large weight comes in blocks of rows, the same as in one piece.
TEST(Model, GradientsOfDenseLayersComeInPieces) {
  for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
    const ModelOptions options{.name = "mlp", .hidden = 600, .dtype = type == at::kFloat ? "f32" : "f64"};
    const ModelPlan model = plan_model({.input = {2000}, .outputs = 10}, options);
    std::vector<at::Tensor> parameters;
    for (const ParameterInfo& info : model.parameters)
      parameters.push_back((at::arange(static_cast<double>(info.count()), type).sin().reshape(info.shape) * 0.05)
                               .set_requires_grad(true));
    const at::Tensor input = at::arange(3 * 2000, type).reshape({3, 2000}).cos().set_requires_grad(true);
    model.forward(input, {.parameters = parameters, .training = true}).square().sum().backward();
    const at::Tensor input_gradient = input.grad().clone();
    input.mutable_grad().reset();
    Sink sink(model.parameters, type);
    model.forward(input, {.parameters = parameters, .training = true, .gradients = &sink}).square().sum().backward();
    const double tolerance = type == at::kFloat ? 1e-4 : 1e-11;
    EXPECT_LT((input.grad() - input_gradient).abs().max().item<double>(), tolerance);
    for (std::size_t i = 0; i < parameters.size(); ++i)
      EXPECT_LT((parameters[i].grad() - sink.gradients[i]).abs().max().item<double>(), tolerance) << i;
    using Pieces = std::vector<std::pair<std::size_t, std::int64_t>>;
    EXPECT_EQ(sink.order, (Pieces{{2, 0}, {3, 0}, {0, 0}, {0, 240}, {0, 480}, {1, 0}}));
  }
}

// Dense layers take another path in f32 (oneDNN) than in f64: both are the same layer.
TEST(Model, DenseLayersOfBothTypesAgree) {
  const ModelOptions options{.name = "mlp", .hidden = 20, .channels = 1, .stride = 1, .dtype = "f32"};
  const ModelPlan model = plan_model({.input = {1, 8, 8}, .outputs = 10}, options);
  const auto& infos = model.parameters;
  std::vector<at::Tensor> wide;
  std::vector<at::Tensor> narrow;
  for (std::size_t i = 0; i < infos.size(); ++i) {
    at::Tensor tensor = at::empty(infos[i].shape, at::kDouble);
    initialise({.name = infos[i].name, .shape = infos[i].shape, .initial_bound = 0.3}, i, 1,
               Buffer(tensor.data_ptr(), infos[i].count(), DType::f64));
    wide.push_back(tensor.clone().set_requires_grad(true));
    narrow.push_back(tensor.to(at::kFloat).set_requires_grad(true));
  }
  const at::Tensor input = at::arange(5 * 64, at::kDouble).reshape({5, 1, 8, 8}).sin();
  const at::Tensor a = model.forward(input, {.parameters = wide});
  const at::Tensor b = model.forward(input.to(at::kFloat), {.parameters = narrow});
  EXPECT_LT((a - b).abs().max().item<double>(), 1e-5);
  a.square().sum().backward();
  b.square().sum().backward();
  for (std::size_t i = 0; i < wide.size(); ++i)
    EXPECT_LT((wide[i].grad() - narrow[i].grad()).abs().max().item<double>(), 1e-3) << infos[i].name;
}

TEST(Model, UnfitInputsAndNames) {
  ModelOptions options;
  options.name = "convnet";
  EXPECT_THROW(Network(options, {}, {.input = {64}, .classes = 10}), InvalidArgument);
  EXPECT_THROW(Network(options, {}, {.input = {1, 3, 8}, .classes = 10}), InvalidArgument);
  EXPECT_THROW(find_model("perceptron"), InvalidArgument);
}

}  // namespace

}  // namespace tutti::trainer::test
