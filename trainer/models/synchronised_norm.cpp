// With N values of a channel over all ranks, mean m, and r = 1 / sqrt(variance + epsilon):
//
//   forward   y = gamma (x - m) r + beta
//   backward  S1 = sum of dy, S2 = sum of dy (x - m), over all ranks
//             dx = gamma r (dy - S1 / N - (x - m) r^2 S2 / N)
//             dgamma = r S2, dbeta = S1, each of this rank's values alone
//
// All sums are in f64, each of a channel in one thread and in an order of its own, so the bits do not depend on the
// number of threads.
#include <tutti/trainer/models/synchronised_norm.hpp>

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>
#include <tutti/trainer/models/layers.hpp>

namespace tutti::trainer {

namespace {

using at::Tensor;
using torch::autograd::variable_list;

/// Values of {samples, channels, positions...}, which lie without gaps.
struct Shape {
  std::int64_t samples;
  std::int64_t channels;
  std::int64_t positions;

  explicit Shape(const Tensor& x)
      : samples(x.size(0)), channels(x.size(1)), positions(x.numel() == 0 ? 0 : x.numel() / (x.size(0) * x.size(1))) {}

  /// Where the values of a channel in a sample begin.
  std::int64_t begin(std::int64_t sample, std::int64_t channel) const noexcept {
    return (sample * channels + channel) * positions;
  }

  double count() const noexcept { return static_cast<double>(samples * positions); }

  template <class Body>
  void for_each_channel(Body body) const {
    const std::int64_t grain = std::max<std::int64_t>(1, 32768 / std::max<std::int64_t>(1, samples * positions));
    at::parallel_for(0, channels, grain, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t c = first; c < last; ++c) body(c);
    });
  }
};

/// Calls body(T{}) for the type of the values of a tensor.
template <class Body>
void with_type(const Tensor& tensor, Body body) {
  switch (tensor.scalar_type()) {
    case at::kDouble:
      return body(double{});
    case at::kFloat:
      return body(float{});
    case at::kBFloat16:
      return body(c10::BFloat16{});
    default:
      throw InvalidArgument(text("batch normalisation of ", c10::toString(tensor.scalar_type())));
  }
}

template <class T>
T rounded(double value) {
  if constexpr (std::is_same_v<T, double>)
    return value;
  else
    return static_cast<T>(static_cast<float>(value));
}

