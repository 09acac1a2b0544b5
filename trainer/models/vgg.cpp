// VGG-11 (Simonyan and Zisserman, ICLR 2015, configuration A): eight 3x3 convolutions, five times halved, then
//   stem "small"     dense -> {n, outputs}, for images of about 32 x 32
//   stem "imagenet"  averaged to 7 x 7, dense 4096, dense 4096, dense -> {n, outputs}, dropout between the dense layers
#include <string>

#include <tutti/kernels/text.hpp>
#include <tutti/trainer/models/layers.hpp>
#include <tutti/trainer/models/model.hpp>

namespace tutti::trainer {

ModelPlan plan_vgg11(const ModelShape& shape, const ModelOptions& options) {
  constexpr std::int64_t kPool = 0;
  ModelBuilder model(shape.input);
  int number = 0;
  for (const std::int64_t channels :
       {std::int64_t{64}, kPool, std::int64_t{128}, kPool, std::int64_t{256}, std::int64_t{256}, kPool,
        std::int64_t{512}, std::int64_t{512}, kPool, std::int64_t{512}, std::int64_t{512}, kPool}) {
    if (channels == kPool) {
      model.max_pool(2, 2);
      continue;
    }
    const std::string name = text("conv", ++number);
    model.stage(name);
    model.convolution(name, {.channels = channels, .padding = 1}, Start::fan_out);
    if (options.batch_norm) model.batch_norm(name + ".norm");
    model.relu();
  }
  if (options.stem == "imagenet") {
    model.average_pool(7);
    for (const char* name : {"hidden1", "hidden2"}) {
      model.stage(name);
      model.dense(name, 4096, Start::linear);
      model.relu();
      model.dropout(options.dropout);
    }
  }
  model.stage("output");
  model.dense("output", shape.outputs, Start::linear);
  return model.finish();
}

}  // namespace tutti::trainer
