#include <ATen/Parallel.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <malloc.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tutti/collectives/flight_recorder.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>
#include <tutti/trainer/models/bf16_arithmetic.hpp>
#include <tutti/trainer/models/layers.hpp>
#include <tutti/trainer/models/loss.hpp>
#include <tutti/trainer/models/model.hpp>
#include <tutti/trainer/models/script_module.hpp>
#include <tutti/trainer/models/synchronised_norm.hpp>
#include <tutti/trainer/network/network.hpp>
#include <tutti/trainer/network/tensors.hpp>

namespace tutti::trainer {

namespace {

using at::Tensor;
using torch::autograd::variable_list;

/// Samples of the pass that finds out in which order gradients come: two, so that a channel has a variance.
constexpr std::array<std::uint64_t, 2> kTried{0, 1};

/// A parameter of more elements than this is a mistake somewhere, and its sizes may wrap.
constexpr double kMostElements = 1e12;

double product(const std::vector<std::int64_t>& extents) {
  double result = 1.0;
  for (const auto extent : extents) result *= static_cast<double>(extent);
  return result;
}

/// A scalar is a row of one for models of the trainer, and stays a scalar for those of a file.
Extents signed_extents(const std::vector<std::size_t>& extents, const ModelOptions& options) {
  if (extents.empty() && options.file.empty()) return {1};
  return {extents.begin(), extents.end()};
}

/// What a model of the task sees of one sample, and what it gives.
ModelShape shape_of(const Task& task, const ModelOptions& options) {
  ModelShape shape{.input = signed_extents(task.input, options),
                   .outputs = static_cast<std::int64_t>(task.classes != 0 ? task.classes : task.numbers)};
  if (target_kind(options) == TargetKind::next_byte) {
    const auto bytes = static_cast<std::int64_t>(product(shape.input));  // in a row, whatever the extents
    if (bytes < 2)
      throw InvalidArgument(text("model.name = \"", options.name, "\" needs samples of two or more bytes"));
    shape.input = {bytes - 1};
  }
  shape.inputs.push_back({.name = "input", .extents = shape.input, .integers = task.integers});
  for (const auto& further : task.further)
    shape.inputs.push_back(
        {.name = further.name, .extents = signed_extents(further.shape, options), .integers = further.integers});
  if (options.file.empty() && !task.further.empty())
    throw InvalidArgument(text("model.name = \"", options.name, "\" has one input, data.input names ",
                               task.further.size() + 1, "; several are for model.file"));
  if (options.file.empty() && task.integers)
    throw InvalidArgument("data.integers is for model.file: models of the trainer see numbers, or bytes");
  return shape;
}

ModelPlan countable_plan(const ModelShape& shape, const ModelOptions& options) {
  const auto require = [&](double elements, std::string_view what) {
    if (elements > kMostElements)
      throw InvalidArgument(text("model.name = \"", options.name, "\": ", what, " would have ", elements,
                                 " elements, for inputs of ", product(shape.input), " values and ", shape.outputs,
                                 " classes"));
  };
  require(product(shape.input) * static_cast<double>(shape.outputs), "the output layer");
  ModelPlan plan = plan_model(shape, options);
  for (const ParameterInfo& parameter : plan.parameters) require(product(parameter.shape), parameter.name);
  return plan;
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

/// What a step's tensors leave stays with the process for the next step. glibc would give large blocks back to the
/// system at once: of the steps of large dense layers half was page faults (figures in README.md). The peak is the
/// same.
void keep_freed_memory() {
#ifdef __GLIBC__
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, -1);
#endif
}

}  // namespace

void set_arithmetic_threads(int threads) { at::set_num_threads(threads); }

double measured_flops(DType dtype) {
  constexpr std::int64_t kSamples = 256;
  constexpr std::int64_t kExtent = 1024;
  const c10::NoGradGuard no_gradients;
  const at::TensorOptions options(torch_type(dtype));
  const Tensor input = at::ones({kSamples, kExtent}, options);
  const std::array<Tensor, 2> parameters{at::ones({kExtent, kExtent}, options), at::ones({kExtent}, options)};
  double best = 0.0;
  for (int round = 0; round < 5; ++round) {
    const auto begin = std::chrono::steady_clock::now();
    dense(input, 0, 1, {.parameters = parameters});
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    best = std::max(best, 2.0 * kSamples * kExtent * kExtent / seconds.count());
  }
  return best;
}

class Network::Impl : private GradientSink {
  /// Samples as a model sees them.
  struct Given {
    std::vector<Tensor> inputs;
    Tensor targets;
  };

