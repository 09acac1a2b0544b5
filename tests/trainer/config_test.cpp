// Configuration: where values come from, what is refused and in which words.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tutti/trainer/config/config.hpp>
#include <tutti/trainer/optimizers/optimizer.hpp>

#include "tests/support/paths.hpp"
#include "tests/trainer/support.hpp"

namespace tutti::trainer::test {

namespace {

class ConfigFile : public testing::Test {
 protected:
  Config read(const std::string& toml, std::vector<std::string> options = {},
              std::vector<std::string> environment = {}) {
    write_file(file_, toml);
    return read_config({.file = file_, .environment = std::move(environment), .options = std::move(options)});
  }

  std::string error(const std::string& toml, std::vector<std::string> options = {},
                    std::vector<std::string> environment = {}) {
    try {
      read(toml, std::move(options), std::move(environment));
    } catch (const ConfigError& caught) {
      EXPECT_EQ(std::string(caught.what()).find('\n'), std::string::npos) << "not one line: " << caught.what();
      return caught.what();
    }
    ADD_FAILURE() << "no error for " << toml;
    return {};
  }

  TemporaryFolder folder_;
  const fs::path file_ = folder_.path() / "some.toml";
  const std::string data_ = "[data]\ntrain = \"set\"\n";
};

TEST_F(ConfigFile, OptionsBeatEnvironmentBeatsFile) {
  const std::string toml = data_ + "[train]\nepochs = 2\nbatch_size = 20\nseed = 200\n";
  const Config config =
      read(toml, {"train.epochs=4"}, {"TUTTI_TRAIN_EPOCHS=3", "TUTTI_TRAIN_BATCH_SIZE=30", "TUTTI_UNRELATED=1"});
  EXPECT_EQ(config.train.epochs, 4);
  EXPECT_EQ(config.train.batch_size, 30);
  EXPECT_EQ(config.train.seed, 200);
  EXPECT_EQ(config.optimizer.momentum, Config{}.optimizer.momentum);
}

TEST_F(ConfigFile, PathsInAFileAreRelativeToIt) {
  EXPECT_EQ(read(data_).data.train, (folder_.path() / "set").string());
  EXPECT_EQ(read(data_, {"data.train=other"}).data.train, (fs::current_path() / "other").string());
  EXPECT_EQ(read(data_).run.dir, (fs::current_path() / "runs" / "some").string());
}

TEST_F(ConfigFile, ReadsItsOwnText) {
  Config config = read(data_ + "[optimizer]\nlearning_rate = 0.1\nnesterov = true\n[model]\ndtype = \"f64\"\n");
  config.data.input = "a \"quoted\\\" name";
  config.schedule.gamma = 1.0 / 3.0;
  config.run.checkpoint_every = 123456789012;
  const Config again = parse_config(to_toml(config), "text");
  EXPECT_EQ(to_toml(again), to_toml(config));
  EXPECT_EQ(again.schedule.gamma, config.schedule.gamma);
  EXPECT_EQ(again.data.input, config.data.input);
  EXPECT_TRUE(differences(again, config).empty());
}

TEST_F(ConfigFile, UnknownKeyNamesFileLineAndNearest) {
  expect_parts(error(data_ + "[train]\nepoch = 3\n"),
               {file_.string() + ":4", "unknown key 'train.epoch'", "'train.epochs'"});
  expect_parts(error(data_ + "[optimizer]\nepochs = 3\n"), {"'optimizer.epochs'", "'train.epochs'"});
  expect_parts(error(data_ + "[trian]\nepochs = 3\n"), {"'trian.epochs'", "'train.epochs'"});
  expect_parts(error(data_ + "[trian]\n"), {"'trian'"});
  expect_parts(error("epochs = 3\n" + data_), {"unknown key 'epochs'", "'train.epochs'"});
  expect_parts(error("train = 3\n"), {"must be a section"});
  expect_parts(error(data_, {"train.batchsize=3"}), {"--set train.batchsize=3", "'train.batch_size'"});
  expect_parts(error(data_, {}, {"TUTTI_TRAIN_EPOCH=3"}), {"TUTTI_TRAIN_EPOCH", "'train.epochs'"});
}

TEST_F(ConfigFile, SuggestionsAreNearOrNotMade) {
  expect_parts(error(data_, {"optimizer.lr=3"}), {"'optimizer.lr'", "'optimizer.learning_rate'?"});
  expect_parts(error(data_, {"train.learning_rate=3"}), {"'optimizer.learning_rate'?"});
  expect_parts(error(data_, {"optimizer.speed=3"}), {"section optimizer has kind, learning_rate, momentum"});
  expect_parts(error("[foo]\nbar = 1\n"), {"'foo.bar'", "sections data, augment, model"});
  expect_parts(error("[foo]\n"), {"'foo'", "sections data, augment, model"});
  for (const char* option : {"optimizer.speed=3", "foo.bar=1"})
    EXPECT_EQ(error(data_, {option}).find("did you mean"), std::string::npos) << option;
}

TEST_F(ConfigFile, VariablesThatMeanTheTrainerAreNotPassedOver) {
  expect_parts(error(data_, {}, {"TUTTI_TRAINING_SEED=4"}), {"TUTTI_TRAINING_SEED", "did you mean TUTTI_TRAIN_SEED?"});
  expect_parts(error(data_, {}, {"TUTTI_RUN=1"}), {"TUTTI_RUN", "TUTTI_SECTION_KEY"});
  expect_parts(error(data_, {}, {"TUTTI_DATA_DIR=x"}), {"TUTTI_DATA_DIR", "'data.dir'", "keys of the configuration"});
  EXPECT_NO_THROW(read(data_, {}, {"TUTTI_TRACE=x", "TUTTI_SHARED_MEMORY=0", "TUTTI_PRELOAD_REPORT=1"}));
}

TEST_F(ConfigFile, SpellingOfNumbers) {
  for (const char* right : {"5e-2", "5E-2", "0.05", "+0.05"})
    EXPECT_EQ(read(data_, {std::string("optimizer.learning_rate=") + right}).optimizer.learning_rate, 0.05) << right;
  EXPECT_EQ(read(data_, {"train.batch_size=1_000"}).train.batch_size, 1000);
  EXPECT_EQ(read(data_, {"train.batch_size=0x20"}).train.batch_size, 32);
  const std::vector<std::pair<std::string, std::string>> wrong{{".05", "write 0.05"},
                                                               {"5.", "write 5.0"},
                                                               {"0,05", "write 0.05"},
                                                               {"-.5", "write -0.5"},
                                                               {"5.e3", "write 5.0e3"}};
  for (const auto& [value, hint] : wrong) {
    expect_parts(error(data_, {"optimizer.learning_rate=" + value}),
                 {"optimizer.learning_rate", "'" + value + "'", hint});
    expect_parts(error(data_ + "[optimizer]\nlearning_rate = " + value + " # rate\n"),
                 {file_.string() + ":4", "learning_rate = " + value, hint});
  }
  for (const char* value : {"", "abc", "1 2"})
    expect_parts(error(data_, {std::string("optimizer.learning_rate=") + value}),
                 {"optimizer.learning_rate", "allowed"});
  expect_parts(error(data_, {"optimizer.learning_rate=1e-400"}), {"optimizer.learning_rate = 1e-400 is too small"});
  expect_parts(error(data_ + "[optimizer]\nlearning_rate = 1e-400\n"),
               {":4", "optimizer.learning_rate = 1e-400 is too small"});
  EXPECT_EQ(read(data_, {"optimizer.learning_rate=0.0e5"}).optimizer.learning_rate, 0.0);
}

TEST_F(ConfigFile, PathsAreExpandedOrRefused) {
  ::setenv("HOME", "/home/me", 1);
  ::setenv("TUTTITEST_SCRATCH", "/scratch/me", 1);
  EXPECT_EQ(read("[data]\ntrain = \"~/data\"\n").data.train, "/home/me/data");
  EXPECT_EQ(read(data_, {"run.dir=$TUTTITEST_SCRATCH/x"}).run.dir, "/scratch/me/x");
  EXPECT_EQ(read(data_, {}, {"TUTTI_RUN_DIR=${TUTTITEST_SCRATCH}y"}).run.dir, "/scratch/mey");
  EXPECT_EQ(read(data_, {"run.dir=/a/$$b/~"}).run.dir, "/a/$b/~");
  const std::string again = to_toml(read(data_, {"run.dir=/a/$$b/~"}));
  EXPECT_EQ(to_toml(parse_config(again, "again")), again) << "what is in effect is not expanded again";
  expect_parts(error(data_, {"run.dir=$TUTTITEST_NONE/x"}), {"run.dir", "TUTTITEST_NONE is not set"});
  expect_parts(error("[data]\ntrain = \"~else/data\"\n"), {":2", "data.train", "another user"});
  expect_parts(error(data_, {"run.dir=/a/$/b"}), {"run.dir", "$$"});
  expect_parts(error(data_, {"run.dir=/a/${b"}), {"run.dir", "$$"});
  EXPECT_EQ(read(data_, {"data.input=~/$x"}).data.input, "~/$x") << "no path";
}

TEST_F(ConfigFile, NamesOfAnyBytes) {
  const Config config = read(data_, {"run.dir=/x\ny\t\x01\x7f \"q\" \\ \xc3\xa9"});
  EXPECT_EQ(config.run.dir, "/x\ny\t\x01\x7f \"q\" \\ \xc3\xa9");
  EXPECT_EQ(parse_config(to_toml(config), "again").run.dir, config.run.dir);
  for (const char* key : {"run.dir", "data.train", "data.input"})
    expect_parts(error(data_, {std::string(key) + "=/a\xff"}), {key, "\\xff is not valid UTF-8"});
}

TEST_F(ConfigFile, NumbersMayBeOneOrAListByChannel) {
  const Config one = read(data_ + "mean = 1\n[augment]\nfill = [1, 2.5, 3]\n");
  EXPECT_EQ(one.data.mean, std::vector{1.0});
  EXPECT_EQ(one.augment.fill, (std::vector{1.0, 2.5, 3.0}));
  const Config list = read(data_, {"data.mean=[0.5, 0.25]"}, {"TUTTI_DATA_STD=[1, 2]"});
  EXPECT_EQ(list.data.mean, (std::vector{0.5, 0.25}));
  EXPECT_EQ(list.data.std, (std::vector{1.0, 2.0}));
  EXPECT_NE(to_toml(list).find("mean = [0.5, 0.25]"), std::string::npos);
  EXPECT_EQ(to_toml(parse_config(to_toml(list), "text")), to_toml(list));
  expect_parts(error(data_, {"data.mean=[1, true]"}), {"data.mean", "a list of numbers", "a list with boolean"});
  expect_parts(error(data_, {"data.mean=[]"}), {"data.mean", "a list of numbers", "an empty list"});
  expect_parts(error(data_, {"data.std=[1, 0]"}), {"data.std = [1.0, 0.0] is out of range", "above 0"});
  expect_parts(error(data_ + "std = 1e-400\n"), {"data.std = "});
  expect_parts(error(data_ + "mean = 1e-400\n"), {"too small"});
}

TEST_F(ConfigFile, WrongTypeNamesKeyAndType) {
  expect_parts(error(data_ + "[train]\nepochs = \"three\"\n"),
               {file_.string() + ":4", "train.epochs", "a whole number", "string"});
  expect_parts(error(data_ + "[train]\nepochs = 2.5\n"), {"train.epochs", "a whole number"});
  expect_parts(error(data_ + "[optimizer]\nlearning_rate = true\n"), {"optimizer.learning_rate", "a number"});
  expect_parts(error(data_ + "[optimizer]\nnesterov = 1\n"), {"optimizer.nesterov", "true or false"});
  expect_parts(error(data_ + "[model]\nname = 3\n"), {"model.name", "text"});
  expect_parts(error(data_, {"train.epochs=three"}), {"--set train.epochs=three", "train.epochs"});
  expect_parts(error(data_, {"train.epochs"}), {"section.key=value"});
}

TEST_F(ConfigFile, ValueOutOfRangeNamesKeyAndRange) {
  expect_parts(error(data_ + "[train]\nbatch_size = 0\n"), {"train.batch_size = 0", "1 to"});
  expect_parts(error(data_ + "[optimizer]\nmomentum = 1.0\n"), {"optimizer.momentum", "0 to"});
  expect_parts(error(data_ + "[optimizer]\nlearning_rate = nan\n"), {"optimizer.learning_rate"});
  expect_parts(error(data_ + "[model]\nname = \"resnet\"\n"), {"model.name", "resnet", "softmax, mlp, convnet"});
  EXPECT_EQ(read(data_, {"exchange.compression=auto"}).exchange.compression, "auto");
  expect_parts(error(data_, {"exchange.compression=auto", "exchange.kind=sharded"}),
               {"exchange.compression = \"auto\" needs exchange.kind = \"allreduce\""});
  expect_parts(error(data_, {"exchange.compression=auto", "model.dtype=f64"}),
               {"exchange.compression needs model.dtype = \"f32\""});
  expect_parts(error(data_, {"exchange.compression=auto", "exchange.auto_error=2"}), {"exchange.auto_error"});
  expect_parts(error(data_, {"exchange.compression=int3"}), {"exchange.compression", "unknown codec 'int3'"});
}

TEST_F(ConfigFile, ContradictionsAndBadFiles) {
  expect_parts(error("[train]\nepochs = 1\n"), {file_.string(), "data.train"});
  expect_parts(error(data_, {"optimizer.nesterov=true", "optimizer.momentum=0"}),
               {"optimizer.nesterov", "optimizer.momentum"});
  expect_parts(error(data_, {"run.stop_after=3"}), {"run.stop_after needs data.test"});
  expect_parts(error(data_, {"run.keep_best=true"}), {"run.keep_best", "data.test"});
  expect_parts(error(data_, {"run.stop_after=3", "data.test=x", "run.evaluate_every=0"}), {"run.evaluate_every"});
  expect_parts(error(data_, {"exchange.compression=bf16", "model.dtype=f64"}), {"exchange.compression", "model.dtype"});
  expect_parts(error(data_, {"model.compute=bf16", "model.dtype=f64"}), {"model.compute = \"bf16\"", "model.dtype"});
  expect_parts(error(data_, {"model.compute=f16"}), {"model.compute", "same, bf16"});
  expect_parts(error(data_, {"numerics.loss_scale=dynamic"}),
               {"numerics.loss_scale", "exchange.compression = \"f16\""});
  expect_parts(error(data_, {"numerics.loss_scale=3", "exchange.compression=f16"}),
               {"numerics.loss_scale = \"3\"", "a power of two"});
  for (const char* other :
       {"exchange.compression=bf16", "exchange.kind=sharded", "model.dtype=f64", "train.accumulate=513",
        "model.batch_norm_statistics=synchronised", "numerics.loss_scale=dynamic"})
    expect_parts(error(data_, {"numerics.reproducible=ranks", other}),
                 {"numerics.", std::string(other).substr(0, std::string(other).find('='))});
  expect_parts(error(data_ + "[train\n"), {file_.string() + ":3"});
  EXPECT_THROW(read_config({.file = folder_.path() / "absent.toml", .environment = {}, .options = {}}), ConfigError);
  EXPECT_THROW(read_config({.file = folder_.path(), .environment = {}, .options = {}}), ConfigError);
}

// What an earlier version wrote into a checkpoint is read; a file of a user has to use the key of today.
TEST_F(ConfigFile, KeysAndValuesOfEarlierVersionsAreReadInCheckpoints) {
  std::string toml = to_toml(read(data_, {"train.timeout_s=12.5"}));
  const auto at = toml.find("timeout_s");
  ASSERT_NE(at, std::string::npos);
  toml.replace(at, 9, "deadline_s");
  EXPECT_EQ(parse_config(toml, "checkpoint").train.timeout_s, 12.5);
  expect_parts(error(data_ + "[train]\ndeadline_s = 3\n"), {"unknown key 'train.deadline_s'"});

  EXPECT_EQ(parse_config("[exchange]\nkind = \"sync_sgd\"\n", "checkpoint").exchange.kind, "allreduce");
  expect_parts(error(data_ + "[exchange]\nkind = \"sync_sgd\"\n"), {"exchange.kind", "sync_sgd", "allreduce"});
}

TEST_F(ConfigFile, DifferencesSayWhatTheyMeanForResuming) {
  const auto found = differences(read(data_, {"train.seed=2", "optimizer.momentum=0.5", "run.keep=9"}), read(data_));
  ASSERT_EQ(found.size(), 3U);
  EXPECT_EQ(found[0].text, "train.seed is 2 and was 1");
  EXPECT_EQ(found[0].on_resume, OnResume::refuse);
  EXPECT_EQ(found[1].on_resume, OnResume::note);
  EXPECT_EQ(found[2].on_resume, OnResume::free);
}

// Where integers are added up, it does not matter how they travel, but which they are.
TEST_F(ConfigFile, DifferencesThatChangeNoBitsWithoutRanksAreFree) {
  const auto noted = [&](const std::string& level, const std::string& change) {
    const std::string numerics = "numerics.reproducible=" + level;
    const auto found = differences(read(data_, {numerics, change}), read(data_, {numerics}));
    EXPECT_EQ(found.size(), 1U);
    return found.at(0).on_resume == OnResume::note;
  };
  for (const char* change : {"exchange.bucket_bytes=99", "exchange.algorithm=ring"}) {
    EXPECT_TRUE(noted("run", change)) << change;
    EXPECT_FALSE(noted("ranks", change)) << change;
  }
  EXPECT_FALSE(noted("run", "numerics.shards=9"));
  EXPECT_TRUE(noted("ranks", "numerics.shards=9"));
}

TEST_F(ConfigFile, KeysThatTheKindDoesNotKnowAreRefused) {
  expect_parts(error(data_ + "[optimizer]\nbeta1 = 0.9\n"),
               {":4", "optimizer.beta1 means nothing with optimizer.kind = \"sgd\"", "momentum, nesterov"});
  expect_parts(error(data_, {"optimizer.kind=adam", "optimizer.momentum=0.5"}),
               {"--set optimizer.momentum=0.5", "optimizer.kind = \"adam\"", "beta1, beta2, epsilon, amsgrad"});
  expect_parts(error(data_, {"schedule.kind=cosine"}, {"TUTTI_SCHEDULE_GAMMA=0.5"}),
               {"TUTTI_SCHEDULE_GAMMA", "schedule.gamma means nothing with schedule.kind = \"cosine\""});
  expect_parts(error(data_, {"schedule.kind=one_cycle", "schedule.warmup_steps=5"}), {"schedule.warmup_steps"});
  EXPECT_NO_THROW(read(data_, {"schedule.gamma=0.5", "schedule.step_epochs=2"})) << "constant has always let them pass";
  expect_parts(error(data_, {"optimizer.kind=adam", "optimizer.beta2=1.0"}), {"optimizer.beta2 = 1", "0 to"});
  expect_parts(error(data_, {"optimizer.kind=adam", "optimizer.epsilon=0.0"}), {"optimizer.epsilon", "above 0"});
  for (const auto kind : optimizer_names()) {
    const Config config = read(data_, {"optimizer.kind=" + std::string(kind)});
    EXPECT_EQ(to_toml(parse_config(to_toml(config), "again")), to_toml(config)) << kind;
    write_file(file_, to_toml(config));
    EXPECT_NO_THROW(read_config({.file = file_, .environment = {}, .options = {}})) << "its own text, " << kind;
  }
}

TEST_F(ConfigFile, OptimizersHaveTheirOwnDefaults) {
  EXPECT_EQ(read(data_).optimizer.learning_rate, 0.05);
  EXPECT_EQ(read(data_, {"optimizer.kind=adamw"}).optimizer.learning_rate, 0.001);
  EXPECT_EQ(read(data_, {"optimizer.kind=adamw"}).optimizer.weight_decay, 0.01);
  EXPECT_EQ(read(data_, {"optimizer.kind=adamw", "optimizer.weight_decay=0.0"}).optimizer.weight_decay, 0.0);
  EXPECT_EQ(read(data_, {"optimizer.kind=rmsprop"}).optimizer.momentum, 0.0);
  EXPECT_EQ(read(data_, {"optimizer.kind=lamb"}).optimizer.epsilon, 1e-6);
}

TEST_F(ConfigFile, GroupsAreTables) {
  const std::string groups = data_ +
                             "[optimizer]\nkind = \"lars\"\n[[optimizer.group]]\nmatch = \"*.bias\"\n"
                             "weight_decay = 0\nadapt = false\n[[optimizer.group]]\nmatch = \"conv*\"\n"
                             "learning_rate_factor = 0.5\n[schedule]\nwarmup_steps = 3\n";
  const Config config = read(groups);
  ASSERT_EQ(config.optimizer.groups.size(), 2U);
  EXPECT_EQ(config.optimizer.groups[0].match, "*.bias");
  EXPECT_EQ(config.optimizer.groups[0].weight_decay, 0.0);
  EXPECT_FALSE(config.optimizer.groups[0].adapt);
  EXPECT_EQ(config.optimizer.groups[0].learning_rate_factor, 1.0);
  EXPECT_FALSE(config.optimizer.groups[1].weight_decay);
  EXPECT_EQ(config.optimizer.groups[1].learning_rate_factor, 0.5);
  EXPECT_EQ(config.schedule.warmup_steps, 3);
  const Config again = parse_config(to_toml(config), "again");
  EXPECT_EQ(to_toml(again), to_toml(config));
  EXPECT_TRUE(differences(again, config).empty());
  const auto found = differences(read(data_ + "[optimizer]\nkind = \"lars\"\n"), config);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[1].text, "the tables [[optimizer.group]] are others than they were");
  EXPECT_EQ(found[1].on_resume, OnResume::note);

