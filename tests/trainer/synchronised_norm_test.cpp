// Batch normalisation over the samples of all ranks, which are threads here: worked values, and libtorch's own layer
// over the whole batch.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <barrier>
#include <cmath>
#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <tutti/kernels/error.hpp>
#include <tutti/trainer/models/layers.hpp>
#include <tutti/trainer/models/model.hpp>
#include <tutti/trainer/models/synchronised_norm.hpp>

namespace tutti::trainer::test {

namespace {

using at::Tensor;

constexpr double kDigits = 1e-11;  // of the worked values, which have twelve

/// What threads that stand for ranks exchange.
class Threads {
 public:
  explicit Threads(std::size_t ranks) : ranks_(ranks), barrier_(static_cast<std::ptrdiff_t>(ranks)) {}

  std::size_t ranks() const noexcept { return ranks_; }

  void gather(std::size_t rank, std::span<const double> own, std::span<double> all) {
    if (rank == 0) board_.resize(all.size());
    barrier_.arrive_and_wait();
    std::copy(own.begin(), own.end(), board_.begin() + static_cast<std::ptrdiff_t>(rank * own.size()));
    barrier_.arrive_and_wait();
    std::copy(board_.begin(), board_.end(), all.begin());
    barrier_.arrive_and_wait();
  }

 private:
  const std::size_t ranks_;
  std::barrier<> barrier_;
  std::vector<double> board_;
};

class ThreadExchange : public StatisticsExchange {
 public:
  ThreadExchange(Threads& threads, std::size_t rank) : threads_(threads), rank_(rank) {}

  std::size_t ranks() const noexcept override { return threads_.ranks(); }
  void all_gather(std::span<const double> own, std::span<double> all) override { threads_.gather(rank_, own, all); }
  void sum(std::span<double> numbers) override {
    std::vector<double> all(numbers.size() * ranks());
    threads_.gather(rank_, numbers, all);
    std::fill(numbers.begin(), numbers.end(), 0.0);
    for (std::size_t i = 0; i < all.size(); ++i) numbers[i % numbers.size()] += all[i];
  }