 public:
  Impl(const ModelOptions& options, const InputScaling& scaling, const Task& task, StatisticsExchange* statistics)
      : options_(options),
        loss_row_(find_loss(options)),
        kind_(target_kind(options)),
        input_shape_(signed_extents(task.input, options)),
        shape_(shape_of(task, options)),
        plan_(countable_plan(shape_, options)),
        dtype_(dtype_from_name(options.dtype)),
        in_bf16_(options.compute == "bf16"),
        seed_(task.seed),
        buffers_(plan_.own_buffers) {
    set_scaling(scaling);
    if (buffers_.empty())
      for (const BufferInfo& info : plan_.buffers)
        buffers_.push_back(at::full(info.shape, info.initial_value, at::TensorOptions(torch_type(dtype_))));
    if (statistics == nullptr) return;
    std::vector<std::size_t> channels;
    for (const BatchNormLayer& layer : plan_.batch_norms) channels.push_back(layer.channels);
    statistics_.emplace(*statistics, std::move(channels));
  }

  const ModelPlan& plan() const noexcept { return plan_; }

  /// One pass over samples of zeros.
  std::vector<std::size_t> arrival_order() {
    std::vector<Tensor> kept;
    for (const Tensor& buffer : buffers_) kept.push_back(buffer.clone());
    std::vector<std::size_t> order;
    std::vector<bool> seen(plan_.parameters.size());
    const auto note = [&](std::size_t parameter) {
      if (!seen[parameter]) order.push_back(parameter);
      seen[parameter] = true;
    };
    const GradientReady ready =
        std::exchange(ready_, [&](std::size_t parameter, std::size_t, std::size_t) { note(parameter); });
    const Given given = zeros_given();
    Pass pass = training_pass(given.inputs);
    pass.statistics = nullptr;  // this rank is alone
    pass.ids = kTried;
    learn(given, pass);
    backward(1.0);
    ready_ = ready;
    for (std::size_t i = plan_.parameters.size(); i-- > 0;) note(i);
    for (std::size_t i = 0; i < kept.size(); ++i) buffers_[i].copy_(kept[i]);
    return order;
  }

  std::vector<NamedBuffer> buffers() const {
    std::vector<NamedBuffer> named;
    for (std::size_t i = 0; i < buffers_.size(); ++i)
      named.push_back({.name = plan_.buffers[i].name,
                       .shape = plan_.buffers[i].shape,
                       .values = Buffer(buffers_[i].data_ptr(), static_cast<std::size_t>(buffers_[i].numel()),
                                        dtype_of(buffers_[i].scalar_type()))});
    return named;
  }

  std::size_t outputs_of_numbers() const noexcept {
    return kind_ == TargetKind::numbers && !loss_row_.yes_or_no ? static_cast<std::size_t>(shape_.outputs) : 0;
  }

  std::size_t classes() const noexcept {
    if (loss_row_.yes_or_no) return 2;
    return kind_ == TargetKind::numbers ? 0 : static_cast<std::size_t>(shape_.outputs);
  }

