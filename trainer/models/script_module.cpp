#include <tutti/trainer/models/script_module.hpp>

#include <ATen/Context.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/frontend/tracer.h>

#include <cstddef>
#include <memory>
#include <sstream>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace tutti::trainer {

namespace {

using at::Tensor;
using c10::QualifiedName;
using torch::jit::Module;

/// While it lives, dense layers are those of every build of libtorch, so that every build can run what is recorded.
class WithoutOneDnn {
 public:
  WithoutOneDnn() { at::globalContext().setUserEnabledMkldnn(false); }
  ~WithoutOneDnn() { at::globalContext().setUserEnabledMkldnn(before_); }
  WithoutOneDnn(const WithoutOneDnn&) = delete;
  WithoutOneDnn& operator=(const WithoutOneDnn&) = delete;

 private:
  const bool before_ = at::globalContext().userEnabledMkldnn();
};

/// A module without tensors that is, and stays, in evaluation mode: what is recorded knows no other.
Module empty_module(const std::string& type, const std::shared_ptr<torch::jit::CompilationUnit>& unit) {
  Module module(QualifiedName(type), unit, /*shouldMangle=*/true);
  module.register_attribute("training", c10::BoolType::get(), false);
  return module;
}

/// Registers `tensor` as "a.b.c": as c of the submodule b of a, which are made where they are missing.
void add_tensor(Module root, const std::shared_ptr<torch::jit::CompilationUnit>& unit, std::string_view name,
                const Tensor& tensor, bool is_buffer) {
  Module module = std::move(root);
  for (auto dot = name.find('.'); dot != std::string_view::npos; dot = name.find('.')) {
    const std::string part(name.substr(0, dot));
    if (!module.hasattr(part)) module.register_module(part, empty_module("__torch__.tutti.Layer", unit));
    module = module.attr(part).toModule();
    name.remove_prefix(dot + 1);
  }
  module.register_parameter(std::string(name), tensor, is_buffer);
}

/// A tensor that owns its memory: a view would be written with all that it is a view of.
Tensor owned(const Tensor& tensor) { return tensor.detach().clone(at::MemoryFormat::Contiguous); }

Module recorded_module(const TrainedModel& model) {
  const auto unit = std::make_shared<torch::jit::CompilationUnit>();
  Module module = empty_module("__torch__.tutti.Model", unit);
  std::vector<Tensor> parameters;
  std::vector<Tensor> buffers;
  for (std::size_t i = 0; i < model.parameters.size(); ++i) {
    parameters.push_back(owned(model.parameters[i]).set_requires_grad(true));
    add_tensor(module, unit, model.plan.parameters[i].name, parameters.back(), /*is_buffer=*/false);
  }
  for (std::size_t i = 0; i < model.buffers.size(); ++i) {
    buffers.push_back(owned(model.buffers[i]));
    add_tensor(module, unit, model.plan.buffers[i].name, buffers.back(), /*is_buffer=*/true);
  }
  const WithoutOneDnn plain;
  const c10::NoGradGuard no_gradients;
  Extents extents = model.shape.input;
  extents.insert(extents.begin(), 2);  // any number but 1, which would be broadcast
  const auto type = model.takes_integers ? at::kLong : parameters.front().scalar_type();
  const auto forward = [&](torch::jit::Stack inputs) {
    return torch::jit::Stack{
        model.plan.forward(inputs.front().toTensor(), {.parameters = parameters, .buffers = buffers})};
  };
  const auto trace = torch::jit::tracer::trace({at::zeros(extents, at::TensorOptions(type))}, forward,
                                               [](const Tensor&) { return ""; },
                                               /*strict=*/true, /*force_outplace=*/false, &module, {"input"});
  module.type()->addMethod(unit->create_function(QualifiedName(*module.type()->name(), "forward"), trace.first->graph));
  return module;
}

/// The module of a model of a file. Its tensors are not used any more afterwards: they have these values.
Module module_of_file(const TrainedModel& model) {
  for (std::size_t i = 0; i < model.parameters.size(); ++i)
    model.plan.own_parameters[i].set_data(owned(model.parameters[i]));
  for (std::size_t i = 0; i < model.buffers.size(); ++i) model.plan.own_buffers[i].set_data(owned(model.buffers[i]));
  Module module = *model.plan.own_module;
  module.eval();
  return module;
}

}  // namespace

std::string torchscript_file(const TrainedModel& model, const std::map<std::string, std::string>& extra_files) {
  const Module module = model.plan.own_module ? module_of_file(model) : recorded_module(model);
  std::ostringstream file;
  module.save(file, {extra_files.begin(), extra_files.end()});
  return std::move(file).str();
}

}  // namespace tutti::trainer
