// The subcommands of `tutti data`, run in this process: what they print and which errors they end with.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <span>

#include "tests/io/support.hpp"
#include "tools/data.hpp"
#include "tools/data/stage_set.hpp"

namespace tutti::io::test {
namespace {

// What `tutti data ARGUMENTS` prints. Errors are thrown, as they are for the program's main().
std::string data(std::vector<std::string> arguments) {
  CLI::App app;
  app.require_subcommand(1);
  tools::add_data_command(app);
  arguments.insert(arguments.begin(), "data");
  std::reverse(arguments.begin(), arguments.end());
  testing::internal::CaptureStdout();
  try {
    app.parse(arguments);
  } catch (...) {
    std::fputs(testing::internal::GetCapturedStdout().c_str(), stdout);
    throw;
  }
  return testing::internal::GetCapturedStdout();
}

class DataCommand : public testing::Test {
 protected:
  DataCommand() {
    const std::string images{
        "\0\0\10\3\0\0\0\6\0\0\0\1\0\0\0\2"
        "abcdefghijkl",
        28};
    const std::string labels{"\0\0\10\1\0\0\0\6\0\1\2\0\1\0", 14};
    write_bytes(path("images"), images);
    write_bytes(path("labels"), labels);
  }

  std::string path(const char* name) const { return (temporary_.path() / name).string(); }

  std::vector<std::string> import_arguments() const {
    return {"import",       "idx",   "--images",  path("images"), "--labels",
            path("labels"), "--out", path("set"), "--shards",     "2"};
  }