  void bind(const Buckets& buckets, GradientReady ready) {
    ready_ = std::move(ready);
    parameters_.clear();
    gradients_.clear();
    accumulators_.clear();
    written_.assign(plan_.parameters.size(), false);
    for (std::size_t i = 0; i < plan_.parameters.size(); ++i) {
      const Extents& shape = plan_.parameters[i].shape;
      Tensor parameter = view(buckets.parameter(i).data, shape, dtype_);
      gradients_.push_back(view(buckets.gradient(i).data, shape, dtype_));
      if (!plan_.own_parameters.empty()) {
        plan_.own_parameters[i].set_data(parameter);
        parameter = plan_.own_parameters[i];
      }
      parameter.set_requires_grad(true);
      parameter.mutable_grad() = Tensor();
      auto accumulator = torch::autograd::impl::grad_accumulator(parameter);
      accumulator->add_post_hook(std::make_unique<ReadyHook>([this, i] { take_gradient(i); }));
      accumulators_.push_back(std::move(accumulator));  // the tensor itself keeps it only weakly
      parameters_.push_back(std::move(parameter));
    }
  }

  double forward(const Samples& samples) {
    if (count(samples) == 0) {
      if (statistics_) join_forward(plan_.batch_norms, training_pass({}), /*failed=*/false);
      return 0.0;
    }
    const Given given = given_by(samples);
    Pass pass = training_pass(given.inputs);
    pass.draw = samples.draw;
    pass.ids = samples.ids;
    return learn(given, pass);
  }

  double learn(const Given& given, const Pass& pass) {
    loss_ = loss_row_.sum(output_of(given, pass), given.targets, options_);
    return loss_.item().toDouble();
  }

  void backward(double weight) {
    if (loss_.defined()) {
      failure_ = nullptr;
      const Tensor loss = std::exchange(loss_, Tensor());
      loss.backward(at::full({}, weight, loss.options().requires_grad(false)));
      if (failure_) std::rethrow_exception(failure_);
    } else if (statistics_) {
      join_backward(*statistics_);
    }
    if (statistics_) statistics_->restart();
  }

  void skip() {
    loss_ = Tensor();
    if (!statistics_) return;
    join_forward(plan_.batch_norms, training_pass({}), /*failed=*/true);
    join_backward(*statistics_);
    statistics_->restart();
  }

  void begin_gradients() noexcept { std::fill(written_.begin(), written_.end(), false); }

  void end_gradients() noexcept {
    for (std::size_t i = 0; i < written_.size(); ++i)
      if (!written_[i]) std::memset(gradients_[i].data_ptr(), 0, gradients_[i].nbytes());
  }

  Evaluated evaluate(const Samples& samples, ClassCounts* counts) {
    if (count(samples) == 0) return {};
    const c10::NoGradGuard no_gradients;
    const Given given = given_by(samples);
    const Tensor output = output_of(given, pass_over(given.inputs));
    // The largest of a row with a NaN is the NaN's index, which may happen to be the label.
    Tensor finite = output.flatten(1).isfinite().all(1);
    if (kind_ == TargetKind::numbers) finite = finite.logical_and(given.targets.isfinite().all(1));
    Evaluated evaluated;
    if (!finite.all().item().toBool()) {
      evaluated.not_finite = static_cast<std::size_t>(finite.to(at::kInt).argmin(0).item().toLong());
      return evaluated;
    }
    evaluated.score = score_of(output, given.targets, counts);
    evaluated.score.loss = loss_row_.sum(output, given.targets, options_).item().toDouble();
    evaluated.score.samples = count(samples);
    return evaluated;
  }

  std::string torchscript(std::span<const ConstBuffer> parameters,
                          const std::map<std::string, std::string>& extra_files) const {
    std::vector<Tensor> values;
    for (std::size_t i = 0; i < parameters.size(); ++i)
      values.push_back(view(parameters[i].data, plan_.parameters[i].shape, dtype_));
    return torchscript_file({.takes_integers = kind_ == TargetKind::next_byte,
                             .plan = plan_,
                             .shape = shape_,
                             .parameters = values,
                             .buffers = buffers_},
                            extra_files);
  }

