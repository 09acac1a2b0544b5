// The importer of CIFAR: both kinds, and files that are another kind than it is said or seems.
#include <tutti/io/importers/cifar.hpp>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <string>
#include <thread>
#include <vector>

#include "tests/io/importer_support.hpp"

namespace tutti::io::test {
namespace {

std::string pixels_of_cifar(unsigned sample) {
  std::string pixels(3072, '\0');
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<char>((i * 7 + sample * 13) % 251);
  return pixels;
}

std::string cifar10(unsigned first, unsigned count) {
  std::string records;
  for (unsigned s = first; s < first + count; ++s) records += static_cast<char>(s % 10) + pixels_of_cifar(s);
  return records;
}

std::string cifar100(unsigned count) {
  std::string records;
  for (unsigned s = 0; s < count; ++s)
    records += std::string{static_cast<char>(s % 20), static_cast<char>(s * 3 % 100)} + pixels_of_cifar(s);
  return records;
}

class CifarTest : public ImporterTest {
 protected:
  static Make opener(CifarFiles files) {
    return [files] { return open_cifar(files); };
  }

  static void expect_pixels(const Dataset& dataset, unsigned count) {
    std::string all;
    for (unsigned s = 0; s < count; ++s) all += pixels_of_cifar(s);
    EXPECT_EQ(dataset.fields(), (std::vector<Field>{{"image", DType::u8, {3, 32, 32}}, {"label", DType::i64, {}}}));
    EXPECT_TRUE(content(dataset, "image") == all);
  }
};

TEST_F(CifarTest, SeveralFilesOfTheSmallerKind) {
  const fs::path a = write("data_batch_1.bin", cifar10(0, 30));
  const fs::path b = write("data_batch_2.bin.gz", gzipped(cifar10(30, 5)));
  const Dataset dataset = import(opener({.files = {a, b}}));
  expect_pixels(dataset, 35);
  EXPECT_EQ(dataset.classes(), 10U);
  EXPECT_TRUE(dataset.class_names().empty());
  const std::vector<std::int64_t> found = labels(dataset);
  for (std::size_t i = 0; i < 35; ++i) EXPECT_EQ(found[i], static_cast<std::int64_t>(i % 10));
  for (const std::uint64_t first : {0U, 7U, 29U, 30U, 33U, 35U}) {
    const auto source = open_cifar({.files = {a, b}});
    EXPECT_EQ(read_from(*source, first, 0), content(dataset, "image").substr(first * 3072)) << first;
  }
}

TEST_F(CifarTest, FineAndCoarseLabelsAndTheirNames) {
  const fs::path file = write("train.bin", cifar100(40));
  Dataset dataset = import(opener({.files = {file}}));
  expect_pixels(dataset, 40);
  EXPECT_EQ(dataset.classes(), 100U);
  EXPECT_EQ(labels(dataset)[39], 39 * 3 % 100);
  std::string names;
  for (int i = 0; i < 20; ++i) names += "coarse " + std::to_string(i) + "\r\n";
  write("coarse_label_names.txt", names + "\n");
  dataset = import(opener({.files = {file}, .labels = CifarLabels::coarse}));
  EXPECT_EQ(dataset.classes(), 20U);
  EXPECT_EQ(labels(dataset)[39], 19);
  EXPECT_EQ(dataset.class_names()[19], "coarse 19");
  const fs::path other = write("other.txt", "a\nb\n");
  expect_parts(error(opener({.files = {file}, .names = other})), {other.string(), "2 class names for 100 classes"});
  expect_parts(error(opener({.files = {file}, .names = path("none")})), {path("none").string(), "No such file"});
}

TEST_F(CifarTest, AFileOfTheOtherKindIsRefused) {
  const fs::path ten = write("ten.bin", cifar10(0, 12));
  const fs::path hundred = write("hundred.bin", cifar100(12));
  expect_parts(error(opener({.files = {hundred}, .kind = 10})),
               {hundred.string(), "is not CIFAR-10", "looks like CIFAR-100 (12 records"});
  expect_parts(error(opener({.files = {ten}, .kind = 100})), {ten.string(), "looks like CIFAR-10 (12 records"});
  expect_parts(error(opener({.files = {ten, hundred}})), {hundred.string(), "is CIFAR-100", ten.string()});
  expect_parts(error<InvalidArgument>(opener({.files = {ten}, .labels = CifarLabels::coarse})), {"CIFAR-100 only"});
  const fs::path both = write("both.bin", std::string(std::size_t{3073} * 3074, '\1'));
  expect_parts(error(opener({.files = {both}})), {both.string(), "as CIFAR-10 and as CIFAR-100", "--kind"});
  EXPECT_EQ(import(opener({.files = {both}, .kind = 100})).size(), 3073U);
}

TEST_F(CifarTest, FilesThatAreNotWhatTheyShouldBe) {
  const auto refused = [&](const std::string& content, const std::vector<std::string>& parts) {
    for (const bool compressed : {false, true}) {
      const fs::path file = write("f.bin", compressed ? gzipped(content) : content);
      std::vector<std::string> all = parts;
      all.push_back(file.string());
      expect_parts(error(opener({.files = {file}})), all);
    }
  };
  const std::string good = cifar10(0, 5);
  refused("", {"is empty"});
  refused(good + "x", {"15366 bytes", "cut short"});
  refused(good.substr(0, good.size() - 1), {"3072 bytes would be left"});
  std::string wrong = good;
  wrong[3073 * 3] = 10;
  refused(wrong, {"record 3", "10 is no label of CIFAR-10"});
  wrong = cifar100(6);
  wrong[3074 * 4 + 1] = 100;
  refused(wrong, {"record 4", "100 is no label of CIFAR-100"});
  std::string tar = "cifar-10-batches-py/data_batch_1";
  tar.resize(3073, '\0');
  tar.replace(257, 5, "ustar");
  refused(tar, {"python version", "cifar-10-binary.tar.gz"});
  tar.replace(0, 32, "cifar-10-batches-bin/batch.bin  ");
  refused(tar, {"is a tar archive; unpack it"});
  refused("\x80\x02" + good, {"is a pickle"});
  expect_parts(error(opener({.files = {path("none")}})), {path("none").string(), "No such file"});
  expect_parts(error(opener({.files = {path(".")}})), {"is a folder"});
}

TEST_F(CifarTest, StandardInput) {
  {
    const PipedInput from(cifar10(0, 20));
    expect_pixels(import(opener({.files = {"-"}, .kind = 10})), 20);
  }
  {
    const PipedInput from(cifar10(0, 20));
    expect_parts(error<InvalidArgument>(opener({.files = {"-"}})), {"--kind"});
    expect_pixels(import(opener({.files = {"/dev/stdin"}, .kind = 10})), 20);
  }
  const PipedInput from(cifar10(0, 20).substr(0, 3073 * 4 + 7));
  expect_parts(error(opener({.files = {"-"}, .kind = 10})), {"standard input: record 4 has only 7 of 3073 bytes"});
}

TEST_F(CifarTest, APipe) {
  const fs::path pipe = path("pipe");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  expect_parts(error<InvalidArgument>(opener({.files = {pipe}})), {"--kind"});
  const auto feed = [&](const std::string& bytes) { return std::thread([&pipe, bytes] { write_bytes(pipe, bytes); }); };
  std::thread writer = feed(cifar10(0, 20));
  expect_pixels(import(opener({.files = {pipe}, .kind = 10})), 20);
  writer.join();
  writer = feed(cifar10(0, 20).substr(0, 3073 * 4 + 7));
  expect_parts(error(opener({.files = {pipe}, .kind = 10})), {"record 4 has only 7 of 3073 bytes"});
  writer.join();
  writer = feed(cifar100(4));
  expect_parts(error(opener({.files = {pipe}, .kind = 10})), {"record", "no label of CIFAR-10"});
  writer.join();
}

}  // namespace
}  // namespace tutti::io::test
