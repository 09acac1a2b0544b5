// `tutti data stage` as a user runs it, every rank being a node with a folder of its own.
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "tests/tools/program.hpp"

namespace {

namespace fs = std::filesystem;
using tools_test::count_of;
using tools_test::has;
using tools_test::Outcome;
using tools_test::read_file;
using tools_test::run;
using tools_test::TemporaryFolder;
using tutti::test::kMpirun;
using tutti::test::kTutti;

const fs::path kDigitsSet = fs::path(tutti::test::kSourceDir) / "examples/digits/test";

std::string content_of(const fs::path& file) {
  std::string content(fs::exists(file) ? fs::file_size(file) : 0, '\0');
  std::ifstream(file, std::ios::binary).read(content.data(), static_cast<std::streamsize>(content.size()));
  return content;
}

class StageCli : public testing::Test {
 protected:
  StageCli() {
    fs::copy(kDigitsSet, source());
    // More than the shard: files that the manifest names beside it.
    std::string manifest = read_file(source() / "manifest.json");
    manifest.insert(manifest.find('{') + 1, R"("extra": [{"file": "extra.bin"}],)");
    tutti::test::write_file(source() / "manifest.json", manifest);
    std::string extra(3'500'000, 'x');
    for (std::size_t i = 0; i < extra.size(); i += 97) extra[i] = static_cast<char>(i);
    tutti::test::write_file(source() / "extra.bin", extra);
  }

  fs::path source() const { return folder_.path() / "set"; }
  fs::path local(int node) const { return folder_.path() / ("local-" + std::to_string(node)); }

  std::vector<std::string> command(const std::string& from) const {
    return {kTutti, "data", "stage", from, "--to", (folder_.path() / "local-{node}").string()};
  }

  /// On ranks of which only the first can see the source.
  Outcome stage(int ranks, const std::vector<std::string>& options = {}) const {
    std::vector<std::string> all = {kMpirun};
    const auto add = [&](int count, const std::string& from) {
      all.insert(all.end(), {"-n", std::to_string(count)});
      const std::vector<std::string> words = command(from);
      all.insert(all.end(), words.begin(), words.end());
      all.insert(all.end(), {"--ranks-per-node", "1"});
      all.insert(all.end(), options.begin(), options.end());
    };
    add(1, source().string());
    if (ranks > 1) {
      all.emplace_back(":");
      add(ranks - 1, "/nonexistent");
    }
    return run(all);
  }

  void expect_same(int ranks) const {
    for (int node = 0; node < ranks; ++node) {
      for (const auto& entry : fs::directory_iterator(source()))
        EXPECT_TRUE(content_of(entry.path()) == content_of(local(node) / entry.path().filename()))
            << node << ' ' << entry.path();
      const auto count = std::distance(fs::directory_iterator(local(node)), fs::directory_iterator());
      EXPECT_EQ(count, 4) << node;  // and .staged
    }
  }

  static void expect_one_line(const Outcome& outcome, const std::string& words) {
    EXPECT_EQ(outcome.status, 1) << outcome.out;
    EXPECT_EQ(count_of(outcome.err, "tutti: error:"), 1U) << outcome.err;
    EXPECT_TRUE(has(outcome.err, words)) << outcome.err;
  }