  const auto group = [&](const std::string& lines) { return data_ + "[[optimizer.group]]\n" + lines; };
  expect_parts(error(group("decay = 0\nmatch = \"*\"\n")), {":4", "unknown key 'decay' of [[optimizer.group]]",
                                                            "match, learning_rate_factor, weight_decay, adapt"});
  expect_parts(error(group("weight_decay = 0\n")), {":3", "optimizer.group.match is missing"});
  expect_parts(error(group("match = \"*\"\nweight_decay = -1\n")), {":5", "optimizer.group.weight_decay", "0 to"});
  expect_parts(error(group("match = \"*\"\nadapt = false\n")), {":5", "optimizer.group.adapt means nothing", "sgd"});
  expect_parts(error(data_ + "[optimizer.group]\nmatch = \"*\"\n"), {"[[optimizer.group]]"});
  expect_parts(error(data_, {"optimizer.group=x"}), {"--set optimizer.group=x", "[[optimizer.group]] of a file"});
}

TEST_F(ConfigFile, RulesOfCompressionAreTables) {
  const std::string rules = data_ +
                            "[exchange]\ncompression = \"bf16:feedback=on\"\n[[exchange.rule]]\nmatch = \"conv*\"\n"
                            "compression = \"none\"\n[[exchange.rule]]\nmin_elements = 100\ncompression = \"f16\"\n"
                            "[run]\nkeep = 4\n";
  const Config config = read(rules);
  ASSERT_EQ(config.exchange.rules.size(), 2U);
  EXPECT_EQ(config.exchange.rules[0].match, "conv*");
  EXPECT_EQ(config.exchange.rules[1].match, "*");
  EXPECT_EQ(config.exchange.rules[1].min_elements, 100);
  EXPECT_EQ(to_toml(parse_config(to_toml(config), "again")), to_toml(config));
  EXPECT_EQ(differences(read(data_), config).size(), 3U);  // and run.keep

  const auto rule = [&](const std::string& lines) { return data_ + "[[exchange.rule]]\n" + lines; };
  expect_parts(error(rule("match = \"*\"\n")), {":3", "exchange.rule.compression is missing"});
  expect_parts(error(rule("compression = \"zip\"\n")), {"exchange.rule 1", "unknown codec 'zip'", "bf16, f16"});
  expect_parts(error(data_, {"exchange.compression=bf16:levels=3"}),
               {"exchange.compression: codec 'bf16:levels=3'", "levels", "feedback"});
  expect_parts(error(data_, {"exchange.compression=bf16:feedback=1"}), {"feedback = '1'", "on nor off"});
  expect_parts(error(data_, {"exchange.compression=dgc"}), {"optimizer.momentum must be 0", "dgc"});
  EXPECT_EQ(read(data_, {"exchange.compression=dgc", "optimizer.momentum=0"}).exchange.compression, "dgc");
  expect_parts(error(data_, {"exchange.compression=dgc", "optimizer.kind=lars"}), {"optimizer.momentum must be 0"});
  expect_parts(error(data_, {"exchange.compression=bf16", "exchange.fallback=dgc"}), {"optimizer.momentum must be 0"});
  expect_parts(error(data_, {"exchange.compression=threshold:threshold=-0"}), {"threshold = '-0'"});
  for (const char* option : {"exchange.fallback=int8", "exchange.compression=f16:feedback=on"})
    expect_parts(error(data_, {"exchange.compression=f16", "numerics.loss_scale=dynamic", option}),
                 {"numerics.loss_scale", "without feedback"});
}

TEST_F(ConfigFile, SchedulesThatContradictThemselves) {
  expect_parts(error(data_, {"schedule.kind=multi_step"}), {"schedule.milestone_epochs = \"\"", "rising order"});
  expect_parts(error(data_, {"schedule.kind=multi_step", "schedule.milestone_epochs=3,2"}), {"\"3,2\""});
  expect_parts(error(data_, {"schedule.kind=cosine", "schedule.restart_epochs=3", "schedule.end_epochs=4"}),
               {"schedule.end_epochs", "schedule.restart_epochs"});
  expect_parts(error(data_, {"optimizer.clip_norm=1", "optimizer.clip_value=1"}), {"clip_norm", "clip_value"});
  expect_parts(error(data_, {"run.evaluate_with=average"}), {"run.evaluate_with", "optimizer.ema_decay"});
}

// Where the schedule ends with the run, another end of the run is another rate, which a resumed run announces.
TEST_F(ConfigFile, AnotherEndIsNotedWhereTheScheduleHasOne) {
  const auto noted = [&](const std::string& schedule) {
    const auto found = differences(read(data_, {"train.epochs=9", schedule}), read(data_, {schedule}));
    EXPECT_EQ(found.size(), 1U);
    return found.at(0).on_resume == OnResume::note;
  };
  EXPECT_TRUE(noted("schedule.kind=cosine"));
  EXPECT_TRUE(noted("schedule.kind=one_cycle"));
  EXPECT_FALSE(noted("schedule.kind=step"));
}

TEST_F(ConfigFile, EveryDefaultIsInItsRange) {
  // A default goes through the same door as any value: what the table writes, it accepts.
  EXPECT_NO_THROW(parse_config(to_toml(Config{}), "defaults"));
}

TEST(ConfigTable, ReadmeHoldsIt) {
  EXPECT_NE(read_file(fs::path(tutti::test::kSourceDir) / "trainer/README.md").find(key_table_markdown()),
            std::string::npos)
      << "put the output of `tutti-train --keys` into trainer/README.md";
}

TEST(ConfigTable, ExamplesAreRead) {
  for (const char* name : {"fashion_mnist.toml", "digits.toml"})
    EXPECT_NO_THROW(
        read_config({.file = fs::path(tutti::test::kSourceDir) / "examples" / name, .environment = {}, .options = {}}));
}

// The lists of names are those of the tables, and every name in them makes what it names.
TEST(ConfigTable, NamesAreThoseOfTheTables) {
  const auto choices = [](std::string_view name) {
    for (const Key& key : key_table())
      if (key.name == name) return key.choices;
    return std::vector<std::string_view>{};
  };
  const auto expect_names = [&](std::string_view key, std::span<const std::string_view> names) {
    EXPECT_EQ(choices(key), std::vector<std::string_view>(names.begin(), names.end())) << key;
    EXPECT_FALSE(names.empty()) << key;
  };
  expect_names("model.name", model_names());
  expect_names("optimizer.kind", optimizer_names());
  expect_names("exchange.kind", exchange_names());
  for (const auto name : optimizer_names()) EXPECT_NO_THROW(make_optimizer({.kind = std::string(name)})) << name;
}

}  // namespace

}  // namespace tutti::trainer::test
