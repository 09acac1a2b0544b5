// A perceptron: {n, inputs} -> dense, relu {n, hidden}, `depth` times -> dense -> {n, outputs}
#include <string>

#include <tutti/kernels/text.hpp>
#include <tutti/trainer/models/layers.hpp>
#include <tutti/trainer/models/model.hpp>

namespace tutti::trainer {

ModelPlan plan_mlp(const ModelShape& shape, const ModelOptions& options) {
  ModelBuilder model(shape.input);
  for (std::int64_t i = 1; i <= options.depth; ++i) {
    const std::string name = i == 1 ? "hidden" : text("hidden", i);
    model.stage(name);
    model.dense(name, options.hidden, Start::relu);
    if (options.batch_norm) model.batch_norm(name + ".norm");
    model.relu();
    model.dropout(options.dropout);
  }
  model.stage("output");
  model.dense("output", shape.outputs, Start::output);
  return model.finish();
}

}  // namespace tutti::trainer