 private:
  std::size_t count(const Samples& samples) const {
    return samples.inputs.count / static_cast<std::size_t>(product(input_shape_));
  }

  static Extents rows(std::size_t n, const Extents& shape) {
    Extents all = shape;
    all.insert(all.begin(), static_cast<std::int64_t>(n));
    return all;
  }

  Tensor arithmetic(ConstBuffer values, const Extents& shape, bool integers = false) const {
    return trainer::numbers(values, shape)
        .to(integers ? at::kLong : torch_type(dtype_), /*non_blocking=*/false, /*copy=*/true);
  }

  Given zeros_given() const {
    const auto zeros = [](const Extents& shape, at::ScalarType type) {
      return at::zeros(rows(kTried.size(), shape), at::TensorOptions(type));
    };
    Given given;
    for (const auto& input : shape_.inputs)
      given.inputs.push_back(
          zeros(input.extents, input.integers || kind_ == TargetKind::next_byte ? at::kLong : torch_type(dtype_)));
    if (kind_ == TargetKind::labels) given.targets = zeros({}, at::kLong);
    if (kind_ == TargetKind::next_byte) given.targets = zeros(shape_.input, at::kLong);
    if (kind_ == TargetKind::numbers) given.targets = zeros({shape_.outputs}, torch_type(dtype_));
    return given;
  }

  Given given_by(const Samples& samples) const {
    const std::size_t n = count(samples);
    if (kind_ == TargetKind::next_byte) {
      const std::int64_t context = shape_.input.front();
      const Tensor bytes = arithmetic(samples.inputs, rows(n, {context + 1}), /*integers=*/true);
      return {.inputs = {bytes.narrow(1, 0, context)}, .targets = bytes.narrow(1, 1, context)};
    }
    Given given;
    given.inputs.push_back(arithmetic(samples.inputs, rows(n, input_shape_), shape_.inputs.front().integers));
    if (!shape_.inputs.front().integers) scale(given.inputs.front());
    for (std::size_t i = 1; i < shape_.inputs.size(); ++i)
      given.inputs.push_back(
          arithmetic(samples.further[i - 1], rows(n, shape_.inputs[i].extents), shape_.inputs[i].integers));
    if (kind_ == TargetKind::labels)
      given.targets = view(samples.labels.data(), {static_cast<std::int64_t>(n)}, DType::i64);
    else
      given.targets = arithmetic(samples.targets, rows(n, {shape_.outputs}));
    if (loss_row_.yes_or_no) require_probabilities(given.targets, samples.ids);
    return given;
  }

  void set_scaling(const InputScaling& scaling) {
    const auto require = [&](const std::vector<double>& values, const char* what) {
      const auto channels = input_shape_.empty() ? 1 : static_cast<std::size_t>(input_shape_.front());
      if (values.size() != 1 && values.size() != channels)
        throw InvalidArgument(text("there are ", values.size(), " numbers in data.", what, ", and inputs have ",
                                   channels, channels == 1 ? " channel" : " channels"));
    };
    require(scaling.mean, "mean");
    require(scaling.std, "std");
    for (const double mean : scaling.mean) shift_.push_back(mean * scaling.scale);
    for (const double std : scaling.std) factor_.push_back(1.0 / (std * scaling.scale));
  }

  void scale(Tensor& input) const {
    if (shift_.size() == 1)
      input.sub_(shift_.front());
    else
      input.sub_(by_channel(shift_));
    if (factor_.size() == 1)
      input.mul_(factor_.front());
    else
      input.mul_(by_channel(factor_));
  }

  /// Values that go along with the channels of a batch.
  Tensor by_channel(const std::vector<double>& values) const {
    Extents shape(input_shape_.size() + 1, 1);
    shape[1] = static_cast<std::int64_t>(values.size());
    return at::tensor(values, at::TensorOptions(torch_type(dtype_))).view(shape);
  }

