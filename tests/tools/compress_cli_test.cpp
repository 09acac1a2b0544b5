// `tutti compress` as a user runs it: the list of codecs, and codecs on the tensors of files.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
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

/// What is told of a codec.
nlohmann::json row_of(const nlohmann::json& told, const std::string& codec) {
  for (const auto& row : told.at("codecs"))
    if (row.at("codec") == codec) return row;
  ADD_FAILURE() << "no row of " << codec << " in " << told.dump(1);
  return {};
}

TEST(ExplainCompression, PredictsEveryCodecFastestFirst) {
  const auto outcome = tutti({"explain", "compression", "--elements", "100000", "--ranks", "4", "--class", "tcp",
                              "--gigabits", "0.01", "--codec", "f16:feedback=on", "--json"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const auto told = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(told.at("nodes"), 4);
  EXPECT_NEAR(told.at("gigabits").get<double>(), 0.01, 1e-9);
  ASSERT_EQ(told.at("codecs").size(), tutti::codecs().size() + 1);
  double last = 0.0;
  for (const auto& row : told.at("codecs")) {
    if (row.contains("problem")) continue;
    EXPECT_GE(row.at("seconds").get<double>(), last);
    last = row.at("seconds");
    EXPECT_EQ(row.at("seconds").get<double>(),
              row.at("network_seconds").get<double>() + row.at("codec_seconds").get<double>());
  }
  // At 10 Mbit/s bytes are all that counts: 1.5 times 400,000 take 480 ms.
  const auto none = row_of(told, "none");
  EXPECT_EQ(none.at("payload_bytes"), 400000);
  EXPECT_NEAR(none.at("seconds").get<double>(), 0.48, 0.02);
  EXPECT_TRUE(none.at("pays_below_gigabits").is_null());
  const auto bf16 = row_of(told, "bf16");
  EXPECT_NEAR(bf16.at("network_seconds").get<double>(), 0.24, 0.01);
  EXPECT_TRUE(bf16.at("pays_always") || bf16.at("pays_below_gigabits").get<double>() > 0.01);
  EXPECT_NE(told.at("best"), "none");
  EXPECT_LE(row_of(told, told.at("best")).at("relative_squared_error").get<double>(), 1e-3);
  row_of(told, "f16:feedback=on");
}

TEST(ExplainCompression, LaunchedRanksAndText) {
  const auto outcome = on_ranks(2, {"explain", "compression", "--elements", "5000"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_TRUE(has(outcome.out, "exchange of 5000 elements: 2 rank(s) on 1 node(s), ")) << outcome.out;
  EXPECT_EQ(tools_test::count_of(outcome.out, "\n* "), 2U) << outcome.out;  // the choice, and what it means
}

TEST(ExplainCompression, OfAModelOfTheTrainer) {
  if (!fs::exists(fs::path(tutti::test::kTutti).parent_path() / "tutti-train")) GTEST_SKIP() << "there is no trainer";
  const TemporaryFolder folder;
  const fs::path config = folder.path() / "c.toml";
  std::ofstream(config) << "[data]\ntrain = \"none\"\n[model]\nname = \"mlp\"\nhidden = 64\n";
  const auto outcome =
      tutti({"explain", "compression", "--config", config.string(), "--input", "1x8x8", "--ranks", "4", "--json"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const auto told = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(told.at("model"), "a step of mlp, 4810 parameters");  // 64 x 64 + 64 + 64 x 10 + 10
  EXPECT_EQ(row_of(told, "none").at("payload_bytes").get<int>(), 4 * 4810);
  EXPECT_EQ(told.at("codecs").size(), tutti::codecs().size());
}

TEST(ExplainCompression, MisuseIsOneClearLine) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> misuses = {
      {{}, "give --config FILE or --elements N"},
      {{"--elements", "5"}, "--ranks is required, or a launcher: mpirun -n N tutti explain compression"},
      {{"--elements", "5", "--nodes", "3"}, "--nodes and --class go with --ranks only"},
      {{"--elements", "5", "--ranks", "2", "--nodes", "3"}, "--nodes 3 are more than --ranks 2"},
  };
  for (const auto& [arguments, message] : misuses) {
    std::vector<std::string> all = {"explain", "compression"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    EXPECT_EQ(tutti(all).err, "tutti: error: explain compression: " + message + "\n");
  }
  EXPECT_EQ(tutti({"explain", "compression", "--elments", "4"}).status, 2);
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