 private:
  Threads& threads_;
  const std::size_t rank_;
};

/// One layer as a rank has it.
struct RankOfLayer {
  Tensor y, dx, dgamma, dbeta, mean, variance;
};

/// The layer over the parts of x, and backward from those of dy; a part may have no samples.
std::vector<RankOfLayer> over_ranks(const std::vector<Tensor>& x, const std::vector<Tensor>& dy, const Tensor& gamma,
                                    const Tensor& beta) {
  Threads threads(x.size());
  std::vector<RankOfLayer> results(x.size());
  const auto work = [&](std::size_t rank) {
    const auto channels = static_cast<std::size_t>(gamma.numel());
    ThreadExchange exchange(threads, rank);
    SharedStatistics statistics(exchange, {channels});
    const std::vector<BatchNormLayer> layers{
        {.name = "norm", .channels = channels, .running_mean = 0, .running_variance = 1}};
    const std::vector<Tensor> buffers{at::zeros_like(gamma), at::ones_like(gamma)};
    const Pass pass{.buffers = buffers, .training = true, .statistics = &statistics};
    RankOfLayer& result = results[rank];
    const Tensor own_gamma = gamma.clone().requires_grad_(true);
    const Tensor own_beta = beta.clone().requires_grad_(true);
    const Tensor own_x = x[rank].clone().requires_grad_(true);
    if (own_x.size(0) == 0) {
      join_forward(layers, pass, false);
      join_backward(statistics);
      result = {own_x, own_x, at::zeros_like(gamma), at::zeros_like(beta), {}, {}};
    } else {
      const Tensor y = synchronised_batch_norm(own_x, own_gamma, own_beta, layers[0], pass);
      y.backward(dy[rank]);
      result = {y.detach(), own_x.grad(), own_gamma.grad(), own_beta.grad(), {}, {}};
    }
    result.mean = buffers[0];
    result.variance = buffers[1];
    EXPECT_FALSE(statistics.backward_is_next()) << "an exchange is missing";
  };
  std::vector<std::thread> others;
  for (std::size_t rank = 1; rank < x.size(); ++rank) others.emplace_back(work, rank);
  work(0);
  for (std::thread& other : others) other.join();
  return results;
}

Tensor column(std::vector<double> values) {
  return at::tensor(at::ArrayRef<double>(values)).reshape({static_cast<std::int64_t>(values.size()), 1});
}

void expect_near(const Tensor& tensor, const std::vector<double>& expected, double tolerance = kDigits) {
  const Tensor values = tensor.to(at::kDouble).contiguous();
  ASSERT_EQ(values.numel(), static_cast<std::int64_t>(expected.size()));
  for (std::size_t i = 0; i < expected.size(); ++i)
    EXPECT_NEAR(values.data_ptr<double>()[i], expected[i], tolerance * std::max(1.0, std::abs(expected[i]))) << i;
}

TEST(SynchronisedNorm, HasTheWorkedValuesOfUnevenRanks) {
  const auto ranks = over_ranks({column({1, 2, 4}), column({10}), column({3, -1})},
                                {column({.1, -.2, .3}), column({.5}), column({-.4, .2})}, column({1.5}).flatten(),
                                column({.25}).flatten());
  expect_near(ranks[0].y, {-.69588853703, -.259324596862, .613803283473});
  expect_near(ranks[1].y, {3.23318692448});
  expect_near(ranks[2].y, {.177239343305, -1.56901641737});
  expect_near(ranks[0].dx, {.0462243842027, -.102720944863, .0796087311902});
  expect_near(ranks[1].dx, {.0590646371317});
  expect_near(ranks[2].dx, {-.208009879912, .12583307225});
  expect_near(ranks[0].dgamma, {.0776113671409});
  expect_near(ranks[1].dgamma, {.994395641493});
  expect_near(ranks[2].dgamma, {-.22313268053});
  expect_near(ranks[0].dbeta, {.2});
  expect_near(ranks[1].dbeta, {.5});
  expect_near(ranks[2].dbeta, {-.2});
  for (const RankOfLayer& rank : ranks) {
    expect_near(rank.mean, {.316666666667});
    expect_near(rank.variance, {2.31666666667});
  }
}

TEST(SynchronisedNorm, ARankWithoutSamplesTakesPart) {
  const auto ranks =
      over_ranks({column({}), column({1, 2, 3}), column({10})}, {column({}), column({1, 0, 0}), column({0})},
                 at::ones({1}, at::kDouble), at::zeros({1}, at::kDouble));
  expect_near(ranks[1].dx, {.16122032, -.10465173, -.08768119}, 1e-8);
  expect_near(ranks[2].dx, {.0311126}, 1e-8);
  for (const RankOfLayer& rank : ranks) {
    expect_near(rank.mean, {.4}, 1e-15);
    expect_near(rank.variance, {.9 + .1 * 50.0 / 3.0}, 1e-15);
  }
}

TEST(SynchronisedNorm, OneValueInAllIsAnErrorOnEveryRankThatHasOne) {
  const auto ones = at::ones({2}, at::kDouble);
  try {
    over_ranks({at::ones({1, 2}, at::kDouble)}, {at::ones({1, 2}, at::kDouble)}, ones, ones);
    FAIL();
  } catch (const InvalidArgument& error) {
    EXPECT_STREQ(error.what(),
                 "batch normalisation of norm got one value per channel: a batch of one sample over all ranks");
  }
}

struct Whole {
  const char* name;
  Extents sample;  ///< channels first
  at::ScalarType type;
  double offset;  ///< of the values
  double tolerance;
};

class SynchronisedLike : public testing::TestWithParam<Whole> {};

TEST_P(SynchronisedLike, LibtorchsLayerOverTheWholeBatch) {
  const auto& [name, sample, type, offset, tolerance] = GetParam();
  at::manual_seed(3);
  Extents shape = sample;
  shape.insert(shape.begin(), 7);
  const Tensor x = at::randn(shape, at::kDouble).add(offset).to(type);
  const Tensor dy = at::randn(shape, at::kDouble).to(type);
  const auto parameter_type = type == at::kBFloat16 ? at::kFloat : type;
  const Tensor gamma = at::randn({sample.front()}, at::kDouble).to(parameter_type);
  const Tensor beta = at::randn({sample.front()}, at::kDouble).to(parameter_type);
  const auto parts = [](const Tensor& t) {
    return std::vector{t.narrow(0, 0, 4), t.narrow(0, 4, 0), t.narrow(0, 4, 3)};
  };
  const auto ranks = over_ranks(parts(x), parts(dy), gamma, beta);

  const auto wide = [](const Tensor& t) { return t.to(at::kDouble).clone().requires_grad_(true); };
  const Tensor x64 = wide(x);
  const Tensor gamma64 = wide(gamma);
  const Tensor beta64 = wide(beta);
  const Tensor mean = at::zeros({sample.front()}, at::kDouble);
  const Tensor variance = at::ones({sample.front()}, at::kDouble);
  const Tensor y = at::batch_norm(x64, gamma64, beta64, mean, variance, true, 0.1, 1e-5, false);
  y.backward(dy.to(at::kDouble));
  const auto expect_same = [&](const Tensor& ours, const Tensor& its) {
    ASSERT_EQ(ours.sizes(), its.sizes());
    EXPECT_LT((ours.to(at::kDouble) - its).abs().max().item<double>(), tolerance);
  };
  expect_same(at::cat({ranks[0].y, ranks[1].y, ranks[2].y}), y);
  expect_same(at::cat({ranks[0].dx, ranks[1].dx, ranks[2].dx}), x64.grad());
  expect_same(ranks[0].dgamma + ranks[1].dgamma + ranks[2].dgamma, gamma64.grad());
  expect_same(ranks[0].dbeta + ranks[1].dbeta + ranks[2].dbeta, beta64.grad());
  for (const RankOfLayer& rank : ranks) {
    EXPECT_TRUE(at::equal(rank.mean, ranks[0].mean)) << "other bits";
    EXPECT_TRUE(at::equal(rank.variance, ranks[0].variance)) << "other bits";
    EXPECT_LT((rank.mean.to(at::kDouble) - mean).abs().max().item<double>(), tolerance * (1.0 + std::abs(offset)));
    EXPECT_LT((rank.variance.to(at::kDouble) - variance).abs().max().item<double>(), tolerance);
  }
}

// Squares of 1e4 have no digit of f32 left for a variance of 1: mean of squares less square of the mean would be -8 or
// 0.
INSTANTIATE_TEST_SUITE_P(All, SynchronisedLike,
                         testing::Values(Whole{"rows", {5}, at::kDouble, 2.0, 1e-12},
                                         Whole{"images", {3, 4, 5}, at::kDouble, -1.0, 1e-12},
                                         Whole{"one_channel", {1, 3, 3}, at::kDouble, 0.0, 1e-12},
                                         Whole{"rows_of_f32", {5}, at::kFloat, 0.5, 1e-5},
                                         Whole{"images_of_f32", {3, 4, 5}, at::kFloat, 1.0, 1e-5},
                                         Whole{"far_from_zero", {3, 16, 16}, at::kFloat, 1e4, 1e-4},
                                         Whole{"images_of_bf16", {3, 4, 5}, at::kBFloat16, 0.0, 0.1}),
                         [](const auto& row) { return std::string(row.param.name); });

/// Notes what one rank would tell the others.
class Recorder : public StatisticsExchange {
 public:
  std::size_t ranks() const noexcept override { return 1; }
  void all_gather(std::span<const double> own, std::span<double> all) override {
    std::copy(own.begin(), own.end(), all.begin());
    forward.emplace_back(own.begin(), own.end());
  }
  void sum(std::span<double> numbers) override { backward.emplace_back(numbers.begin(), numbers.end()); }

