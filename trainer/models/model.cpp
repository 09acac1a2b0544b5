// The table of models.
#include <tutti/trainer/models/model.hpp>

#include <filesystem>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>
#include <tutti/trainer/models/torchscript.hpp>
#include <tutti/trainer/tables/named_rows.hpp>

namespace tutti::trainer {

namespace {

constexpr Model kModels[] = {
    {"softmax", "softmax regression: one dense layer", "cross_entropy", false, plan_softmax},
    {"mlp", "perceptron: model.depth hidden layers of model.hidden units", "cross_entropy", false, plan_mlp},
    {"convnet", "two convolutions of model.channels channels, one hidden layer", "cross_entropy", false, plan_convnet},
    {"lenet5", "LeNet-5, with relu and max pooling", "cross_entropy", false, plan_lenet5},
    {"linear", "linear regression: one dense layer", "mse", false, plan_linear},
    {"logistic", "logistic regression: one dense layer", "bce", false, plan_logistic},
    {"vgg11", "VGG-11: eight convolutions", "cross_entropy", false, plan_vgg11},
    {"resnet18", "ResNet-18: eight residual blocks of two convolutions", "cross_entropy", false, plan_resnet18},
    {"resnet34", "ResNet-34: sixteen residual blocks of two convolutions", "cross_entropy", false, plan_resnet34},
    {"resnet50", "ResNet-50: sixteen bottlenecks of three convolutions", "cross_entropy", false, plan_resnet50},
    {"gpt", "transformer that foresees the next byte: model.layers, heads, width", "cross_entropy", true, plan_gpt},
};

}  // namespace

at::Tensor Stage::forward(const at::Tensor& input, const Pass& pass) const {
  at::Tensor x = input;
  for (const Layer& layer : layers) x = layer(x, pass);
  return x;
}

at::Tensor ModelPlan::forward(const at::Tensor& input, const Pass& pass) const {
  at::Tensor x = input;
  for (const Stage& stage : stages) x = stage.forward(x, pass);
  return x;
}

std::uint64_t ModelPlan::multiply_adds() const noexcept {
  std::uint64_t sum = 0;
  for (const Stage& stage : stages) sum += stage.multiply_adds;
  return sum;
}

std::span<const Model> model_table() noexcept { return kModels; }

const Model& find_model(std::string_view name) { return row_named(kModels, "model", name); }

std::span<const std::string_view> model_names() noexcept {
  static constexpr auto kNames = names_of(kModels);
  return kNames;
}

ModelPlan plan_model(const ModelShape& shape, const ModelOptions& options) {
  if (!options.file.empty()) return plan_torchscript(shape, options);
  const Model& model = find_model(options.name);
  try {
    ModelPlan plan = model.plan(shape, options);
    if (options.dropout > 0.0 && !plan.has_dropout) throw InvalidArgument("has no dropout: model.dropout must be 0");
    if (options.batch_norm && plan.buffers.empty())
      throw InvalidArgument("has no batch normalisation: model.batch_norm must be false");
    if (options.batch_norm_statistics != "local" && plan.batch_norms.empty())
      throw InvalidArgument("has no batch normalisation: model.batch_norm_statistics must be \"local\"");
    return plan;
  } catch (const InvalidArgument& error) {
    throw InvalidArgument(text("model.name = \"", model.name, "\" ", error.what()));
  }
}

std::string model_title(const ModelOptions& options) {
  return options.file.empty() ? options.name : std::filesystem::path(options.file).filename().string();
}

}  // namespace tutti::trainer
