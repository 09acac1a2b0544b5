// Data sets as they should be: written, found as described, read back, replaced only on demand.
#include <tutti/io/dataset.hpp>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>

#include <tutti/io/check.hpp>
#include <tutti/io/detail/shard.hpp>

#include "tests/io/support.hpp"
#include "tests/io/times.hpp"
#include "tests/support/paths.hpp"

namespace tutti::io::test {
namespace {

TEST(Dataset, IsReadAsItWasWritten) {
  const TemporaryFolder temporary;
  const fs::path folder = temporary.path() / "a" / "b";
  write_dataset(folder, small_plan(23, 4, 3));
  const Dataset dataset(folder);
  EXPECT_EQ(dataset.size(), 23U);
  EXPECT_EQ(dataset.classes(), 5U);
  EXPECT_EQ(dataset.name(), "small");
  EXPECT_EQ(dataset.fields(), small_plan(1, 1, 1).fields);
  EXPECT_EQ(dataset.field("label"), 1U);
  expect_parts(message_of([&] { dataset.field("mask"); }),
               {folder.string(), "unknown field 'mask'; known are image, label"});
  EXPECT_EQ(files_in(folder),
            (std::vector<std::string>{"manifest.json", "shard-00000-of-00004.h5", "shard-00001-of-00004.h5",
                                      "shard-00002-of-00004.h5", "shard-00003-of-00004.h5"}));
  ASSERT_EQ(dataset.shards().size(), 4U);
  std::uint64_t next = 0;
  for (const ShardInfo& shard : dataset.shards()) {
    EXPECT_EQ(shard.first_sample, next);
    EXPECT_EQ(shard.samples, next < 18 ? 6U : 5U);
    ShardReader reader(shard.file);  // a shard says all of it without the manifest
    EXPECT_EQ(reader.header().fields, dataset.fields());
    EXPECT_EQ(reader.header().dataset, "small");
    EXPECT_EQ(reader.header().dataset_samples, 23U);
    EXPECT_EQ(reader.header().classes, 5U);
    const std::uint64_t chunk_samples = reader.header().chunk_samples;
    std::vector<std::uint16_t> images(chunk_samples * 3);
    for (std::uint64_t chunk = 0; chunk < reader.header().chunks(); ++chunk) {
      reader.read_chunk(chunk, 0, std::as_writable_bytes(std::span(images)));
      for (std::uint64_t i = 0; i < reader.header().samples_in_chunk(chunk); ++i, ++next)
        for (std::size_t p = 0; p < 3; ++p) EXPECT_EQ(images[i * 3 + p], pixels_of(next)[p]);
    }
  }
  EXPECT_EQ(next, 23U);
}

TEST(Dataset, OfEveryDTypeAndOddShapes) {
  const TemporaryFolder temporary;
  DatasetPlan plan{.name = "types", .fields = {}, .samples = 7, .shards = 2, .chunk_samples = 2};
  for (const DType dtype : kAllDTypes) plan.fields.push_back({std::string(name(dtype)), dtype, {3, 1, 2}});
  std::vector<std::vector<std::byte>> content;
  for (const Field& field : plan.fields) {
    content.emplace_back(7 * field.sample_bytes());
    for (std::size_t i = 0; i < content.back().size(); ++i)
      content.back()[i] = static_cast<std::byte>(i * 31 + content.size());
  }
  {
    DatasetWriter writer(temporary.path(), plan);
    writer.append(7, std::vector<std::span<const std::byte>>(content.begin(), content.end()));
    writer.finish();
  }
  const Dataset dataset(temporary.path());
  EXPECT_EQ(dataset.fields(), plan.fields);
  ShardReader reader(dataset.shards()[1].file);
  ASSERT_EQ(reader.header().samples, 3U);
  for (std::size_t f = 0; f < plan.fields.size(); ++f) {
    const std::size_t bytes = plan.fields[f].sample_bytes();
    std::vector<std::byte> chunk(reader.header().chunk_samples * bytes);
    reader.read_chunk(1, f, chunk);
    EXPECT_TRUE(std::equal(chunk.begin(), chunk.begin() + static_cast<std::ptrdiff_t>(bytes),
                           content[f].begin() + static_cast<std::ptrdiff_t>(6 * bytes)))
        << plan.fields[f].name;
  }
}

TEST(Dataset, SameSamplesMakeTheSameBytesHoweverTheyArrive) {
  const TemporaryFolder temporary;
  write_dataset(temporary.path() / "a", small_plan(31, 3, 4));
  {
    DatasetWriter writer(temporary.path() / "b", small_plan(31, 3, 4));
    for (std::uint64_t first = 0, count = 0; first < 31; first += count) {
      count = std::min<std::uint64_t>(1 + first % 6, 31 - first);
      append(writer, first, count);
    }
    writer.finish();
  }
  for (const std::string& file : files_in(temporary.path() / "a"))
    EXPECT_EQ(read_bytes(temporary.path() / "a" / file), read_bytes(temporary.path() / "b" / file)) << file;
  EXPECT_EQ(Dataset(temporary.path() / "a").fingerprint(), Dataset(temporary.path() / "b").fingerprint());
  expect_no_times(temporary.path() / "a" / "shard-00000-of-00003.h5", 7);
}

TEST(Dataset, IsReplacedOnlyOnDemandAndOnlyByAWholeOne) {
  const TemporaryFolder temporary;
  const fs::path& folder = temporary.path();
  write_dataset(folder, small_plan(20, 4, 3));
  const auto before = files_in(folder);
  expect_parts(message_of([&] { write_dataset(folder, small_plan(10, 2, 3)); }),
               {folder.string(), "already holds a data set", "--force"});
  DatasetPlan plan = small_plan(10, 2, 3);
  plan.replace = true;
  {
    DatasetWriter writer(folder, plan);
    append(writer, 0, 9);
    expect_parts(message_of<InvalidArgument>([&] { writer.finish(); }), {"9 samples", "10 planned"});
  }
  EXPECT_EQ(files_in(folder), before);
  EXPECT_EQ(Dataset(folder).size(), 20U);
  write_dataset(folder, plan);
  EXPECT_EQ(Dataset(folder).size(), 10U);
  EXPECT_EQ(files_in(folder).size(), 3U);
}

TEST(Dataset, IsWrittenByOneWriterAtATime) {
  const TemporaryFolder temporary;
  const DatasetWriter writer(temporary.path(), small_plan(10, 2, 3));
  expect_parts(message_of([&] { DatasetWriter(temporary.path(), small_plan(10, 2, 3)); }),
               {temporary.path().string(), "in use by process " + std::to_string(::getpid()), "host"});
}

TEST(Dataset, AWriterThatDiedExcludesNobody) {
  const TemporaryFolder temporary;
  write_bytes(temporary.path() / ".lock", std::string("process 1 on host nowhere"));
  write_dataset(temporary.path(), small_plan(10, 2, 3));
  EXPECT_EQ(Dataset(temporary.path()).size(), 10U);
  EXPECT_EQ(files_in(temporary.path()).size(), 3U) << "the lock file stays";
}

// A name that the manifest cannot hold is refused before the old data set is touched.
TEST(Dataset, ANameThatIsNotUtf8LeavesTheOldDataSetWhole) {
  const TemporaryFolder temporary;
  write_dataset(temporary.path(), small_plan(20, 4, 3));
  const auto before = files_in(temporary.path());
  const std::vector<std::string> names{"caf\xe9", "\xc0\xaf", "a\xed\xa0\x80", "cut off \xe2\x82",
                                       std::string("ze\0ro", 5)};
  for (const std::string& name : names) {
    DatasetPlan plan = small_plan(10, 2, 3);
    plan.replace = true;
    plan.name = name;
    expect_parts(message_of<InvalidArgument>([&] { write_dataset(temporary.path(), plan); }),
                 {"name", "not valid UTF-8"});
    EXPECT_EQ(files_in(temporary.path()), before);
    EXPECT_EQ(check_shard(Dataset(temporary.path()), 3).samples, 5U);
  }
  DatasetPlan plan = small_plan(10, 2, 3);
  plan.replace = true;
  plan.name = "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x8e\xbc \"quoted\"\n";
  write_dataset(temporary.path(), plan);
  EXPECT_EQ(Dataset(temporary.path()).name(), plan.name);
}

// The manifest is written out before the old one goes.
TEST(Dataset, AManifestThatDoesNotFitLeavesTheOldDataSetWhole) {
  const TemporaryFolder temporary;
  write_dataset(temporary.path(), small_plan(20, 4, 3));
  DatasetPlan plan = small_plan(10, 2, 3);
  plan.replace = true;
  {
    DatasetWriter writer(temporary.path(), plan);
    append(writer, 0, 10);
    const FileSizeLimit limit(100);
    expect_parts(message_of([&] { writer.finish(); }), {"manifest.json", "cannot be written"});
  }
  EXPECT_EQ(Dataset(temporary.path()).size(), 20U);
  EXPECT_EQ(files_in(temporary.path()).size(), 5U);
}

TEST(Dataset, IsReadWithoutFileLocks) {
  const TemporaryFolder temporary;
  write_dataset(temporary.path(), small_plan(10, 1, 3));
  const int descriptor = ::open((temporary.path() / "shard-00000-of-00001.h5").c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_GE(descriptor, 0);
  ASSERT_EQ(::flock(descriptor, LOCK_EX | LOCK_NB), 0);
  EXPECT_EQ(check_shard(Dataset(temporary.path()), 0).samples, 10U);
  ::close(descriptor);
}

TEST(Dataset, PlansThatMakeNoSenseAreRefusedBeforeAnythingIsWritten) {
  const TemporaryFolder temporary;
  const auto refused = [&](const DatasetPlan& plan, const std::vector<std::string>& parts) {
    expect_parts(message_of<InvalidArgument>([&] { DatasetWriter(temporary.path(), plan); }), parts);
    EXPECT_TRUE(files_in(temporary.path()).empty());
  };
  refused(small_plan(3, 4, 1), {"3 samples", "4 shards"});
  refused(small_plan(0, 1, 1), {"0 samples"});
  refused(small_plan(3, 0, 1), {"0 shards"});
  DatasetPlan plan = small_plan(3, 1, 1);
  plan.fields[1].name = "target";
  refused(plan, {"5 classes", "'label'"});
  plan.classes = 0;
  plan.fields[1].name = "image";
  refused(plan, {"'image' is there twice"});
  plan.fields[1].name = "a/b";
  refused(plan, {"'a/b'"});
  plan.fields[1] = {"empty", DType::u8, {0}};
  refused(plan, {"'empty'", "zero"});
  plan.fields[1] = {"huge", DType::f64, {std::size_t{1} << 40, std::size_t{1} << 40}};
  refused(plan, {"'huge'", "more bytes than can be counted"});
  plan.fields[1] = {"large", DType::u8, {65536, 65536}};
  refused(plan, {"'large'", "4294967296 bytes", "HDF5 chunk"});
  plan.fields.clear();
  refused(plan, {"no fields"});
}

TEST(Dataset, LabelsOutOfRangeAreNotWritten) {
  const TemporaryFolder temporary;
  DatasetPlan plan = small_plan(10, 1, 4);
  plan.classes = 4;  // label_of(2) is 4
  expect_parts(message_of([&] { write_dataset(temporary.path(), plan); }),
               {temporary.path().string(), "sample 2", "label 4", "0 .. 3"});
  EXPECT_TRUE(files_in(temporary.path()).empty());
}

TEST(Dataset, ThatDoesNotFitLeavesNothingBehind) {
  const TemporaryFolder temporary;
  DatasetPlan plan = small_plan(20000, 2, 100);
  const std::string message = message_of([&] {
    const FileSizeLimit limit(64 << 10);
    write_dataset(temporary.path(), plan);
  });
  expect_parts(message, {"shard-00000-of-00002.h5", "cannot"});
  EXPECT_TRUE(files_in(temporary.path()).empty());
}

TEST(BundledDigits, AreWhole) {
  for (const auto& [part, size, shards] : {std::tuple("train", 1437U, 2U), std::tuple("test", 360U, 1U)}) {
    const Dataset dataset(fs::path(tutti::test::kSourceDir) / "examples/digits" / part);
    EXPECT_EQ(dataset.size(), size);
    EXPECT_EQ(dataset.shards().size(), shards);
    EXPECT_EQ(dataset.fields(), (std::vector<Field>{{"image", DType::u8, {1, 8, 8}}, {"label", DType::i64, {}}}));
    for (std::size_t s = 0; s < shards; ++s)
      for (const auto& [label, count] : check_shard(dataset, s).samples_of_class) EXPECT_GT(count, 20U) << part;
  }
}

}  // namespace
}  // namespace tutti::io::test