  std::vector<std::vector<double>> forward;   // count, means, squared differences
  std::vector<std::vector<double>> backward;  // sums of dy, of dy (x - mean)
};

// Layers side by side, as the shortcut of a block beside its body, could change places. What is told in backward is
// known by the gradients of the layer's scale and shift.
TEST(SynchronisedNorm, BackwardComesToLayersInReverseOrder) {
  at::manual_seed(1);
  const ModelPlan plan = plan_model({.input = {1, 8, 8}, .outputs = 3}, {.name = "resnet18"});
  std::vector<Tensor> parameters;
  for (const ParameterInfo& info : plan.parameters)
    parameters.push_back(
        (at::randn(info.shape, at::kFloat) * (info.shape.size() > 1 ? 0.05 : 1.0)).requires_grad_(true));
  std::vector<Tensor> buffers;
  for (const BufferInfo& info : plan.buffers) buffers.push_back(at::full(info.shape, info.initial_value, at::kFloat));
  std::vector<std::size_t> channels;
  for (const BatchNormLayer& layer : plan.batch_norms) channels.push_back(layer.channels);
  Recorder recorder;
  SharedStatistics statistics(recorder, channels);
  plan.forward(at::randn({3, 1, 8, 8}, at::kFloat),
               {.parameters = parameters, .buffers = buffers, .training = true, .statistics = &statistics})
      .square()
      .sum()
      .backward();
  const auto gradient = [&](const std::string& name) {
    for (std::size_t i = 0; i < parameters.size(); ++i)
      if (plan.parameters[i].name == name) return parameters[i].grad().contiguous();
    throw InvalidArgument("no parameter " + name);
  };
  ASSERT_EQ(recorder.forward.size(), 20U);
  ASSERT_EQ(recorder.backward.size(), 20U);
  for (std::size_t l = 0; l < plan.batch_norms.size(); ++l) {
    const std::string& name = plan.batch_norms[l].name;
    const Tensor scale = gradient(name + ".weight");
    const Tensor shift = gradient(name + ".bias");
    const std::vector<double>& moments = recorder.forward[l];
    const std::vector<double>& sums = recorder.backward[plan.batch_norms.size() - 1 - l];
    ASSERT_EQ(sums.size(), 2 * channels[l]) << name;
    for (std::size_t c = 0; c < channels[l]; ++c) {
      const double inverse = 1.0 / std::sqrt(moments[1 + channels[l] + c] / moments[0] + kNormEpsilon);
      const double its_scale = scale.data_ptr<float>()[c];
      ASSERT_NEAR(sums[c], shift.data_ptr<float>()[c], 1e-6 * std::abs(sums[c])) << name;
      ASSERT_NEAR(sums[channels[l] + c] * inverse, its_scale, 1e-6 * std::abs(its_scale)) << name;
    }
  }
}

}  // namespace

}  // namespace tutti::trainer::test
