// The executor is told to run graphs as they are: its optimised plans have formulas of gradients of their own and come
// into use after the first call, so that results would differ from call to call.
#include <tutti/trainer/models/torchscript.hpp>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/csrc/jit/passes/inliner.h>
#include <torch/csrc/jit/python/update_graph_executor_opt.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/csrc/jit/serialization/import.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>
#include <tutti/trainer/models/bf16_arithmetic.hpp>

namespace tutti::trainer {

namespace {

using at::Tensor;
using torch::jit::Module;

[[noreturn]] void refuse(const ModelOptions& options, const std::string& what) {
  throw InvalidArgument(text("model.file = \"", options.file, "\": ", what));
}

std::string first_line(const std::string& message) { return message.substr(0, message.find('\n')); }

Module loaded(const ModelOptions& options) {
  if (!std::filesystem::is_regular_file(options.file)) refuse(options, "there is no such file");
  try {
    return torch::jit::load(options.file, at::kCPU);
  } catch (const c10::Error& error) {
    const std::string message = error.what_without_backtrace();
    if (message.find("constants.pkl") != std::string::npos)
      refuse(options, "this is a state_dict, not a module: write torch.jit.script(model).save(file)");
    refuse(options, text("it is not a TorchScript module that can be loaded: ", first_line(message)));
  }
}

/// Operators that draw from libtorch's generator, beside those that libtorch itself calls nondeterministic.
constexpr std::array<std::string_view, 22> kRandom{"aten::rand",
                                                   "aten::rand_like",
                                                   "aten::randn",
                                                   "aten::randn_like",
                                                   "aten::randint",
                                                   "aten::randint_like",
                                                   "aten::randperm",
                                                   "aten::bernoulli",
                                                   "aten::bernoulli_",
                                                   "aten::uniform_",
                                                   "aten::normal_",
                                                   "aten::random_",
                                                   "aten::cauchy_",
                                                   "aten::exponential_",
                                                   "aten::geometric_",
                                                   "aten::log_normal_",
                                                   "aten::dropout_",
                                                   "aten::rrelu_",
                                                   "aten::alpha_dropout",
                                                   "aten::alpha_dropout_",
                                                   "aten::feature_dropout",
                                                   "aten::feature_dropout_"};

std::optional<std::string> random_operator(torch::jit::Block* block) {
  for (torch::jit::Node* node : block->nodes()) {
    const std::string name = node->kind().toQualString();
    if (node->isNondeterministic() || std::find(kRandom.begin(), kRandom.end(), name) != kRandom.end()) return name;
    for (torch::jit::Block* inner : node->blocks())
      if (auto found = random_operator(inner)) return found;
  }
  return std::nullopt;
}

void require_deterministic(const Module& module, const ModelOptions& options) {
  const auto graph = module.get_method("forward").graph()->copy();
  torch::jit::Inline(*graph);
  if (const auto found = random_operator(graph->block()))
    refuse(options, text("operator ", *found,
                         " draws random numbers that depend on how samples are divided among "
                         "ranks; dropout: only in models of the trainer"));
}

std::vector<ModelShape::Input> inputs_of(const ModelShape& shape) {
  if (!shape.inputs.empty()) return shape.inputs;
  return {{.name = "input", .extents = shape.input, .integers = false}};
}

void require_inputs(const Module& module, const ModelShape& shape, const ModelOptions& options) {
  const auto& arguments = module.get_method("forward").function().getSchema().arguments();
  const std::size_t given = inputs_of(shape).size();
  std::size_t needed = 0;
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    if (!arguments[i].default_value()) ++needed;
    if (i <= given && arguments[i].type()->kind() != c10::TypeKind::TensorType)
      refuse(options, text("input ", arguments[i].name(), " of forward is a ", arguments[i].type()->repr_str(),
                           ", not a Tensor"));
  }
  if (given < needed || given + 1 > arguments.size())
    refuse(options, text("forward takes ", needed == arguments.size() - 1 ? "" : text(needed, " to "),
                         arguments.size() - 1, " input(s), data.input names ", given));
}

/// Errors of a module carry the lines of its source, and then the cause in the last line that is not empty.
std::string cause(const std::exception& error) {
  const auto* of_torch = dynamic_cast<const c10::Error*>(&error);
  std::string message = of_torch != nullptr ? of_torch->what_without_backtrace() : error.what();
  while (!message.empty() && message.back() == '\n') message.pop_back();
  return message.substr(message.rfind('\n') + 1);
}

/// \throws InvalidArgument with the cause.
Tensor run(Module& module, const std::vector<torch::jit::IValue>& inputs) {
  // Of this thread: whoever calls has an executor of its own.
  const torch::jit::GraphOptimizerEnabledGuard no_optimiser(false);
  try {
    const auto result = module.forward(inputs);
    return result.isTensor() ? result.toTensor() : Tensor();
  } catch (const std::exception& error) {
    throw InvalidArgument(text("forward fails: ", cause(error)));
  }
}

std::string extents_text(const Tensor& tensor) {
  std::string result;
  for (const auto extent : tensor.sizes()) result += text(result.empty() ? "{" : ", ", extent);
  return result.empty() ? "{}" : result + "}";
}

/// What comes out is {n, outputs}; {n} will do for one output.
Tensor as_rows(const Tensor& output) { return output.dim() == 1 ? output.unsqueeze(1) : output; }

void require_outputs(Module& module, const ModelShape& shape, const ModelOptions& options, at::ScalarType type) {
  std::vector<torch::jit::IValue> zeros;
  for (const auto& input : inputs_of(shape)) {
    Extents extents = input.extents;
    extents.insert(extents.begin(), 2);
    zeros.emplace_back(at::zeros(extents, at::TensorOptions(input.integers ? at::kLong : type)));
  }
  const at::NoGradGuard no_gradients;
  const bool in_bf16 = options.compute == "bf16";
  const Bf16Arithmetic arithmetic(in_bf16);
  Tensor output;
  module.eval();
  try {
    output = run(module, zeros);
  } catch (const InvalidArgument& error) {
    refuse(options,
           text(error.what(), " (on two samples of zeros", in_bf16 ? ", with model.compute = \"bf16\")" : ")"));
  }
  if (in_bf16 && output.defined() && output.scalar_type() == at::kBFloat16) output = output.to(type);
  if (!output.defined()) refuse(options, "forward does not give one Tensor");
  if (output.dim() == 0 || as_rows(output).dim() != 2 || output.size(0) != 2 ||
      as_rows(output).size(1) != shape.outputs || output.scalar_type() != type)
    refuse(options, text("forward gives ", extents_text(output), " of type ", c10::toString(output.scalar_type()),
                         " for 2 samples, not {2, ", shape.outputs, "} of ", c10::toString(type)));
}

/// Floating-point tensors to the model's type. Module::to() would convert counts as well.
void convert(const Module& module, at::ScalarType type) {
  const auto convert_tensor = [&](const Tensor& tensor) {
    if (tensor.is_floating_point() && tensor.scalar_type() != type) tensor.set_data(tensor.detach().to(type));
  };
  for (const Tensor& tensor : module.parameters()) convert_tensor(tensor);
  for (const Tensor& tensor : module.buffers()) convert_tensor(tensor);
}

bool is_there(const std::vector<Tensor>& tensors, const Tensor& tensor) {
  return std::any_of(tensors.begin(), tensors.end(), [&](const Tensor& t) { return t.is_same(tensor); });
}

/// Each tensor once, under its first name: tied weights are one parameter.
void add_parameters(ModelPlan& plan, const Module& module, const ModelOptions& options, at::ScalarType type) {
  for (const auto& parameter : module.named_parameters()) {
    if (is_there(plan.own_parameters, parameter.value)) continue;
    if (!parameter.value.requires_grad())
      refuse(options, text("parameter ", parameter.name, " is frozen (requires_grad = False)"));
    if (parameter.value.scalar_type() != type)
      refuse(options, text("parameter ", parameter.name, " is of type ", c10::toString(parameter.value.scalar_type())));
    const auto values = std::make_shared<Tensor>(parameter.value.detach().clone(at::MemoryFormat::Contiguous));
    plan.parameters.push_back({.name = parameter.name,
                               .shape = parameter.value.sizes().vec(),
                               .initial_values = std::shared_ptr<const void>(values, values->data_ptr())});
    plan.own_parameters.push_back(parameter.value);
  }
  if (plan.parameters.empty()) refuse(options, "the module has no parameters (frozen?)");
}

void add_buffers(ModelPlan& plan, const Module& module, const ModelOptions& options) {
  for (const auto& buffer : module.named_buffers()) {
    if (is_there(plan.own_buffers, buffer.value)) continue;
    if (!buffer.value.is_contiguous()) refuse(options, text("buffer ", buffer.name, " is not contiguous"));
    plan.buffers.push_back({.name = buffer.name, .shape = buffer.value.sizes().vec()});
    plan.own_buffers.push_back(buffer.value);
  }
}

}  // namespace