  TemporaryFolder temporary_;
};

TEST_F(DataCommand, ImportsChecksAndShows) {
  expect_parts(data(import_arguments()), {path("set"), "6 samples, 3 classes, 2 shards"});
  expect_parts(data({"check", path("set")}),
               {"shard-00000-of-00002.h5: 3 samples", "shard-00001-of-00002.h5: 3 samples",
                "all 6 samples of 2 shards are whole"});
  expect_parts(data({"show", path("set")}), {"set: 6 samples", "image", "u8", "1 x 1 x 2", "label", "i64", "scalar",
                                             "samples 3 to 5", "class 0    3 samples", "class 2    1 samples"});
  const auto shown = nlohmann::json::parse(data({"show", path("set"), "--json"}));
  EXPECT_EQ(shown["samples"], 6);
  EXPECT_EQ(shown["samples_of_class"], (nlohmann::json{{"0", 3}, {"1", 2}, {"2", 1}}));
  EXPECT_EQ(shown["shards"].size(), 2U);
  EXPECT_EQ(shown["fields"][0]["shape"], (std::vector<int>{1, 1, 2}));
  EXPECT_EQ(shown["data_bytes"], 6 * (2 + 8));
}

TEST_F(DataCommand, SplitsIntoDataSets) {
  data(import_arguments());
  const std::vector<std::string> split{"split", path("set"), "--out", path("parts"), "--parts", "train=0.5,test=0.5"};
  expect_parts(data(split), {path("parts") + "/train: 3 samples, 1 shards", path("parts") + "/test: 3 samples"});
  const auto shown = nlohmann::json::parse(data({"show", path("parts") + "/test", "--json"}));
  EXPECT_EQ(shown["name"], "set-test");
  EXPECT_EQ(shown["classes"], 3);
  expect_parts(message_of([&] { data(split); }), {path("parts") + "/train", "already holds a data set", "--force"});
  const auto refusal = [&](const std::string& parts) {
    return message_of<InvalidArgument>([&] { data({"split", path("set"), "--out", path("other"), "--parts", parts}); });
  };
  expect_parts(refusal("train"), {"--parts: 'train' is not NAME=SHARE"});
  expect_parts(refusal("train=1x"), {"'train=1x' is not NAME=SHARE"});
  expect_parts(refusal("../x=1"), {"'../x' cannot be the name of a folder"});
  expect_parts(message_of<InvalidArgument>([&] {
                 data({"split", path("set"), "--out", temporary_.path().string(), "--parts", "set=1", "--force"});
               }),
               {path("set"), "is the data set that is split"});
  testing::internal::CaptureStderr();
  data({"split", path("set"), "--out", path("even"), "--parts", "train=0.5,test=0.5", "--stratified"});
  expect_parts(testing::internal::GetCapturedStderr(), {"1 class of one sample, which is in 'train': 2"});
}

// Three pictures of 1 x 2 pixels, of two channels and in floats with what is no number.
TEST_F(DataCommand, ShowsStatisticsAsAConfigurationWantsThem) {
  data(import_arguments());  // pixels 97 to 108
  const std::string shown = data({"show", path("set"), "--statistics"});
  expect_parts(shown, {"numbers of image: min 97, max 108, mean 102.5, deviation 3.45205", "scale = 255",
                       "mean = 0.4020\n", "std = 0.01354\n", "numbers of label: min 0, max 2, mean 0.666667"});
  const std::vector<float> values{1, 2, 10, 30, 3, 2, 50, 30, NAN, 4, -INFINITY, 30};
  DatasetWriter writer(path("floats"), {.name = "f", .fields = {{"image", DType::f32, {2, 1, 2}}}, .samples = 3});
  const std::array<std::span<const std::byte>, 1> bytes{std::as_bytes(std::span(values))};
  writer.append(3, bytes);
  writer.finish();
  expect_parts(data({"show", path("floats"), "--statistics"}),
               {"channel 0: min 1, max 4, mean 2.4, deviation 1.0198, 1 NaN", "channel 1: min 10, max 50, mean 30",
                "1 infinite", "scale = 1\n", "mean = [2.400, 30.00]", "std = [1.020, 12.65]"});
  const auto json = nlohmann::json::parse(data({"show", path("floats"), "--statistics", "--json"}));
  EXPECT_EQ(json["statistics"]["image"]["channels"][0]["nan"], 1);
  EXPECT_EQ(json["statistics"]["image"]["count"], 10);
}

TEST_F(DataCommand, ShowsPictures) {
  data(import_arguments());
  expect_parts(data({"show", path("set"), "--samples", "0,4-5"}),
               {"sample 0: class 0", "sample 4: class 1", "sample 5"});
  expect_parts(data({"show", path("set"), "--samples", "3"}), {"sample 0", "sample 2", "sample 4"});
  data({"show", path("set"), "--png", path("sheet.png"), "--samples", "6"});
  EXPECT_EQ(read_bytes(path("sheet.png")).at(1), 'P');
  const auto refusal = [&](const std::string& samples) {
    return message_of<InvalidArgument>([&] { data({"show", path("set"), "--samples", samples}); });
  };
  expect_parts(refusal("0,6"), {"there is no sample 6: ids are 0 to 5"});
  expect_parts(refusal("x"), {"'x' is neither a number"});
  expect_parts(refusal("3,"), {"'3,' is neither"});
  expect_parts(refusal("3-1"), {"range 3-1 is empty"});
  expect_parts(refusal("0"), {"1 to 10000"});
  expect_parts(message_of([&] {
                 data({"show", path("set"), "--samples", "1", "--field", "label"});
               }),
               {"field 'label' holds no pictures"});
  expect_parts(message_of([&] { data({"show", path("set"), "--png", path("no/such.png")}); }), {"no/such.png"});
}

TEST_F(DataCommand, ImportTakesItsOptions) {
  auto arguments = import_arguments();
  arguments.insert(arguments.end(), {"--name", "letters", "--classes", "9", "--chunk", "1"});
  data(arguments);
  const auto shown = nlohmann::json::parse(data({"show", path("set"), "--json"}));
  EXPECT_EQ(shown["name"], "letters");
  EXPECT_EQ(shown["classes"], 9);
  EXPECT_EQ(shown["shards"][0]["chunks"], 3);
}

TEST_F(DataCommand, ImportCompresses) {
  auto arguments = import_arguments();
  arguments.insert(arguments.end(), {"--compress", "shuffle+zstd-5"});
  data(arguments);
  expect_parts(data({"check", path("set")}), {"all 6 samples of 2 shards are whole"});
  expect_parts(data({"show", path("set")}), {"compression shuffle+zstd-5: 0.0", " bytes of data per byte of files"});
  EXPECT_EQ(nlohmann::json::parse(data({"show", path("set"), "--json"}))["compression"], "shuffle+zstd-5");
  arguments.back() = "zip";
  expect_parts(message_of<InvalidArgument>([&] { data(arguments); }), {"unknown compression 'zip'", "deflate"});
}

// Shards are HDF5 files too, whose samples can be read where they are.
TEST_F(DataCommand, ImportsInPlace) {
  data(import_arguments());
  std::vector<std::string> arguments{
      "import", "hdf5",         "--field", "image=/fields/image", "--field", "label=/fields/label",
      "--out",  path("linked"), "--file"};
  for (const char* shard : {"set/shard-00000-of-00002.h5", "set/shard-00001-of-00002.h5"})
    arguments.push_back(path(shard));
  EXPECT_THROW(data(arguments), CLI::RequiredError);
  arguments.emplace_back("--in-place");
  expect_parts(data(arguments), {path("linked"), "6 samples, 3 classes, 2 shards"});
  expect_parts(data({"check", path("linked")}), {"all 6 samples of 2 shards are whole"});
  const std::string file = path("linked") + "/../set/shard-00001-of-00002.h5";
  expect_parts(data({"show", path("linked")}), {"field image is not in the shards", "linked to " + file});
  const auto shown = nlohmann::json::parse(data({"show", path("linked"), "--json"}));
  EXPECT_EQ(shown["linked"], (std::vector<std::string>{"image"}));
  EXPECT_EQ(shown["shards"][1]["linked"], file);
  EXPECT_EQ(data({"show", path("linked"), "--samples", "0,5"}), data({"show", path("set"), "--samples", "0,5"}));
  expect_parts(message_of([&] { tools::data::read_stage_set(path("linked")); }),
               {path("linked"), "linked to files outside of it", "--in-place"});
  data({"split", path("linked"), "--out", path("parts"), "--parts", "all=1", "--shards", "2"});
  EXPECT_EQ(tools::data::read_stage_set(path("parts/all")).files.size(), 2U);
  arguments.insert(arguments.end(), {"--shards", "2"});
  EXPECT_THROW(data(arguments), CLI::ExcludesError);
}

TEST_F(DataCommand, ImportReplacesOnlyByForce) {
  data(import_arguments());
  expect_parts(message_of([&] { data(import_arguments()); }), {path("set"), "already holds a data set", "--force"});
  auto arguments = import_arguments();
  arguments.back() = "3";
  arguments.emplace_back("--force");
  expect_parts(data(arguments), {"3 shards"});
}

TEST_F(DataCommand, UnknownFormatsAreAnsweredWithTheKnownOnes) {
  expect_parts(message_of<InvalidArgument>([&] {
                 data({"import", "parquet", "--out", "x"});
               }),
               {"'parquet'", "known are cifar"});
  expect_parts(message_of<InvalidArgument>([&] { data({"import"}); }), {"known are cifar"});
}

// Labels from 1 on leave class 0 without a sample, and a network with an output too many.
TEST_F(DataCommand, ImportNotesClassesWithoutSamples) {
  write_bytes(path("labels"), std::string("\0\0\10\1\0\0\0\6\1\2\1\2\5\1", 14));
  testing::internal::CaptureStderr();
  data(import_arguments());
  expect_parts(testing::internal::GetCapturedStderr(), {"3 of 6 classes have no sample: 0, 3 to 4;"});
  expect_parts(data({"show", path("set")}), {"class 1    3 samples", "no sample has class 0, 3 to 4"});
  auto arguments = import_arguments();
  arguments.insert(arguments.end(), {"--classes", "6", "--force"});
  testing::internal::CaptureStderr();
  data(arguments);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST_F(DataCommand, NumbersOutOfRangeAreRefused) {
  data(import_arguments());
  const auto refused = [this](std::vector<std::string> arguments, const std::string& option, const std::string& value) {
    arguments.insert(arguments.end(), {option, value});
    expect_parts(message_of<CLI::ParseError>([&] { data(arguments); }), {option, value});
  };
  auto import = import_arguments();
  import.emplace_back("--force");
  for (const char* option : {"--classes", "--chunk"})
    for (const char* value : {"-1", "0", "18446744073709551615", "x"}) refused(import, option, value);
  import = {"import", "idx", "--images", path("images"), "--labels", path("labels"), "--out", path("set"), "--force"};
  for (const char* value : {"-1", "0", "100000"}) refused(import, "--shards", value);
  const std::vector<std::string> speed{"speed", path("set")};
  for (const char* option : {"--batch", "--epochs", "--rank", "--ranks", "--cache"}) refused(speed, option, "-1");
  for (const char* option : {"--batch", "--epochs"}) refused(speed, option, "0");
  EXPECT_EQ(nlohmann::json::parse(data({"show", path("set"), "--json"}))["classes"], 3);
}

TEST_F(DataCommand, ImportNeedsAFolder) {
  auto arguments = import_arguments();
  arguments[arguments.size() - 3] = "";
  expect_parts(message_of<InvalidArgument>([&] { data(arguments); }), {"folder is empty"});
}

TEST_F(DataCommand, ImportsTextByItsOptions) {
  const auto import = [this](const char* format, const std::string& text, std::vector<std::string> options) {
    write_bytes(path("t"), text);
    std::vector<std::string> arguments{"import",    format,     "--file", path("t"), "--out",
                                       path("set"), "--shards", "1",      "--force"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    return data(arguments);
  };
  const std::vector<std::string> csv{"--header", "no", "--delimiter", "tab", "--label", "3", "--label-names", "y,x"};
  const std::string table = "1\t-\tx\n 3\t\ty\n";
  expect_parts(message_of([&] { import("csv", table, csv); }), {"line 1, column 2: '-' is no number"});
  auto told = csv;
  told.insert(told.end(), {"--missing", "nan", "--missing-tokens", "-,NA", "--trim", "--dtype", "f64", "--field", "f"});
  expect_parts(import("csv", table, told), {"2 samples, 2 classes"});
  expect_parts(data({"show", path("set")}), {"field f", "f64  2"});
  expect_parts(message_of<InvalidArgument>([&] {
                 import("csv", table, {"--missing", "some"});
               }),
               {"--missing: 'some'"});
  expect_parts(message_of<InvalidArgument>([&] {
                 import("csv", table, {"--delimiter", "ab"});
               }),
               {"--delimiter: 'ab'"});

  const std::string rows = "-1 1:2\n+1 3:4\n";
  expect_parts(message_of<CLI::ParseError>([&] { import("libsvm", rows, {}); }), {"--base"});
  expect_parts(import("libsvm", rows, {"--base", "0", "--label-map", "-1=0,1=1"}), {"2 samples, 2 classes"});
  expect_parts(data({"show", path("set")}), {"f32  4, sparse"});
  expect_parts(import("libsvm", rows, {"--base", "1", "--features", "9", "--target", "--dense"}), {"0 classes"});
  expect_parts(data({"show", path("set")}), {"f32  9", "target"});
  expect_parts(message_of<InvalidArgument>([&] {
                 import("libsvm", rows, {"--base", "1", "--label-map", "1"});
               }),
               {"--label-map: '1'"});

  expect_parts(import("text", "abcdefghij", {"--length", "4", "--stride", "3"}), {"3 samples"});
  expect_parts(import("text", "ab\ncdefg\n", {"--length", "4", "--lines", "--cut"}), {"2 samples"});
  expect_parts(message_of<InvalidArgument>([&] {
                 import("text", "abcd", {"--length", "4", "--classes", "2"});
               }),
               {"--classes 2: the samples have no labels"});
  expect_parts(message_of<InvalidArgument>([&] {
                 import("libsvm", rows, {"--base", "1", "--target", "--classes", "5"});
               }),
               {"--classes 5: the samples have no labels"});
}

// All shards are read, each damaged one is reported, and the error names the first.
TEST_F(DataCommand, CheckFindsDamage) {
  data(import_arguments());
  const fs::path shard = temporary_.path() / "set" / "shard-00001-of-00002.h5";
  const std::string needle = "ghijkl";
  flip_bit(shard, find_bytes(shard, std::as_bytes(std::span(needle))) + 2);
  const std::string message = message_of([&] { data({"check", path("set")}); });
  expect_parts(message, {"1 of 2 shards", shard.string(), "field 'image'", "chunk 0", "samples 3 to 5"});
}

TEST_F(DataCommand, SpeedReadsEverySampleOfItsRank) {
  data(import_arguments());
  for (const char* order : {"shuffled", "contiguous"}) {
    const auto epochs = nlohmann::json::parse(data({"speed", path("set"), "--json", "--order", order, "--batch", "4",
                                                    "--epochs", "2", "--ranks", "4", "--rank", "1", "--cache", "1K"}));
    ASSERT_EQ(epochs.size(), 2U);
    EXPECT_EQ(epochs[1]["samples"], 2);
    EXPECT_GT(epochs[1]["samples_per_s"], 0);
  }
  expect_parts(data({"speed", path("set"), "--epochs", "1"}), {"epoch 1: 6 samples"});
}

}  // namespace
}  // namespace tutti::io::test
