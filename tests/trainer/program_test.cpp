// The program as a user runs it, under mpirun: what it leaves behind, and one clear line for every kind of bad input.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>

#include <nlohmann/json.hpp>

#include <tutti/io/detail/manifest.hpp>
#include <tutti/io/detail/shard.hpp>
#include <tutti/io/files.hpp>
#include <tutti/kernels/whole_file.hpp>

#include "tests/support/paths.hpp"
#include "tests/trainer/support.hpp"

namespace tutti::trainer::test {

namespace {

struct Ended {
  int status = -1;
  std::string output;  // of all ranks, both streams
};

/// `timeout` ends what hangs, and its status, 124, is a failure like any other that is not expected.
Ended run(const std::string& command) {
  Ended ended;
  FILE* pipe = ::popen(("timeout -k 5 60 " + command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("popen");
  std::array<char, 4096> buffer{};
  while (const std::size_t n = std::fread(buffer.data(), 1, buffer.size(), pipe)) ended.output.append(buffer.data(), n);
  const int status = ::pclose(pipe);
  ended.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return ended;
}

std::string mpirun(int ranks, const std::string& program) {
  return std::string(tutti::test::kMpirunRanks) + " " + std::to_string(ranks) + " " + program;
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++n;
  return n;
}

class Program : public testing::Test {
 protected:
  void SetUp() override {
    write_bars(data_, 40, 2);
    write_file(
        config_,
        "[data]\ntrain = \"bars\"\n[model]\nname = \"softmax\"\n[train]\nepochs = 2\nbatch_size = 8\nthreads = 1\n");
  }

  /// With a limit on waiting, so that a rank that leaves others alone does not take the test to its own limit.
  std::string train(const std::string& arguments) const {
    return std::string(tutti::test::kTuttiTrain) + " " + config_.string() + " --out " + out_.string() +
           " --set train.timeout_s=20 " + arguments;
  }

  /// Runs to an error: not 0, not a time-out, one line of ours, which holds every part.
  static void expect_error(const Ended& ended, const std::vector<std::string>& parts) {
    EXPECT_NE(ended.status, 0) << ended.output;
    EXPECT_LT(ended.status, 124) << "hung: " << ended.output;
    EXPECT_EQ(count(ended.output, "tutti: error:"), 1U) << ended.output;
    const auto begin = ended.output.find("tutti: error:");
    if (begin == std::string::npos) return;
    expect_parts(ended.output.substr(begin, ended.output.find('\n', begin) - begin), parts);
  }

  TemporaryFolder folder_;
  const fs::path data_ = folder_.path() / "bars";
  const fs::path config_ = folder_.path() / "bars.toml";
  const fs::path out_ = folder_.path() / "run";
  const fs::path first_ = data_ / "shard-00000-of-00002.h5";
  const fs::path second_ = data_ / "shard-00001-of-00002.h5";
};

TEST_F(Program, LearnsTheDigitsOnTwoRanks) {
  const Ended ended = run(mpirun(2, std::string(tutti::test::kTuttiTrain) + " " + tutti::test::kSourceDir +
                                        "/examples/digits.toml --out " + out_.string()));
  ASSERT_EQ(ended.status, 0) << ended.output;
  const auto result = nlohmann::json::parse(read_file(out_ / "result.json"));
  EXPECT_GE(result.at("test_accuracy"), 0.95);
  EXPECT_EQ(result.at("world_size"), 2);
  EXPECT_EQ(result.at("test_samples"), 360);
  EXPECT_EQ(result.at("parameter_hash").get<std::string>().size(), 64U);
  for (const char* key :
       {"train_seconds", "samples_per_s", "comm_share", "nodes", "steps", "epochs", "parameters", "tutti"})
    EXPECT_TRUE(result.contains(key)) << key;
  for (const char* file : {"config.toml", "metrics.jsonl", "checkpoints"}) EXPECT_TRUE(fs::exists(out_ / file)) << file;
  std::ifstream metrics(out_ / "metrics.jsonl");
  std::size_t steps = 0;
  for (std::string line; std::getline(metrics, line);) {
    const auto record = nlohmann::json::parse(line);
    if (record.at("kind") != "step") continue;
    EXPECT_EQ(record.at("step"), ++steps);
    EXPECT_GE(record.at("comm_share"), 0.0);
    EXPECT_LE(record.at("comm_share"), 1.0);
    for (const char* key : {"epoch", "loss", "lr", "samples_per_s", "step_time_s", "samples"})
      EXPECT_TRUE(record.contains(key)) << key;
  }
  EXPECT_EQ(result.at("steps"), steps);
  EXPECT_NE(ended.output.find("test accuracy"), std::string::npos);
}

TEST_F(Program, RunsAloneStopsAndResumes) {
  ASSERT_EQ(run(train("--set train.max_steps=3")).status, 0);
  const Ended ended = run(train("--resume"));
  ASSERT_EQ(ended.status, 0) << ended.output;
  EXPECT_EQ(nlohmann::json::parse(read_file(out_ / "result.json")).at("steps"), 10);
  expect_error(run(train("")), {out_.string(), "already holds a run", "--resume"});
}

TEST_F(Program, WrongConfiguration) {
  expect_error(run(mpirun(3, train("--set train.epoch=3"))), {"train.epoch", "'train.epochs'"});
  expect_error(run(mpirun(2, train("--set train.batch_size=0"))), {"train.batch_size = 0", "1 to"});
  expect_error(run(mpirun(2, train("--set exchange.algorithm=teleport"))), {"exchange.algorithm", "teleport"});
  expect_error(run(mpirun(2, train("--sett train.epochs=3"))), {"--sett"});
  EXPECT_FALSE(fs::exists(out_)) << "a run that never began left a folder";
}

TEST_F(Program, WrongVariablesOfTheLibrary) {
  setenv("TUTTI_ALGORITHM", "allreduce:rng", 1);
  expect_error(run(mpirun(2, train(""))), {"TUTTI_ALGORITHM: rule 'allreduce:rng': unknown allreduce algorithm"});
  unsetenv("TUTTI_ALGORITHM");
  // What is right serves training too.
  setenv("TUTTI_DEBUG", "info", 1);
  setenv("TUTTI_ALGORITHM", "allreduce:ring", 1);
  const Ended trained = run(mpirun(2, train("")));
  unsetenv("TUTTI_DEBUG");
  unsetenv("TUTTI_ALGORITHM");
  EXPECT_EQ(trained.status, 0) << trained.output;
  EXPECT_NE(trained.output.find("bytes: ring, 1 segment (rule 'allreduce:ring' of TUTTI_ALGORITHM)"), std::string::npos)
      << trained.output;
}

// What each rank computes, communicates and waits for, on one timeline.
TEST_F(Program, ATimelineOfAllRanks) {
  const fs::path file = folder_.path() / "trace.json";
  const Ended ended = run(mpirun(
      2, train("--set data.test=" + data_.string() + " --set exchange.compression=bf16 --trace " + file.string())));
  ASSERT_EQ(ended.status, 0) << ended.output;
  const auto trace = nlohmann::json::parse(read_file(file));
  std::map<int, std::map<std::string, int>> events;
  std::map<int, double> forward_ends;
  for (const auto& event : trace.at("traceEvents")) {
    if (event.at("ph") != "X") continue;
    const int rank = event.at("pid");
    const std::string name = event.at("name");
    ++events[rank][name];
    EXPECT_GE(event.at("dur").get<double>(), 0.0) << name;
    if (name == "forward") forward_ends[rank] = event.at("ts").get<double>() + event.at("dur").get<double>();
    if (name == "backward") {
      EXPECT_GE(event.at("ts").get<double>(), forward_ends[rank]);
    }
  }
  ASSERT_EQ(events.size(), 2U);
  for (auto& [rank, its] : events) {
    EXPECT_EQ(its["forward"], 10) << "rank " << rank;
    EXPECT_EQ(its["read samples"], 10);
    EXPECT_GE(its["update"], 10);
    EXPECT_GE(its["wait for gradients"], 10);
    EXPECT_GE(its["encode"], 10);
    EXPECT_GE(its["allreduce"], 10);
    EXPECT_EQ(its["evaluation"], 2);
    EXPECT_GE(its["checkpoint"], 2);
  }
}

TEST_F(Program, AConfigurationThroughAPipe) {
  const std::string piped = "sh -c 'cd " + folder_.path().string() + " && cat bars.toml | " +
                            std::string(tutti::test::kTuttiTrain) + " - --out " + out_.string() + "'";
  const Ended ended = run(piped);  // paths are those of the working directory
  EXPECT_EQ(ended.status, 0) << ended.output;
  EXPECT_TRUE(fs::exists(out_ / "config.toml")) << ended.output;
}

TEST_F(Program, MissingShard) {
  fs::remove(second_);
  expect_error(run(mpirun(2, train(""))), {second_.string()});
}

TEST_F(Program, TruncatedShard) {
  fs::resize_file(first_, fs::file_size(first_) - 100);
  expect_error(run(mpirun(2, train(""))), {first_.string(), "truncated"});
}

TEST_F(Program, CorruptedShard) {
  // The images of the second chunk of the second shard: found while training, by whichever ranks read it.
  std::string bytes = read_file(second_);
  std::string image;
  for (std::size_t pixel = 0; pixel < kPixels; ++pixel) image += static_cast<char>(pixel_of(30, pixel));
  const auto at = bytes.find(image);
  ASSERT_NE(at, std::string::npos);
  bytes[at + 5] = static_cast<char>(bytes[at + 5] ^ 1);
  write_file(second_, bytes);
  expect_error(run(mpirun(3, train("--set train.order=contiguous"))), {second_.string(), "'image'", "chunk 1"});
  EXPECT_TRUE(fs::exists(out_ / "checkpoints" / "step-000000000000.h5"));
}

TEST_F(Program, ShardsThatDisagree) {
  io::DatasetPlan plan{.name = "bars",
                       .fields = {{"image", DType::u8, {1, 4, 16}}, {"label", DType::i64, {}}},
                       .samples = 40,
                       .shards = 2,
                       .classes = kClasses,
                       .chunk_samples = 8};
  const std::vector<std::uint8_t> images(40 * kPixels);
  const std::vector<std::int64_t> labels(40);
  const std::array<std::span<const std::byte>, 2> all{std::as_bytes(std::span(images)),
                                                      std::as_bytes(std::span(labels))};
  io::DatasetWriter writer(folder_.path() / "other", plan);
  writer.append(40, all);
  writer.finish();
  fs::copy_file(folder_.path() / "other" / second_.filename(), second_, fs::copy_options::overwrite_existing);
  expect_error(run(mpirun(2, train(""))), {second_.string(), "image"});
  expect_error(run(mpirun(2, train("--set data.train=" + (folder_.path() / "other").string() +
                                   " --set data.test=" + data_.string()))),
               {second_.string()});
}

TEST_F(Program, LabelOutOfRange) {
  io::ShardHeader header = io::ShardReader(first_).header();
  io::ShardWriter writer(first_, header);
  const std::vector<std::uint8_t> images(8 * kPixels);
  const std::vector<std::int64_t> labels{0, 1, 2, 0, 1, 7, 0, 1};
  for (std::uint64_t chunk = 0; chunk < header.chunks(); ++chunk) {
    const std::size_t samples = header.samples_in_chunk(chunk);
    writer.write_chunk(chunk, 0, std::as_bytes(std::span(images).first(samples * kPixels)));
    writer.write_chunk(chunk, 1, std::as_bytes(std::span(labels).first(samples)));
  }
  writer.finish();
  writer.publish();
  const fs::path file = data_ / io::kManifestName;
  io::Manifest manifest = io::parse_manifest(tutti::read_whole_file(file), file);
  manifest.shards[0].checksum = writer.header().checksum;
  write_file(file, io::to_text(manifest));
  expect_error(run(mpirun(2, train(""))), {first_.string(), "label 7"});
}

TEST_F(Program, EmptyOrMissingTrainingSet) {
  expect_error(run(mpirun(2, train("--set data.train=/nonexistent/set"))), {"/nonexistent/set"});
  const fs::path file = data_ / io::kManifestName;
  io::Manifest manifest = io::parse_manifest(tutti::read_whole_file(file), file);
  manifest.shards.clear();
  manifest.samples = 0;
  write_file(file, io::to_text(manifest));
  expect_error(run(mpirun(3, train(""))), {data_.string()});
}

TEST_F(Program, RunFolderThatCannotBeWritten) {
  write_file(folder_.path() / "file", "");
  const std::string out = (folder_.path() / "file" / "run").string();
  expect_error(run(mpirun(2, std::string(tutti::test::kTuttiTrain) + " " + config_.string() + " --out " + out)),
               {out, "cannot be written"});
}

TEST_F(Program, DiskThatFillsUpLeavesThePreviousCheckpointWhole) {
  ASSERT_EQ(run(train("--set train.max_steps=3 --set model.name=mlp --set model.hidden=1000")).status, 0);
  // Files of more than 256 KiB cannot be written from here on; a checkpoint has 540 kB. TCP, because shared memory is a
  // file too.
  const std::string limited = "sh -c 'trap \"\" XFSZ; ulimit -f 512; exec " +
                              train("--set model.name=mlp --set model.hidden=1000 --resume") + "'";
  expect_error(run("env OMPI_MCA_btl=self,tcp " + mpirun(2, limited)), {"checkpoints/step-000000000005.h5"});
  EXPECT_TRUE(fs::exists(out_ / "checkpoints" / "step-000000000003.h5"));
  EXPECT_EQ(run(train("--set model.name=mlp --set model.hidden=1000 --resume")).status, 0);
}

TEST_F(Program, CheckpointOfAnotherModel) {
  ASSERT_EQ(run(train("--set train.max_steps=1")).status, 0);
  expect_error(run(mpirun(2, train("--resume --set model.name=mlp"))),
               {"step-000000000001.h5", "output.weight", "hidden.weight"});
}

// A rank that waits in vain says what it waits for, which file that is, and which key gives it more time; the folder
// is no dead end.
TEST_F(Program, ASlowDiskIsNamedByThoseWhoWaitForIt) {
  const std::string slow = std::string("env TUTTI_TEST_FSYNC_SECONDS=4 LD_PRELOAD=") + tutti::test::kSlowFsync + " ";
  const Ended ended = run(mpirun(2, slow + train("--set train.timeout_s=1 --set train.max_steps=1")));
  expect_error(ended,
               {"rank 1", "rank 0 writes the checkpoint of step 0 in " + out_.string(), "train.timeout_s", "1 s"});
  // Rank 0 may have ended its writing before it was ended itself: then there is a run to be resumed, else one to begin.
  const bool begun = fs::exists(out_ / "checkpoints" / "step-000000000000.h5");
  const Ended again = run(train(begun ? "--resume --set train.max_steps=1" : "--set train.max_steps=1"));
  EXPECT_EQ(again.status, 0) << again.output;
}

// Signals to the launcher, and to one rank alone: all ranks end the same step, and the run can go on.
TEST_F(Program, SignalsEndARunWithACheckpoint) {
  for (const bool one_rank : {false, true}) {
    fs::remove_all(out_);
    const std::string endless =
        train("--set train.epochs=1000000 --set run.log_every=20 --set run.checkpoint_every=1000000");
    const std::string whom = one_rank ? "$(pgrep -P $launcher tutti-train | tail -1)" : "$launcher";
    const std::string begun =
        "for i in $(seq 400); do test -s " + (out_ / "metrics.jsonl").string() + " && break; sleep 0.1; done; ";
    write_file(folder_.path() / "script",
               mpirun(2, endless) + " & launcher=$!; " + begun + "kill -USR1 " + whom + "; wait $launcher");
    const Ended ended = run("bash " + (folder_.path() / "script").string());
    EXPECT_EQ(ended.status, 3) << ended.output;
    const std::string line = "stopped after step ";
    const auto at = ended.output.find(line);
    ASSERT_NE(at, std::string::npos) << ended.output;
    const std::uint64_t step = std::stoull(ended.output.substr(at + line.size()));
    EXPECT_FALSE(fs::exists(out_ / "result.json"));
    const Ended resumed =
        run(train("--resume --set train.epochs=1000000 --set train.max_steps=" + std::to_string(step + 3)));
    EXPECT_EQ(resumed.status, 0) << resumed.output;
    EXPECT_NE(resumed.output.find("resuming after step " + std::to_string(step)), std::string::npos) << resumed.output;
  }
}

// Each process would train everything alone.
TEST_F(Program, TheLauncherOfAnotherMpiIsToldBefore) {
  const std::string other = "env -u OMPI_COMM_WORLD_SIZE PMI_SIZE=2 PMI_RANK=";
  if (std::string(tutti::test::kMpirun).find("mpich") != std::string::npos) GTEST_SKIP() << "MPICH reads these itself";
  expect_error(run(other + "0 " + train("")), {"started 2 processes (PMI_SIZE)", "each is alone", "mpirun"});
  const Ended second = run(other + "1 " + train(""));
  EXPECT_EQ(second.status, 1);
  EXPECT_EQ(second.output, "");
  EXPECT_FALSE(fs::exists(out_));
}

TEST_F(Program, OutputThatIsLostOrNotWanted) {
  const std::string program = tutti::test::kTuttiTrain;
  const Ended full = run("bash -c '" + program + " --keys >/dev/full'");
  expect_error(full, {"standard output cannot be written", "No space left"});
  // The reader goes away after a line; the run goes on to its end.
  const Ended piped =
      run("bash -c 'set -o pipefail; " + train("--set run.progress=lines --set train.epochs=40") + " | head -1'");
  EXPECT_EQ(piped.status, 0) << piped.output;
  EXPECT_TRUE(fs::exists(out_ / "result.json"));
}

TEST_F(Program, WhatIsAskedForWronglyEndsWithTwo) {
  const Ended empty = run(std::string(tutti::test::kTuttiTrain) + " " + config_.string() + " --out ''");
  expect_error(empty, {"--out", "empty"});
  EXPECT_EQ(empty.status, 2);
  EXPECT_EQ(run(train("--set train.epoch=3")).status, 2);
  EXPECT_EQ(run(train("--bogus")).status, 2);
  EXPECT_EQ(run(train("--set data.train=/nonexistent")).status, 1);
  const Ended piped =
      run("bash -c 'cd " + folder_.path().string() + " && " + tutti::test::kTuttiTrain + " - --out piped < bars.toml'");
  EXPECT_EQ(piped.status, 0) << piped.output;
  EXPECT_TRUE(fs::exists(folder_.path() / "piped" / "result.json"));
}

// `tutti models` calls the trainer by this name.
TEST_F(Program, ModelsAreListed) {
  const auto models = [](const std::string& arguments) {
    return run("bash -c 'exec -a \"tutti models\" " + std::string(tutti::test::kTuttiTrain) + " " + arguments + "'");
  };
  const Ended listed = models("--input 3x32x32 --outputs 100 --set model.depth=2");
  EXPECT_EQ(listed.status, 0);
  expect_parts(listed.output, {"resnet18", "11,220,132", "555,468,800", "ResNet-18: eight residual blocks", "gpt"});
  const Ended wrong = models("--input 3x");
  EXPECT_EQ(wrong.status, 2);
  expect_error(wrong, {"'3x' is no shape"});
  expect_error(models("--set model.stem=big"), {"model.stem", "small, imagenet"});
}

// `tutti export` calls it by this one.
TEST_F(Program, ModelsAreExported) {
  const auto exported = [](const std::string& arguments) {
    return run("bash -c 'exec -a \"tutti export\" " + std::string(tutti::test::kTuttiTrain) + " " + arguments + "'");
  };
  ASSERT_EQ(run(train("--set run.progress=none")).status, 0);
  const std::string to = (folder_.path() / "model").string();
  for (const std::string ending : {".safetensors", ".pt"}) {
    const Ended ended = exported(out_.string() + " --to " + to + ending);
    EXPECT_EQ(ended.status, 0) << ended.output;
    EXPECT_EQ(ended.output, to + ending + ": softmax after step 10, 195 parameters\n");
    EXPECT_TRUE(fs::exists(to + ending));
  }
  const Ended again = exported(out_.string() + " --to " + to + ".pt");
  EXPECT_EQ(again.status, 1);
  expect_error(again, {"model.pt: the file is there already"});
  const Ended wrong = exported(out_.string() + " --to " + to + ".bin");
  EXPECT_EQ(wrong.status, 2);
  expect_error(wrong, {"--to", ".safetensors or .pt"});
  EXPECT_EQ(exported(out_.string()).status, 2);
}

TEST_F(Program, KeysAndAMissingArgument) {
  EXPECT_NE(run(std::string(tutti::test::kTuttiTrain) + " --keys").output.find("train.batch_size"), std::string::npos);
  expect_error(run(tutti::test::kTuttiTrain), {"config"});
}

}  // namespace

}  // namespace tutti::trainer::test