  static void require_probabilities(const Tensor& targets, std::span<const std::uint64_t> ids) {
    const Tensor wrong = targets.lt(0).logical_or(targets.gt(1)).any(1);
    if (!wrong.any().item().toBool()) return;
    const auto first = static_cast<std::size_t>(wrong.to(at::kInt).argmax(0).item().toLong());
    throw DataError(text("model.loss = \"bce\" needs targets from 0 to 1: sample ",
                         first < ids.size() ? ids[first] : first, first < ids.size() ? "" : " of a batch",
                         " has another"));
  }

  /// In the type of the parameters, whatever they were computed in.
  Tensor output_of(const Given& given, const Pass& pass) const {
    const Bf16Arithmetic arithmetic(in_bf16_);
    return plan_.forward(given.inputs.front(), pass).to(torch_type(dtype_));
  }

  Pass pass_over(std::span<const Tensor> inputs) const {
    return {.parameters = parameters_, .buffers = buffers_, .inputs = inputs};
  }

  Pass training_pass(std::span<const Tensor> inputs) {
    Pass pass = pass_over(inputs);
    pass.training = true;
    pass.gradients = this;
    pass.statistics = statistics_ ? &*statistics_ : nullptr;
    pass.seed = seed_;
    return pass;
  }

  static void add_to(ClassCounts* counts, const Tensor& truth, const Tensor& predicted) {
    if (counts == nullptr || counts->empty()) return;
    const Tensor true_classes = truth.to(at::kLong).contiguous();
    const Tensor predicted_classes = predicted.to(at::kLong).contiguous();
    const auto* from = true_classes.data_ptr<std::int64_t>();
    const auto* to = predicted_classes.data_ptr<std::int64_t>();
    for (std::int64_t i = 0; i < true_classes.numel(); ++i)
      counts->add(static_cast<std::size_t>(from[i]), static_cast<std::size_t>(to[i]));
  }

  Score score_of(const Tensor& output, const Tensor& targets, ClassCounts* counts) const {
    const auto total = [](const Tensor& flags) { return static_cast<std::uint64_t>(flags.sum().item().toLong()); };
    Score score;
    if (kind_ != TargetKind::numbers) {
      score.answers = static_cast<std::uint64_t>(targets.numel());
      const Tensor its = output.gather(-1, targets.unsqueeze(-1));  // before anything else: it checks the labels
      const Tensor predicted = output.argmax(-1);
      score.correct = total(predicted.eq(targets));
      score.in_top5 = output.size(-1) <= 5 ? score.answers : total(output.gt(its).sum(-1).lt(5));
      add_to(counts, targets, predicted);
    } else if (loss_row_.yes_or_no) {
      score.answers = score.in_top5 = static_cast<std::uint64_t>(targets.numel());
      const Tensor predicted = output.gt(0);
      const Tensor truth = targets.gt(0.5);
      score.correct = total(predicted.eq(truth));
      add_to(counts, truth, predicted);
    } else {
      score.squared_error = output.sub(targets).to(at::kDouble).square().sum().item().toDouble();
      score.targets.resize(static_cast<std::size_t>(shape_.outputs));
      const Tensor wide = targets.to(at::kDouble).contiguous();
      const auto* value = wide.data_ptr<double>();
      for (std::int64_t n = 0; n < wide.size(0); ++n)
        for (Moments& target : score.targets) target.add(*value++);
    }
    return score;
  }

  /// autograd has the whole gradient of a parameter, in memory of its own: copied, it is written once, where zeros to
  /// be added to would be written, read and written.
  void take_gradient(std::size_t parameter) {
    Tensor& gradient = parameters_[parameter].mutable_grad();
    if (!gradient.defined()) return;  // the layer has put it already
    put(parameter, 0, gradient);
    gradient.reset();
  }

