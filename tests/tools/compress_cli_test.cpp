// `tutti compress` as a user runs it: the list of codecs, and codecs on the tensors of files.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include <tutti/compression/codecs.hpp>
#include <tutti/io/checkpoint.hpp>
#include <tutti/io/safetensors.hpp>

#include "tests/support/paths.hpp"
#include "tests/tools/program.hpp"

namespace {

using tools_test::has;
using tools_test::on_ranks;
using tools_test::read_file;
using tools_test::TemporaryFolder;
using tools_test::tutti;

namespace fs = std::filesystem;

tutti::io::NamedTensor tensor_of(const std::string& name, const std::vector<std::size_t>& shape,
                                 const std::vector<float>& values) {
  tutti::io::NamedTensor tensor{.name = name, .shape = shape, .bytes = {}};
  tensor.bytes.resize(values.size() * sizeof(float));
  std::memcpy(tensor.bytes.data(), values.data(), tensor.bytes.size());
  return tensor;
}

/// Values that bfloat16 holds exactly, but for one.
std::vector<tutti::io::NamedTensor> some_tensors() {
  std::vector<float> odd(20, 1.0F);
  odd[7] = 1.0F + 0x1p-9F;  // bfloat16 has 8 bits: it becomes 1
  tutti::io::NamedTensor labels{.name = "labels", .dtype = tutti::DType::i32, .shape = {2}, .bytes = {}};
  labels.bytes.resize(2 * sizeof(std::int32_t));
  return {tensor_of("b/odd", {4, 5}, odd), tensor_of("a/exact", {3}, {0.5F, -2.0F, 8.0F}),
          tensor_of("a/zeros", {30}, std::vector<float>(30)), labels};
}

class CompressFile : public testing::Test {
 protected:
  TemporaryFolder folder_;
  fs::path file_ = folder_.path() / "t.safetensors";

  void SetUp() override { tutti::io::write_safetensors(file_, {.metadata = {}, .tensors = some_tensors()}); }

  nlohmann::json trial(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), "compress");
    arguments.emplace_back("--json");
    const auto outcome = tutti(arguments);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return nlohmann::json::parse(outcome.out);
  }
};

TEST_F(CompressFile, TellsBytesAndErrorsOfTensorsTheLargestFirst) {
  const auto told = trial({file_.string(), "--codec", "bf16", "--codec", "none"});
  EXPECT_EQ(told.at("left_out"), 1);
  ASSERT_EQ(told.at("codecs").size(), 2U);
  const auto& bf16 = told.at("codecs").at(0);
  EXPECT_EQ(bf16.at("codec"), "bf16");
  const auto& tensors = bf16.at("tensors");
  ASSERT_EQ(tensors.size(), 3U);
  EXPECT_EQ(tensors.at(0).at("name"), "a/zeros");
  EXPECT_TRUE(tensors.at(0).at("relative_squared_error").is_null());
  EXPECT_EQ(tensors.at(1).at("name"), "b/odd");
  EXPECT_EQ(tensors.at(1).at("encoded_bytes"), 40);
  EXPECT_EQ(tensors.at(1).at("shape"), (std::vector<int>{4, 5}));
  const double error = 0x1p-18;
  const double odd = std::pow(1.0 + 0x1p-9, 2);
  EXPECT_DOUBLE_EQ(tensors.at(1).at("relative_squared_error"), error / (19.0 + odd));
  EXPECT_EQ(tensors.at(2).at("relative_squared_error"), 0.0);
  EXPECT_EQ(bf16.at("total").at("bytes"), 212);
  EXPECT_EQ(bf16.at("total").at("ratio"), 2.0);
  EXPECT_DOUBLE_EQ(bf16.at("total").at("relative_squared_error"), error / (19.0 + odd + 68.25));
  EXPECT_EQ(told.at("codecs").at(1).at("total").at("ratio"), 1.0);
}

/// Whatever is in the table of codecs: on one rank and on several it says bytes and an error, or why it cannot.
TEST_F(CompressFile, EveryCodecIsTriedOrSaysWhyNot) {
  std::vector<std::string> arguments = {file_.string(), "--ranks", "5"};
  for (const tutti::Codec* codec : tutti::codecs()) {
    arguments.emplace_back("--codec");
    arguments.emplace_back(codec->name);
  }
  const auto told = trial(arguments);
  ASSERT_EQ(told.at("codecs").size(), tutti::codecs().size());
  for (const auto& of_codec : told.at("codecs")) {
    for (const auto& tensor : of_codec.at("tensors")) {
      if (tensor.contains("problem")) {
        EXPECT_NE(tensor.at("problem"), "");
        continue;
      }
      EXPECT_GT(tensor.at("encoded_bytes"), 0) << of_codec.at("codec");
      const bool is_number = tensor.at("relative_squared_error").is_number();
      EXPECT_EQ(is_number, tensor.at("name") != "a/zeros") << tensor;
    }
  }
}

