// Weights out of a run and into another: files of safetensors.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <tutti/io/checkpoint.hpp>
#include <tutti/io/safetensors.hpp>
#include <tutti/kernels/cast.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>
#include <tutti/trainer/config/config.hpp>
#include <tutti/trainer/memory/parameters.hpp>
#include <tutti/trainer/run/export.hpp>
#include <tutti/trainer/run/initial_weights.hpp>

#include "tests/trainer/training_runs.hpp"

namespace tutti::trainer::test {

namespace {

class Exports : public TrainingTest {
 protected:
  /// On rank 0, where the files are; the others wait.
  void at_root(const std::function<void()>& work) const {
    if (world_.rank() == 0) work();
    barrier(world_);
  }

  std::string file(const std::string& name) const { return (path() / name).string(); }

  std::string message_of(const ExportOptions& options) const {
    try {
      export_model(options);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }

  io::Checkpoint checkpoint(const std::string& run, std::uint64_t step) const {
    const std::string digits = text(step);
    return io::read_checkpoint(path() / run / "checkpoints" /
                               ("step-" + std::string(12 - digits.size(), '0') + digits + ".h5"));
  }

  Config normalised(const std::string& run) const {
    Config c = config("mlp", run);
    c.model.batch_norm = true;
    c.train.batch_size = 12;
    c.optimizer.ema_decay = 0.9;
    return c;
  }

  /// `tensor` with the values of its type f32 in another.
  template <class To>
  static io::NamedTensor as(io::NamedTensor tensor, DType dtype, To (*convert)(float)) {
    std::vector<To> values(tensor.bytes.size() / sizeof(float));
    for (std::size_t i = 0; i < values.size(); ++i) {
      float value = 0.0F;
      std::memcpy(&value, tensor.bytes.data() + i * sizeof(float), sizeof(float));
      values[i] = convert(value);
    }
    const auto bytes = std::as_bytes(std::span(values));
    tensor.bytes.assign(bytes.begin(), bytes.end());
    tensor.dtype = dtype;
    return tensor;
  }
};

TEST_F(Exports, HoldTheNewestCheckpointUnderTheNamesOfTheModel) {
  Config c = normalised("run");
  c.train.max_steps = 4;
  c.run.checkpoint_every = 2;
  run(2, c);
  at_root([&] {
    EXPECT_EQ(export_model({.from = c.run.dir, .to = file("run.safetensors")}),
              file("run.safetensors") + ": mlp after step 4, 703 parameters");
    export_model({.from = c.run.dir, .to = file("average.safetensors"), .average = true});
    export_model({.from = path() / "run" / "checkpoints" / "step-000000000002.h5", .to = file("two.safetensors")});
    const io::Checkpoint last = checkpoint("run", 4);
    const io::Safetensors content = io::read_safetensors(file("run.safetensors"));
    const io::Safetensors average = io::read_safetensors(file("average.safetensors"));
    const io::Safetensors two = io::read_safetensors(file("two.safetensors"));
    // Those of a torch.nn.Module with Linear hidden and output, and so on.
    std::vector<std::string> names;
    for (std::size_t i = 0; i < content.tensors.size(); ++i) {
      const io::NamedTensor& tensor = content.tensors[i];
      names.push_back(tensor.name);
      const bool is_buffer = tensor.name.find("running") != std::string::npos;
      EXPECT_EQ(tensor.bytes, last.tensor((is_buffer ? "buffers/" : "parameters/") + tensor.name).bytes);
      EXPECT_EQ(average.tensors[i].bytes,
                last.tensor((is_buffer ? "buffers/" : "optimizer/average/") + tensor.name).bytes);
      EXPECT_EQ(two.tensors[i].bytes,
                checkpoint("run", 2).tensor((is_buffer ? "buffers/" : "parameters/") + tensor.name).bytes);
    }
    EXPECT_EQ(names, (std::vector<std::string>{"hidden.bias", "hidden.norm.bias", "hidden.norm.running_mean",
                                               "hidden.norm.running_var", "hidden.norm.weight", "hidden.weight",
                                               "output.bias", "output.weight"}));
    EXPECT_EQ(content.metadata.at("format"), "pt");
    EXPECT_EQ(content.metadata.at("model"), "mlp");
    EXPECT_EQ(content.metadata.at("step"), "4");
    EXPECT_EQ(content.metadata.at("values"), "parameters");
    EXPECT_EQ(content.metadata.at("data.mean"), "0.3");
    EXPECT_EQ(average.metadata.at("values"), "average");
    EXPECT_EQ(two.metadata.at("step"), "2");
  });
}

TEST_F(Exports, WhatCannotBeExportedIsNamed) {
  Config c = config("softmax", "run");
  c.train.max_steps = 1;
  run(1, c);
  at_root([&] {
    const std::string there = file("there.safetensors");
    write_file(there, "precious");
    EXPECT_EQ(message_of({.from = c.run.dir, .to = there}),
              there + ": the file is there already; --force overwrites it");
    EXPECT_EQ(read_file(there), "precious");
    export_model({.from = c.run.dir, .to = there, .force = true});
    EXPECT_EQ(io::read_safetensors(there).tensors.size(), 2U);
    EXPECT_EQ(message_of({.from = c.run.dir, .to = "x.onnx"}), "--to x.onnx: the name must end in .safetensors or .pt");
    EXPECT_EQ(message_of({.from = path() / "train", .to = file("x.pt")}),
              file("train") + ": the folder holds no run with a checkpoint that is whole");
    expect_parts(message_of({.from = c.run.dir, .to = file("x.pt"), .average = true}),
                 {"step-000000000001.h5: the run keeps no average"});
    expect_parts(message_of({.from = file("nothing"), .to = file("x.pt")}), {file("nothing")});
    const std::string other = file("other.h5");
    io::write_checkpoint(other, {.description = "{}", .tensors = {}});
    expect_parts(message_of({.from = other, .to = file("x.pt")}), {other, "not a checkpoint of a training run"});
    expect_parts(message_of({.from = c.run.dir, .to = file("no/x.pt")}), {file("no/x.pt"), "No such file"});
    EXPECT_FALSE(fs::exists(file("x.pt")));
  });
}

TEST_F(Exports, AnotherRunBeginsWithThem) {
  run(2, normalised("run"));
  at_root([&] { export_model({.from = file("run"), .to = file("w.safetensors")}); });
  Config c = normalised("next");
  c.train.seed = 7;
  c.train.batch_size = 15;  // two samples or more on each rank
  c.train.max_steps = 1;
  c.model.weights = file("w.safetensors");
  run(3, c);
  at_root([&] {
    const io::Checkpoint first = checkpoint("next", 0);
    for (const io::NamedTensor& tensor : io::read_safetensors(file("w.safetensors")).tensors) {
      const bool is_buffer = tensor.name.find("running") != std::string::npos;
      EXPECT_EQ(tensor.bytes, first.tensor((is_buffer ? "buffers/" : "parameters/") + tensor.name).bytes)
          << tensor.name;
    }
  });
}

TEST_F(Exports, TheScoreIsTheSame) {
  const auto trained = run(2, config("convnet", "run"));
  at_root([&] { export_model({.from = file("run"), .to = file("w.safetensors")}); });
  Config c = config("convnet", "next");
  c.model.weights = file("w.safetensors");
  c.train.max_steps = 1;
  c.optimizer = {.learning_rate = 0.0, .momentum = 0.0};
  const auto next = run(2, c);
  if (!next) return;
  EXPECT_EQ(next->result.parameter_hash, trained->result.parameter_hash);
  EXPECT_EQ(next->result.test->loss, trained->result.test->loss);
  EXPECT_EQ(next->result.test->correct, trained->result.test->correct);
}

TEST_F(Exports, AResumedRunDoesNotNeedThem) {
  run(2, config("softmax", "run"));
  at_root([&] { export_model({.from = file("run"), .to = file("w.safetensors")}); });
  Config c = config("softmax", "whole");
  c.model.weights = file("w.safetensors");
  const auto whole = run(2, c);
  c.run.dir = file("parts");
  c.train.max_steps = 3;
  run(2, c);
  at_root([&] { fs::remove(file("w.safetensors")); });
  c.train.max_steps = 0;
  const auto parts = run(2, c, true);
  if (whole) {
    EXPECT_EQ(whole->result.parameter_hash, parts->result.parameter_hash);
  }
}

TEST_F(Exports, OtherTypesAreConverted) {
  Config c = config("softmax", "run");
  c.train.max_steps = 1;
  run(1, c);
  at_root([&] {
    export_model({.from = file("run"), .to = file("w.safetensors")});
    io::Safetensors content = io::read_safetensors(file("w.safetensors"));
    auto& tensors = content.tensors;  // bias, weight
    tensors = {as<double>(tensors[0], DType::f64, [](float x) { return double{x}; }),
               as<bfloat16>(tensors[1], DType::bf16, to_bf16)};
    io::write_safetensors(file("a.safetensors"), content);
    tensors[1] = as<float16>(io::read_safetensors(file("w.safetensors")).tensors[1], DType::f16, to_f16);
    io::write_safetensors(file("b.safetensors"), content);
  });
  for (const std::string name : {"a", "b"}) {
    for (const std::string dtype : {"f32", "f64"}) {
      c.model.dtype = dtype;
      c.model.weights = file(name + ".safetensors");
      c.run.dir = file(name + dtype);
      run(1, c);
      at_root([&] {
        const io::Checkpoint first = checkpoint(name + dtype, 0);
        const io::NamedTensor from = checkpoint("run", 1).tensor("parameters/output.weight");
        const io::NamedTensor to = first.tensor("parameters/output.weight");
        EXPECT_EQ(to.dtype, dtype_from_name(dtype));
        for (std::size_t i = 0; i < 192; ++i) {
          float before = 0.0F;
          std::memcpy(&before, from.bytes.data() + i * sizeof(float), sizeof(float));
          const float rounded = name == "a" ? to_f32(to_bf16(before)) : to_f32(to_f16(before));
          double after = 0.0;
          float narrow = 0.0F;
          if (dtype == "f64")
            std::memcpy(&after, to.bytes.data() + i * sizeof(double), sizeof(double));
          else
            std::memcpy(&narrow, to.bytes.data() + i * sizeof(float), sizeof(float));
          EXPECT_EQ(dtype == "f64" ? after : double{narrow}, double{rounded}) << name << dtype << i;
        }
      });
    }
  }
}

TEST_F(Exports, WhatDoesNotFitIsNamedBeforeAFolderIsMade) {
  Config c = config("mlp", "run");
  c.train.max_steps = 1;
  run(1, c);
  const auto write = [&](const std::string& name, const std::function<void(std::vector<io::NamedTensor>&)>& change) {
    at_root([&] {
      io::Safetensors content = io::read_safetensors(file("w.safetensors"));
      change(content.tensors);
      io::write_safetensors(file(name), content);
    });
    c.model.weights = file(name);
  };
  at_root([&] { export_model({.from = file("run"), .to = file("w.safetensors")}); });
  c.run.dir = file("next");
  const std::string says = "model.weights = \"" + file("x.safetensors") + "\": ";
  write("x.safetensors", [](auto& tensors) { tensors.resize(2); });  // hidden.bias, hidden.weight
  EXPECT_EQ(agreed_error(c), says +
                                 "the file lacks 2 tensor(s): output.weight, output.bias; model.weights_skip leaves "
                                 "tensors of the model as they would begin");
  write("x.safetensors", [](auto& tensors) {
    for (int i = 0; i < 6; ++i) {
      tensors.push_back(tensors.front());
      tensors.back().name = text("more", i);
    }
  });
  EXPECT_EQ(agreed_error(c), says +
                                 "the file has, and the model has not, 6 tensor(s): more0, more1, more2, more3 and 2 "
                                 "more; model.weights_skip passes over tensors of the file");
  write("x.safetensors", [](auto& tensors) { tensors[0].shape = {2, 5}; });
  EXPECT_EQ(agreed_error(c), says + "tensor hidden.bias has shape [2,5] in the file, [10] in the model");
  write("x.safetensors", [](auto& tensors) { tensors[0].dtype = DType::i32; });
  EXPECT_EQ(agreed_error(c), says + "tensor hidden.bias is of type i32 in the file, of f32 in the model");
  write("x.safetensors",
        [](auto& tensors) { tensors[0] = as<double>(tensors[0], DType::f64, [](float) { return 1e300; }); });
  EXPECT_EQ(agreed_error(c), says + "element 0 of tensor hidden.bias is not finite as f32");
  c.model.weights_skip = "hid*, nothing";
  EXPECT_EQ(agreed_error(c),
            "model.weights_skip: 'nothing' matches no tensor of the model, and none of " + file("x.safetensors"));
  c.model.weights_skip = "a,,b";
  EXPECT_EQ(agreed_error(c), "model.weights_skip = \"a,,b\": a name is missing");
  c.model.weights_skip = "";
  at_root([&] { write_file(file("x.safetensors"), "no such file"); });
  expect_parts(agreed_error(c), {file("x.safetensors"), "not a safetensors file"});
  at_root([&] { fs::remove(file("x.safetensors")); });
  expect_parts(agreed_error(c), {file("x.safetensors"), "No such file"});
  if (world_.rank() == 0) {
    EXPECT_FALSE(fs::exists(c.run.dir));
  }
}

// As if the run were of resnet18, whose last layer has the name of softmax's only one.
TEST_F(Exports, TorchvisionsNamesGoBothWays) {
  Config c = config("softmax", "run");
  c.train.max_steps = 1;
  run(1, c);
  at_root([&] {
    io::Checkpoint changed = checkpoint("run", 1);
    auto description = nlohmann::json::parse(changed.description);
    c.model.name = "resnet18";
    description["config"] = to_toml(c);
    changed.description = description.dump();
    io::write_checkpoint(file("changed.h5"), changed);
    export_model({.from = file("changed.h5"), .to = file("w.safetensors"), .torchvision_names = true});
    const io::Safetensors content = io::read_safetensors(file("w.safetensors"));
    ASSERT_EQ(content.tensors.size(), 2U);
    EXPECT_EQ(content.tensors[0].name, "fc.bias");
    EXPECT_EQ(content.tensors[1].name, "fc.weight");
    EXPECT_EQ(message_of({.from = file("changed.h5"), .to = file("w.pt"), .torchvision_names = true}),
              "--names is for .safetensors: a module keeps its own");

    c.model.weights = file("w.safetensors");
    std::vector<ParameterInfo> parameters{{.name = "output.weight", .shape = {3, 64}},
                                          {.name = "output.bias", .shape = {3}}};
    EXPECT_THROW(read_initial_weights(c.model, parameters, {}), DataError);
    c.model.weights_names = "torchvision";
    read_initial_weights(c.model, parameters, {});
    const io::NamedTensor& weight = changed.tensor("parameters/output.weight");
    ASSERT_NE(parameters[0].initial_values, nullptr);
    EXPECT_EQ(std::memcmp(parameters[0].initial_values.get(), weight.bytes.data(), weight.bytes.size()), 0);
  });
  c = config("softmax", "next");
  c.model.weights = file("w.safetensors");
  c.model.weights_names = "torchvision";
  expect_parts(agreed_error(c), {"torchvision has no names for the tensors of softmax"});
}

// Another head: the file has one for other classes.
TEST_F(Exports, WhatIsPassedOverBeginsAsItWould) {
  Config c = config("mlp", "run");
  c.train.max_steps = 2;
  run(1, c);
  at_root([&] {
    export_model({.from = file("run"), .to = file("w.safetensors")});
    io::Safetensors content = io::read_safetensors(file("w.safetensors"));
    for (io::NamedTensor& tensor : content.tensors)
      if (tensor.name == "output.bias")
        tensor.name = "head.bias";
      else if (tensor.name == "output.weight")
        tensor.shape = {10, 3};
    io::write_safetensors(file("other.safetensors"), content);
  });
  c.run.dir = file("next");
  c.model.weights = file("other.safetensors");
  c.model.weights_skip = "output.*, head.*";
  run(2, c);
  at_root([&] {
    for (const std::string name : {"hidden.weight", "hidden.bias"})
      EXPECT_EQ(checkpoint("next", 0).tensor("parameters/" + name).bytes,
                checkpoint("run", 2).tensor("parameters/" + name).bytes);
    EXPECT_EQ(checkpoint("next", 0).tensor("parameters/output.weight").bytes,
              checkpoint("run", 0).tensor("parameters/output.weight").bytes)
        << "random, by the same seed";
  });
}

}  // namespace

}  // namespace tutti::trainer::test