  TemporaryFolder folder_;
};

TEST_F(StageCli, BringsTheSetToEveryNodeAndThenNothing) {
  const Outcome first = stage(3, {"--json"});
  EXPECT_EQ(first.status, 0) << first.err;
  expect_same(3);
  const auto told = nlohmann::json::parse(first.out);
  EXPECT_EQ(told["nodes"], 3);
  EXPECT_EQ(told["copies"], 3);
  EXPECT_EQ(told["bytes"], told["read_bytes"]);
  EXPECT_EQ(told["algorithm"], "chain");
  EXPECT_EQ(told["link_bytes"], (std::vector<std::uint64_t>(2, told["bytes"])));
  const Outcome second = stage(3);
  EXPECT_EQ(second.status, 0) << second.err;
  EXPECT_TRUE(has(second.out, "nothing was sent")) << second.out;
  EXPECT_EQ(run({kTutti, "data", "check", local(1).string()}).status, 0);
}

TEST_F(StageCli, DamageIsMendedWhereItIs) {
  ASSERT_EQ(stage(3).status, 0);
  {
    std::fstream file(local(1) / "extra.bin", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(2'500'000);
    file << "damage";
  }
  const Outcome again = stage(3, {"--json"});
  EXPECT_EQ(again.status, 0) << again.err;
  EXPECT_EQ(nlohmann::json::parse(again.out)["read_bytes"], 1 << 20);  // one block
  expect_same(3);
}

TEST_F(StageCli, OneRankCopies) {
  const std::string to = (folder_.path() / "local-0").string();
  EXPECT_EQ(run({kTutti, "data", "stage", source().string(), "--to", to}).status, 0);
  expect_same(1);
  fs::remove(local(0) / ".staged");  // as if brought by other means: nothing tells whether extra.bin is right
  const Outcome again = run({kTutti, "data", "stage", source().string(), "--to", to, "--json"});
  EXPECT_EQ(nlohmann::json::parse(again.out)["read_bytes"], nlohmann::json::parse(again.out)["bytes"]);
  expect_same(1);
  const Outcome itself = run({kTutti, "data", "stage", source().string(), "--to", source().string()});
  expect_one_line(itself, "is the data set itself");
  EXPECT_EQ(std::distance(fs::directory_iterator(source()), fs::directory_iterator()), 3);
}

TEST_F(StageCli, ACopyMadeByOtherMeansServesIfItsChecksumsAreRight) {
  fs::copy(kDigitsSet, local(0));
  const std::vector<std::string> stage_digits = {kTutti, "data",           "stage", kDigitsSet.string(),
                                                 "--to", local(0).string()};
  const Outcome serves = run(stage_digits);
  EXPECT_TRUE(has(serves.out, "nothing was sent")) << serves.out << serves.err;
  fs::remove(local(0) / ".staged");
  {
    std::fstream file(local(0) / "shard-00000-of-00001.h5", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(15'000);
    file << "damage";
  }
  const Outcome mended = run(stage_digits);
  EXPECT_EQ(mended.status, 0) << mended.err;
  EXPECT_FALSE(has(mended.out, "nothing was sent")) << mended.out;
  EXPECT_EQ(run({kTutti, "data", "check", local(0).string()}).status, 0);
}

TEST_F(StageCli, ASharedFolderIsWrittenOnce) {
  const Outcome shared = run({kMpirun, "-n", "3", kTutti, "data", "stage", source().string(), "--to", local(0).string(),
                              "--ranks-per-node", "1", "--json"});
  EXPECT_EQ(shared.status, 0) << shared.err;
  EXPECT_EQ(nlohmann::json::parse(shared.out)["copies"], 1);
  expect_same(1);
}

TEST_F(StageCli, AnotherDataSetIsRefusedUnlessForced) {
  fs::create_directory(local(1));
  fs::copy(kDigitsSet, local(1), fs::copy_options::recursive);
  const Outcome refused = stage(2);
  expect_one_line(refused, "node 1 (");
  EXPECT_TRUE(has(refused.err, local(1).string() + ": holds another data set")) << refused.err;
  EXPECT_FALSE(fs::exists(local(0)));  // nothing is left of what was made
  EXPECT_EQ(stage(2, {"--force"}).status, 0);
  expect_same(2);
}

TEST_F(StageCli, SpaceIsLookedForBeforeAnythingIsSent) {
  std::error_code error;
  fs::resize_file(source() / "extra.bin", std::uintmax_t{1} << 43, error);
  if (error) GTEST_SKIP() << "no file of 8 TiB, not even with holes: " << error.message();
  const Outcome full = stage(2);
  expect_one_line(full, "are needed");
  EXPECT_TRUE(has(full.err, "node 0 (") && has(full.err, "local-0")) << full.err;
  EXPECT_FALSE(fs::exists(local(0)));
}

TEST_F(StageCli, AMissingFileIsNamed) {
  fs::remove(source() / "extra.bin");
  expect_one_line(stage(2), "extra.bin: cannot be read");
}

/// Whether the state in the folder of a node has marks of blocks.
bool has_marks(const fs::path& folder) {
  const std::string state = content_of(folder / ".staged");
  const auto end = state.find('\n');
  return end != std::string::npos && state.find_first_not_of('\0', end + 1) != std::string::npos;
}

TEST_F(StageCli, ContinuesAfterARankWasKilled) {
  fs::resize_file(source() / "extra.bin", 100'000'000);
  const std::string script =
      "echo $$ > " + folder_.path().string() + "/pid-${OMPI_COMM_WORLD_RANK:-$PMI_RANK}; exec \"$@\"";
  std::thread killer([&] {
    for (int tries = 0; tries < 20'000 && !has_marks(local(1)); ++tries)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    const std::string pid = read_file(folder_.path() / "pid-1");
    if (!pid.empty()) ::kill(std::stoi(pid), SIGKILL);
  });
  std::vector<std::string> killed = {kMpirun, "-n", "2", "/bin/sh", "-c", script, "sh"};
  const std::vector<std::string> words = command(source().string());
  killed.insert(killed.end(), words.begin(), words.end());
  killed.insert(killed.end(), {"--ranks-per-node", "1"});
  const Outcome first = run(killed);
  killer.join();
  EXPECT_NE(first.status, 0) << first.out;
  EXPECT_FALSE(fs::exists(local(1) / "manifest.json"));
  const Outcome second = stage(2, {"--json"});
  ASSERT_EQ(second.status, 0) << second.err;
  const auto told = nlohmann::json::parse(second.out);
  EXPECT_LT(told["read_bytes"], told["bytes"]);
  expect_same(2);
}

}  // namespace