TEST_F(CompressFile, ReadsCheckpointsAndRunFolders) {
  const fs::path run = folder_.path() / "run";
  fs::create_directories(run / "checkpoints");
  const auto step = [&](int n) { return run / "checkpoints" / ("step-00000000000" + std::to_string(n) + ".h5"); };
  tutti::io::write_checkpoint(step(1), {.description = "{}", .tensors = {tensor_of("old", {1}, {1.0F})}});
  tutti::io::write_checkpoint(step(2), {.description = "{}", .tensors = some_tensors()});
  EXPECT_EQ(trial({run.string(), "--codec", "f16"}).at("file"), step(2).string());
  const auto one = trial({step(1).string(), "--codec", "f16", "--tensors", "o?d"});
  EXPECT_EQ(one.at("codecs").at(0).at("tensors").at(0).at("name"), "old");
  // What is damaged is passed over, with a note.
  fs::resize_file(step(2), fs::file_size(step(2)) / 2);
  const auto outcome = tutti({"compress", run.string(), "--codec", "f16", "--json"});
  EXPECT_TRUE(has(outcome.err, "tutti: note: passing over a checkpoint: " + step(2).string())) << outcome.err;
  EXPECT_EQ(nlohmann::json::parse(outcome.out).at("file"), step(1).string());
}

TEST_F(CompressFile, TextHasATableForEachCodec) {
  const auto outcome = on_ranks(2, {"compress", file_.string(), "--codec", "bf16", "--codec", "f16:feedback=on"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(tools_test::count_of(outcome.out, "3 tensor(s), 1 of integers or empty left out"), 1U) << outcome.out;
  EXPECT_TRUE(has(outcome.out, "\ncodec bf16\n")) << outcome.out;
  EXPECT_TRUE(has(outcome.out, "\ncodec f16:feedback=on\n")) << outcome.out;
  EXPECT_EQ(tools_test::count_of(outcome.out, "\ntotal "), 2U) << outcome.out;
}

TEST_F(CompressFile, MisuseIsOneClearLine) {
  const std::string file = file_.string();
  const std::vector<std::pair<std::vector<std::string>, std::string>> misuses = {
      {{}, "compress: name a file, or ask for --list"},
      {{file}, "compress: --codec is required; `tutti compress --list` tells which"},
      {{file, "--codec", "bf17"}, "unknown codec 'bf17'; did you mean 'bf16'?"},
      {{file, "--codec", "bf16:density=1"}, "codec 'bf16:density=1': unknown parameter 'density'"},
      {{file, "--codec", "bf16", "--tensors", "c*"}, "compress: " + file + ": no tensor fits --tensors 'c*'"},
      {{"/nonexistent", "--codec", "bf16"}, "compress: /nonexistent: cannot be read: No such file or directory"},
      {{folder_.path().string(), "--codec", "bf16"},
       "compress: " + folder_.path().string() + ": the folder holds no run with a checkpoint that is whole"},
  };
  for (const auto& [arguments, message] : misuses) {
    std::vector<std::string> all = {"compress"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const auto outcome = tutti(all);
    EXPECT_EQ(outcome.status, 1) << message;
    EXPECT_EQ(outcome.err.rfind("tutti: error: " + message, 0), 0U) << outcome.err;
  }
  EXPECT_EQ(tutti({"compress", file, "--list"}).status, 2);
}

TEST(CompressList, HasEveryCodecAndParameter) {
  const std::string text = tutti({"compress", "--list"}).out;
  const auto json = nlohmann::json::parse(tutti({"compress", "--list", "--json"}).out);
  ASSERT_EQ(json.size(), tutti::codecs().size());
  for (std::size_t i = 0; i < json.size(); ++i) {
    const tutti::Codec& codec = *tutti::codecs()[i];
    EXPECT_TRUE(has(text, "\n" + std::string(codec.name) + ": ")) << codec.name;
    EXPECT_EQ(json.at(i).at("codec"), codec.name);
    ASSERT_EQ(json.at(i).at("parameters").size(), codec.parameters.size());
    for (std::size_t p = 0; p < codec.parameters.size(); ++p) {
      const auto& parameter = json.at(i).at("parameters").at(p);
      EXPECT_EQ(parameter.at("name"), codec.parameters[p]->name);
      // What the list gives as a default is one.
      const std::string settings = std::string(codec.name) + ":" + parameter.at("name").get<std::string>() + "=" +
                                   parameter.at("default").get<std::string>();
      EXPECT_EQ(tutti::codec_settings(settings), tutti::codec_settings(codec.name)) << settings;
    }
  }
}

TEST(CompressList, ReadmeHoldsIt) {
  const auto outcome = tutti({"compress", "--list", "--markdown"});
  EXPECT_NE(read_file(fs::path(tutti::test::kSourceDir) / "compression/README.md").find(outcome.out), std::string::npos)
      << "put the output of `tutti compress --list --markdown` into compression/README.md";
}

}  // namespace
