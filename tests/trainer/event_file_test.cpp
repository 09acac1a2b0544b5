// Event files to the byte, and how one follows another.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include <tutti/kernels/error.hpp>
#include <tutti/trainer/run/event_file.hpp>

#include "tests/trainer/support.hpp"

namespace tutti::trainer::test {

namespace {

std::string hexadecimal(const std::string& bytes) {
  constexpr const char* kDigits = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text += {kDigits[byte >> 4], kDigits[byte & 15U]};
  }
  return text;
}

// As TensorFlow's own writer makes them.
TEST(EventRecords, AreTheseBytes) {
  EXPECT_EQ(hexadecimal(version_record(1.0)),
            "1800000000000000a37f4b22"
            "09000000000000f03f1a0d627261696e2e4576656e743a32"
            "86bf577a");
  const std::vector<Scalar> loss{{.tag = "loss", .value = 0.5}};
  EXPECT_EQ(hexadecimal(scalars_record(2.0, 300, loss)),
            "1b000000000000001a0d9e13"
            "09000000000000004010ac022a0d0a0b0a046c6f7373150000003f"
            "dfc52b60");
  const std::string restart = hexadecimal(restart_record(2.0, 300));
  EXPECT_EQ(restart.substr(24, 32), "09000000000000004010ac023a020801");
  EXPECT_EQ(restart.substr(0, 16), "1000000000000000");
}

TEST(EventRecords, HoldManyScalarsAndLongTags) {
  const std::vector<Scalar> two{{.tag = std::string(200, 'x'), .value = 1e300}, {.tag = "b", .value = -0.0}};
  const std::string record = hexadecimal(scalars_record(0.0, 0, two));
  // Summary of 211 + 10 bytes; the first value of 208, its tag of 200; what f32 cannot hold is infinite.
  EXPECT_NE(record.find("2add01"
                        "0ad001"
                        "0ac801787878"),
            std::string::npos)
      << record;
  EXPECT_NE(record.find("78150000807f"
                        "0a080a016215"
                        "00000080"),
            std::string::npos)
      << record;
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

// Readers take the files of a folder in the order of their names, whatever the processes' numbers are.
TEST(EventFiles, FollowEachOtherByName) {
  const TemporaryFolder folder;
  const fs::path events = folder.path() / "run" / "tensorboard";
  const std::vector<Scalar> scalars{{.tag = "train/loss", .value = 1}};
  std::vector<std::uint64_t> seconds;
  std::vector<std::string> before;
  for (int i = 0; i < 3; ++i) {
    EventFile file(events, i == 0 ? std::nullopt : std::optional<std::uint64_t>(2));
    file.write(1, scalars);
    const auto names = names_in(events);
    ASSERT_EQ(names.size(), before.size() + 1);
    EXPECT_TRUE(std::equal(before.begin(), before.end(), names.begin())) << "the new one is not the last";
    before = names;
    seconds.push_back(std::stoull(names.back().substr(20, 10)));
    EXPECT_TRUE(names.back().ends_with("." + std::to_string(::getpid()) + ".0"));
  }
  const auto now = static_cast<std::uint64_t>(std::chrono::system_clock::to_time_t(std::chrono::system_clock::now()));
  EXPECT_LE(seconds[0], now);
  EXPECT_GE(seconds[0], now - 60);
  EXPECT_GT(seconds[1], seconds[0]);
  EXPECT_GT(seconds[2], seconds[1]);
  const std::size_t version = version_record(0).size();
  const std::size_t record = scalars_record(0, 1, scalars).size();
  EXPECT_EQ(fs::file_size(events / before[0]), version + record);
  EXPECT_EQ(fs::file_size(events / before[1]), version + restart_record(0, 2).size() + record);
}

TEST(EventFiles, WhatCannotBeWrittenIsNamed) {
  const TemporaryFolder folder;
  folder.write("tensorboard", "a file");
  try {
    const EventFile file(folder.path() / "tensorboard", {});
    ADD_FAILURE() << "no error";
  } catch (const DataError& error) {
    expect_parts(error.what(), {(folder.path() / "tensorboard").string(), "cannot be made"});
  }
}

}  // namespace

}  // namespace tutti::trainer::test
