#include <ATen/Parallel.h>
#include <ATen/core/Reduction.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>
#include <tutti/trainer/models/model.hpp>
#include <tutti/trainer/network/network.hpp>

namespace tutti::trainer {

namespace {

using at::Tensor;
using torch::autograd::variable_list;

at::ScalarType torch_type(DType dtype) {
  switch (dtype) {
    case DType::f64:
      return at::kDouble;
    case DType::f32:
      return at::kFloat;
    case DType::bf16:
      return at::kBFloat16;
    case DType::f16:
      return at::kHalf;
    case DType::i64:
      return at::kLong;
    case DType::i32:
      return at::kInt;
    case DType::i16:
      return at::kShort;
    case DType::i8:
      return at::kChar;
    case DType::u8:
      return at::kByte;
    default:
      throw InvalidArgument(text("libtorch has no tensors of ", name(dtype)));
  }
}

/// A parameter of more elements than this is a mistake somewhere, and its sizes may wrap.
constexpr double kMostElements = 1e12;

double product(const std::vector<std::int64_t>& extents) {
  double result = 1.0;
  for (const auto extent : extents) result *= static_cast<double>(extent);
  return result;
}

std::vector<ParameterInfo> countable_parameters(const Model& model, const std::vector<std::int64_t>& input,
                                                std::size_t classes, const ModelOptions& options) {
  const auto require = [&](double elements, std::string_view what) {
    if (elements > kMostElements)
      throw InvalidArgument(text("model.name = \"", model.name, "\": ", what, " would have ", elements,
                                 " elements, for inputs of ", product(input), " values and ", classes, " classes"));
  };
  require(product(input) * static_cast<double>(classes), "the output layer");
  auto parameters = model.parameters({input, static_cast<std::int64_t>(classes)}, options);
  for (const ParameterInfo& parameter : parameters) require(product(parameter.shape), parameter.name);
  return parameters;
}

std::vector<std::int64_t> signed_extents(const std::vector<std::size_t>& extents) {
  return {extents.begin(), extents.end()};
}

/// A tensor over memory that somebody else owns.
Tensor view(const void* memory, const std::vector<std::int64_t>& shape, DType dtype) {
  return at::from_blob(const_cast<void*>(memory), shape, at::TensorOptions(torch_type(dtype)));
}

/// Values as a tensor that has them. libtorch's only unsigned type is u8: the others are read as signed ones and
/// widened, u64 to f64.
Tensor numbers(ConstBuffer values, const std::vector<std::int64_t>& shape) {
  constexpr std::int64_t kLow32 = 0xffffffff;
  switch (values.dtype) {
    case DType::u16:
      return view(values.data, shape, DType::i16).to(at::kInt).bitwise_and(0xffff);
    case DType::u32:
      return view(values.data, shape, DType::i32).to(at::kLong).bitwise_and(kLow32);
    case DType::u64: {
      const Tensor halves = view(values.data, shape, DType::i64);
      const Tensor high = halves.bitwise_right_shift(32).bitwise_and(kLow32).to(at::kDouble);
      return high.mul_(4294967296.0).add_(halves.bitwise_and(kLow32).to(at::kDouble));
    }
    default:
      return view(values.data, shape, values.dtype);
  }
}

/// Runs after a parameter's gradient has been accumulated.
class ReadyHook : public torch::autograd::FunctionPostHook {
 public:
  explicit ReadyHook(std::function<void()> call) : call_(std::move(call)) {}
  variable_list operator()(const variable_list& outputs, const variable_list&) override {
    call_();
    return outputs;
  }

 private:
  std::function<void()> call_;
};

/// Errors of libtorch carry a C++ stack over many lines: only the first line says something to a user.
template <class Body>
auto translating_errors(Body body) {
  try {
    return body();
  } catch (const c10::Error& error) {
    const std::string message = error.what_without_backtrace();
    throw Error(text("libtorch: ", message.substr(0, message.find('\n'))));
  }
}

}  // namespace

void set_arithmetic_threads(int threads) { at::set_num_threads(threads); }

class Network::Impl {
 public:
  Impl(const ModelOptions& options, const InputScaling& scaling, const std::vector<std::size_t>& input_shape,
       std::size_t classes)
      : options_(options),
        scaling_(scaling),
        model_(find_model(options.name)),
        input_shape_(input_shape.empty() ? std::vector<std::int64_t>{1} : signed_extents(input_shape)),
        infos_(countable_parameters(model_, input_shape_, classes, options)),
        dtype_(dtype_from_name(options.dtype)) {}

  const std::vector<ParameterInfo>& infos() const noexcept { return infos_; }