ModelPlan plan_torchscript(const ModelShape& shape, const ModelOptions& options) {
  if (options.dropout > 0.0 || options.batch_norm || options.batch_norm_statistics != "local")
    refuse(options, "model.dropout, model.batch_norm and its statistics are for models of the trainer");
  torch::jit::getProfilingMode() = false;
  const torch::jit::GraphOptimizerEnabledGuard no_optimiser(false);
  const at::ScalarType type = options.dtype == "f64" ? at::kDouble : at::kFloat;
  auto module = std::make_shared<Module>(loaded(options));
  if (!module->find_method("forward")) refuse(options, "the module has no method forward");
  require_inputs(*module, shape, options);
  require_deterministic(*module, options);
  convert(*module, type);
  ModelPlan plan;
  add_parameters(plan, *module, options, type);
  add_buffers(plan, *module, options);
  require_outputs(*module, shape, options, type);
  Stage stage{.name = "module", .output = {shape.outputs}};
  for (std::size_t i = 0; i < plan.parameters.size(); ++i) stage.parameters.push_back(i);
  for (std::size_t i = 0; i < plan.buffers.size(); ++i) stage.buffers.push_back(i);
  stage.layers.emplace_back([module, options](const Tensor&, const Pass& pass) {
    if (module->is_training() != pass.training) module->train(pass.training);
    try {
      return as_rows(run(*module, {pass.inputs.begin(), pass.inputs.end()}));
    } catch (const InvalidArgument& error) {
      refuse(options, error.what());
    }
  });
  plan.stages.push_back(std::move(stage));
  plan.own_module = std::move(module);
  return plan;
}

}  // namespace tutti::trainer