  void put(std::size_t parameter, std::int64_t first, const Tensor& gradient) override {
    const bool is_scalar = gradient.dim() == 0;
    const Tensor memory = is_scalar ? gradients_[parameter] : gradients_[parameter].narrow(0, first, gradient.size(0));
    if (written_[parameter])
      memory.add_(gradient);
    else
      memory.copy_(gradient);
    const std::int64_t elements = gradients_[parameter].numel();
    const std::int64_t row = is_scalar || gradient.size(0) == 0 ? elements : gradient.numel() / gradient.size(0);
    const std::int64_t begin = first * row;
    const bool is_last = begin + gradient.numel() == elements;
    notify(parameter, static_cast<std::size_t>(begin), static_cast<std::size_t>(gradient.numel()));
    if (is_last) written_[parameter] = true;
  }

  // An exception must not unwind through the autograd engine, which would wrap it: it is kept until backward() has
  // ended.
  void notify(std::size_t parameter, std::size_t first, std::size_t count) noexcept {
    if (failure_ || !ready_) return;
    try {
      ready_(parameter, first, count);
    } catch (...) {
      failure_ = std::current_exception();
    }
  }

  const ModelOptions options_;
  std::vector<double> shift_;   // what becomes of an input: (input - shift) * factor
  std::vector<double> factor_;  // likewise one number, or one for each channel
  const Loss& loss_row_;
  const TargetKind kind_;
  const Extents input_shape_;  // of a sample as it lies in a batch
  const ModelShape shape_;
  ModelPlan plan_;
  const DType dtype_;
  const bool in_bf16_;
  const std::uint64_t seed_;
  std::vector<Tensor> buffers_;
  std::optional<SharedStatistics> statistics_;
  GradientReady ready_;
  std::vector<Tensor> parameters_;
  std::vector<Tensor> gradients_;  // views of the gradient memory
  std::vector<bool> written_;      // by parameter: by a backward pass of this step
  std::vector<std::shared_ptr<torch::autograd::Node>> accumulators_;
  Tensor loss_;  // of the last forward, with its graph
  std::exception_ptr failure_;
};

Network::Network(const ModelOptions& options, const InputScaling& scaling, const Task& task,
                 StatisticsExchange* statistics)
    : impl_(translating_errors([&] { return std::make_unique<Impl>(options, scaling, task, statistics); })) {
  keep_freed_memory();
}
Network::~Network() = default;

const std::vector<ParameterInfo>& Network::parameters() const noexcept { return impl_->plan().parameters; }
std::vector<NamedBuffer> Network::buffers() const { return impl_->buffers(); }
std::uint64_t Network::multiply_adds() const noexcept { return impl_->plan().multiply_adds(); }
Narrowest Network::narrowest() const { return {impl_->plan().narrowest.name, impl_->plan().narrowest.values}; }
std::size_t Network::numbers() const noexcept { return impl_->outputs_of_numbers(); }
std::size_t Network::classes() const noexcept { return impl_->classes(); }

std::vector<std::size_t> Network::arrival_order() {
  return translating_errors([&] { return impl_->arrival_order(); });
}
void Network::bind(const Buckets& buckets, GradientReady ready) {
  translating_errors([&] { impl_->bind(buckets, std::move(ready)); });
}
double Network::forward(const Samples& samples) {
  const TraceSpan span("forward");
  return translating_errors([&] { return impl_->forward(samples); });
}
void Network::begin_gradients() noexcept { impl_->begin_gradients(); }
void Network::end_gradients() noexcept { impl_->end_gradients(); }
void Network::backward(double weight) {
  const TraceSpan span("backward");
  translating_errors([&] { impl_->backward(weight); });
}
void Network::skip() {
  translating_errors([&] { impl_->skip(); });
}
Evaluated Network::evaluate(const Samples& samples, ClassCounts* counts) {
  return translating_errors([&] { return impl_->evaluate(samples, counts); });
}
std::string Network::torchscript(std::span<const ConstBuffer> parameters,
                                 const std::map<std::string, std::string>& extra_files) const {
  return translating_errors([&] { return impl_->torchscript(parameters, extra_files); });
}

}  // namespace tutti::trainer