/// The sum of value(0) to value(count - 1), in lanes that a compiler can keep in one register.
template <class Value>
double sum_of(std::int64_t count, Value value) {
  constexpr std::int64_t kLanes = 8;
  std::array<double, kLanes> sums{};
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (std::int64_t lane = 0; lane < kLanes; ++lane) sums[static_cast<std::size_t>(lane)] += value(i + lane);
  for (; i < count; ++i) sums[static_cast<std::size_t>(i % kLanes)] += value(i);
  return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

std::vector<double> doubles(const Tensor& tensor) {
  const Tensor wide = tensor.detach().to(at::kDouble).contiguous();
  return {wide.data_ptr<double>(), wide.data_ptr<double>() + wide.numel()};
}

Tensor tensor_of(const std::vector<double>& values, at::ScalarType type) {
  const Tensor wide = at::empty({static_cast<std::int64_t>(values.size())}, at::TensorOptions(at::kDouble));
  std::copy(values.begin(), values.end(), wide.data_ptr<double>());
  return wide.to(type);
}

/// Of this rank: once for the mean, once for the differences from it.
ChannelMoments moments_of(const Tensor& x) {
  const Shape shape(x);
  ChannelMoments moments = ChannelMoments::of_nothing(static_cast<std::size_t>(shape.channels));
  moments.count = shape.count();
  with_type(x, [&]<class T>(T) {
    const T* values = x.data_ptr<T>();
    shape.for_each_channel([&](std::int64_t c) {
      const auto sum = [&](auto of) {
        double all = 0.0;
        for (std::int64_t n = 0; n < shape.samples; ++n) {
          const T* its = values + shape.begin(n, c);
          all += sum_of(shape.positions, [&](std::int64_t i) { return of(static_cast<double>(its[i])); });
        }
        return all;
      };
      const double mean = sum([](double value) { return value; }) / moments.count;
      moments.mean[static_cast<std::size_t>(c)] = mean;
      moments.squares[static_cast<std::size_t>(c)] =
          sum([mean](double value) { return (value - mean) * (value - mean); });
    });
  });
  return moments;
}

/// By a tenth of the way to those of the batch; the variance is the unbiased one.
void move_running_statistics(const ChannelMoments& batch, const BatchNormLayer& layer, const Pass& pass) {
  const auto move = [](const Tensor& running, const std::vector<double>& batch_values, double factor) {
    with_type(running, [&]<class T>(T) {
      T* values = running.data_ptr<T>();
      for (std::size_t c = 0; c < batch_values.size(); ++c)
        values[c] = rounded<T>((1.0 - kBatchNormMomentum) * static_cast<double>(values[c]) +
                               kBatchNormMomentum * factor * batch_values[c]);
    });
  };
  move(pass.buffers[layer.running_mean], batch.mean, 1.0);
  move(pass.buffers[layer.running_variance], batch.squares, 1.0 / (batch.count - 1.0));
}

/// What backward needs of forward.
struct Normalised {
  std::vector<double> mean;
  std::vector<double> inverse;  ///< r
  double count;                 ///< N
};

Tensor normalised(const Tensor& x, const Normalised& by, const std::vector<double>& gamma,
                  const std::vector<double>& beta) {
  const Shape shape(x);
  Tensor y = at::empty_like(x);
  with_type(x, [&]<class T>(T) {
    const T* values = x.data_ptr<T>();
    T* results = y.data_ptr<T>();
    shape.for_each_channel([&](std::int64_t channel) {
      const auto c = static_cast<std::size_t>(channel);
      const double mean = by.mean[c];
      const double scale = gamma[c] * by.inverse[c];
      const double shift = beta[c];
      for (std::int64_t n = 0; n < shape.samples; ++n) {
        const std::int64_t begin = shape.begin(n, channel);
        for (std::int64_t i = begin; i < begin + shape.positions; ++i)
          results[i] = rounded<T>((static_cast<double>(values[i]) - mean) * scale + shift);
      }
    });
  });
  return y;
}

/// S1 of each channel, then S2 of each.
std::vector<double> sums_of_gradient(const Tensor& x, const Tensor& dy, const Normalised& by) {
  const Shape shape(x);
  const auto channels = static_cast<std::size_t>(shape.channels);
  std::vector<double> sums(2 * channels);
  with_type(x, [&]<class T>(T) {
    const T* values = x.data_ptr<T>();
    const T* gradients = dy.data_ptr<T>();
    shape.for_each_channel([&](std::int64_t channel) {
      const auto c = static_cast<std::size_t>(channel);
      for (std::int64_t n = 0; n < shape.samples; ++n) {
        const T* x_of = values + shape.begin(n, channel);
        const T* dy_of = gradients + shape.begin(n, channel);
        sums[c] += sum_of(shape.positions, [&](std::int64_t i) { return static_cast<double>(dy_of[i]); });
        sums[channels + c] += sum_of(shape.positions, [&](std::int64_t i) {
          return static_cast<double>(dy_of[i]) * (static_cast<double>(x_of[i]) - by.mean[c]);
        });
      }
    });
  });
  return sums;
}

Tensor gradient_of_input(const Tensor& x, const Tensor& dy, const Normalised& by, const std::vector<double>& gamma,
                         const std::vector<double>& sums) {
  const Shape shape(x);
  const auto channels = static_cast<std::size_t>(shape.channels);
  Tensor dx = at::empty_like(x);
  with_type(x, [&]<class T>(T) {
    const T* values = x.data_ptr<T>();
    const T* gradients = dy.data_ptr<T>();
    T* results = dx.data_ptr<T>();
    shape.for_each_channel([&](std::int64_t channel) {
      const auto c = static_cast<std::size_t>(channel);
      const double scale = gamma[c] * by.inverse[c];
      const double offset = sums[c] / by.count;
      const double slope = by.inverse[c] * by.inverse[c] * sums[channels + c] / by.count;
      for (std::int64_t n = 0; n < shape.samples; ++n) {
        const std::int64_t begin = shape.begin(n, channel);
        for (std::int64_t i = begin; i < begin + shape.positions; ++i)
          results[i] = rounded<T>(scale * (static_cast<double>(gradients[i]) - offset -
                                           (static_cast<double>(values[i]) - by.mean[c]) * slope));
      }
    });
  });
  return dx;
}

/// The layer in autograd's graph. Ready nodes run in the reverse order of their making, and whatever lies between the
/// loss and a layer was made after that layer: so on every rank backward comes to the layers in reverse order.
class SynchronisedBackward : public torch::autograd::Node {
 public:
  SynchronisedBackward(SharedStatistics& statistics, Tensor x, const Tensor& gamma, Normalised by)
      : statistics_(statistics),
        x_(std::move(x)),
        gamma_(doubles(gamma)),
        parameter_type_(gamma.scalar_type()),
        by_(std::move(by)) {}

  variable_list apply(variable_list&& gradients) override {
    const Tensor dy = gradients[0].defined() ? gradients[0].to(x_.scalar_type()).contiguous() : at::zeros_like(x_);
    std::vector<double> sums = sums_of_gradient(x_, dy, by_);
    const std::size_t channels = gamma_.size();
    const auto middle = sums.begin() + static_cast<std::ptrdiff_t>(channels);
    const std::vector<double> dbeta(sums.begin(), middle);
    std::vector<double> dgamma(middle, sums.end());
    for (std::size_t c = 0; c < channels; ++c) dgamma[c] *= by_.inverse[c];
    statistics_.sum(sums);
    return {gradient_of_input(x_, dy, by_, gamma_, sums), tensor_of(dgamma, parameter_type_),
            tensor_of(dbeta, parameter_type_)};
  }

  void release_variables() override { x_.reset(); }

 private:
  SharedStatistics& statistics_;
  Tensor x_;
  const std::vector<double> gamma_;
  const at::ScalarType parameter_type_;
  const Normalised by_;
};

}  // namespace

