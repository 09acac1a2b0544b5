// One dense layer: softmax regression {n, inputs} -> {n, classes}, linear regression -> {n, numbers}, logistic
// regression -> {n, answers that are yes or no}. The loss makes the difference.
#include <tutti/trainer/models/layers.hpp>
#include <tutti/trainer/models/model.hpp>

namespace tutti::trainer {

ModelPlan plan_softmax(const ModelShape& shape, const ModelOptions&) {
  ModelBuilder model(shape.input);
  model.stage("output");
  model.dense("output", shape.outputs, Start::output);
  return model.finish();
}

ModelPlan plan_linear(const ModelShape& shape, const ModelOptions& options) { return plan_softmax(shape, options); }

ModelPlan plan_logistic(const ModelShape& shape, const ModelOptions& options) { return plan_softmax(shape, options); }

}  // namespace tutti::trainer