  void bind(const Buckets& buckets, GradientReady ready) {
    ready_ = std::move(ready);
    parameters_.clear();
    accumulators_.clear();
    for (std::size_t i = 0; i < infos_.size(); ++i) {
      Tensor parameter = view(buckets.parameter(i).data, infos_[i].shape, dtype_);
      parameter.set_requires_grad(true);
      parameter.mutable_grad() = view(buckets.gradient(i).data, infos_[i].shape, dtype_);
      auto accumulator = torch::autograd::impl::grad_accumulator(parameter);
      accumulator->add_post_hook(std::make_unique<ReadyHook>([this, i] { notify(i); }));
      accumulators_.push_back(std::move(accumulator));  // the tensor itself keeps it only weakly
      parameters_.push_back(std::move(parameter));
    }
  }

  double forward(const Samples& samples) {
    if (samples.labels.empty()) return 0.0;
    const Tensor labels = label_tensor(samples);
    loss_ = at::cross_entropy_loss(logits(samples), labels, {}, at::Reduction::Sum);
    return loss_.item().toDouble();
  }

  void backward(double weight) {
    if (!loss_.defined()) return;
    failure_ = nullptr;
    const Tensor loss = std::exchange(loss_, Tensor());
    loss.backward(at::full({}, weight, loss.options().requires_grad(false)));
    if (failure_) std::rethrow_exception(failure_);
  }

  Evaluated evaluate(const Samples& samples) {
    if (samples.labels.empty()) return {};
    const c10::NoGradGuard no_gradients;
    const Tensor labels = label_tensor(samples);
    const Tensor output = logits(samples);
    // The largest of a row with a NaN is the NaN's index, which may happen to be the label.
    const Tensor finite = output.isfinite().all(1);
    Evaluated evaluated;
    if (!finite.all().item().toBool()) {
      evaluated.not_finite = static_cast<std::size_t>(finite.to(at::kInt).argmin(0).item().toLong());
      return evaluated;
    }
    evaluated.score = {.loss = at::cross_entropy_loss(output, labels, {}, at::Reduction::Sum).item().toDouble(),
                       .correct = static_cast<std::uint64_t>(output.argmax(1).eq(labels).sum().item().toLong()),
                       .samples = samples.labels.size()};
    return evaluated;
  }

 private:
  static Tensor label_tensor(const Samples& samples) {
    return view(samples.labels.data(), {static_cast<std::int64_t>(samples.labels.size())}, DType::i64);
  }

  Tensor logits(const Samples& samples) {
    std::vector<std::int64_t> shape = input_shape_;
    shape.insert(shape.begin(), static_cast<std::int64_t>(samples.labels.size()));
    const Tensor input = numbers(samples.inputs, shape)
                             .to(torch_type(dtype_), /*non_blocking=*/false, /*copy=*/true)
                             .sub_(scaling_.mean * scaling_.scale)
                             .mul_(1.0 / (scaling_.std * scaling_.scale));
    return model_.forward(input, parameters_, options_);
  }

  // An exception must not unwind through the autograd engine, which would wrap it: it is kept until backward() has
  // ended.
  void notify(std::size_t parameter) noexcept {
    if (failure_ || !ready_) return;
    try {
      ready_(parameter);
    } catch (...) {
      failure_ = std::current_exception();
    }
  }

  const ModelOptions options_;
  const InputScaling scaling_;
  const Model& model_;
  const std::vector<std::int64_t> input_shape_;
  const std::vector<ParameterInfo> infos_;
  const DType dtype_;
  GradientReady ready_;
  std::vector<Tensor> parameters_;
  std::vector<std::shared_ptr<torch::autograd::Node>> accumulators_;
  Tensor loss_;  // of the last forward, with its graph
  std::exception_ptr failure_;
};

Network::Network(const ModelOptions& options, const InputScaling& scaling, const std::vector<std::size_t>& input_shape,
                 std::size_t classes)
    : impl_(std::make_unique<Impl>(options, scaling, input_shape, classes)) {}
Network::~Network() = default;

const std::vector<ParameterInfo>& Network::parameters() const noexcept { return impl_->infos(); }

void Network::bind(const Buckets& buckets, GradientReady ready) {
  translating_errors([&] { impl_->bind(buckets, std::move(ready)); });
}
double Network::forward(const Samples& samples) {
  return translating_errors([&] { return impl_->forward(samples); });
}
void Network::backward(double weight) {
  translating_errors([&] { impl_->backward(weight); });
}
Evaluated Network::evaluate(const Samples& samples) {
  return translating_errors([&] { return impl_->evaluate(samples); });
}

}  // namespace tutti::trainer