Tensor synchronised_batch_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta, const BatchNormLayer& layer,
                               const Pass& pass) {
  const Tensor values = x.detach().contiguous();
  const ChannelMoments all = pass.statistics->merged(moments_of(values));
  if (all.count == 1.0)
    throw InvalidArgument(text("batch normalisation of ", layer.name,
                               " got one value per channel: a batch of one sample over all ranks"));
  move_running_statistics(all, layer, pass);
  Normalised by{.mean = all.mean, .inverse = all.squares, .count = all.count};
  for (double& inverse : by.inverse) inverse = 1.0 / std::sqrt(inverse / all.count + kNormEpsilon);
  Tensor y = normalised(values, by, doubles(gamma), doubles(beta));
  if (torch::autograd::compute_requires_grad(x, gamma, beta)) {
    const std::shared_ptr<SynchronisedBackward> node(
        new SynchronisedBackward(*pass.statistics, values, gamma, std::move(by)), torch::autograd::deleteNode);
    node->set_next_edges(torch::autograd::collect_next_edges(x, gamma, beta));
    torch::autograd::set_history(y, node);
  }
  return y;
}

void join_forward(std::span<const BatchNormLayer> layers, const Pass& pass, bool failed) {
  while (pass.statistics->forward_is_next()) {
    const BatchNormLayer& layer = layers[pass.statistics->layer()];
    ChannelMoments nothing = ChannelMoments::of_nothing(pass.statistics->channels());
    if (failed) nothing.count = std::numeric_limits<double>::quiet_NaN();
    const ChannelMoments all = pass.statistics->merged(nothing);
    if (all.count > 1.0) move_running_statistics(all, layer, pass);
  }
}

void join_backward(SharedStatistics& statistics) {
  while (statistics.backward_is_next()) {
    std::vector<double> nothing(2 * statistics.channels());
    statistics.sum(nothing);
  }
}

}  // namespace tutti::trainer
