// `tutti data` under a launcher, and output that nobody receives.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/tools/program.hpp"

namespace {

using tools_test::count_of;
using tools_test::has;
using tools_test::on_ranks;
using tools_test::run;
using tools_test::TemporaryFolder;

const std::string kDigits = std::string(tutti::test::kSourceDir) + "/examples/digits/test";

// Of several processes one does the work, and its status is the job's.
TEST(DataCli, OneRankWorks) {
  const auto check = on_ranks(2, {"data", "check", kDigits});
  EXPECT_EQ(check.status, 0) << check.err;
  EXPECT_EQ(count_of(check.out, "all 360 samples"), 1U) << check.out;
  const auto misspelt = on_ranks(2, {"data", "chek", kDigits});
  EXPECT_EQ(misspelt.status, 2) << misspelt.err;
  EXPECT_EQ(count_of(misspelt.err, "tutti: error:"), 1U) << misspelt.err;
  const auto missing = on_ranks(2, {"data", "show", "/nonexistent"});
  EXPECT_NE(missing.status, 0);
  EXPECT_EQ(count_of(missing.err, "tutti: error:"), 1U) << missing.err;
  const TemporaryFolder folder;
  folder.write("images", std::string("\0\0\10\3\0\0\0\1\0\0\0\1\0\0\0\1x", 17));
  folder.write("labels", std::string("\0\0\10\1\0\0\0\1\0", 9));
  const auto path = [&](const char* name) { return (folder.path() / name).string(); };
  const auto import = on_ranks(3, {"data", "import", "idx", "--images", path("images"), "--labels", path("labels"),
                                   "--out", path("set"), "--shards", "1"});
  EXPECT_EQ(import.status, 0) << import.err;
  EXPECT_EQ(count_of(import.out, "1 samples, 1 classes"), 1U) << import.out;
}

TEST(DataCli, OutputThatIsLostIsAnError) {
  for (const std::string& arguments : std::vector<std::string>{
           "data show " + kDigits, "data show " + kDigits + " --json", "data check " + kDigits, "--help", "info"}) {
    const auto full = run({"/bin/sh", "-c", std::string(tutti::test::kTutti) + " " + arguments + " > /dev/full"});
    EXPECT_EQ(full.status, 1) << arguments;
    EXPECT_EQ(count_of(full.err, "tutti: error:"), 1U) << arguments << ": " << full.err;
    EXPECT_TRUE(has(full.err, "No space left on device")) << full.err;
  }
}

}  // namespace
