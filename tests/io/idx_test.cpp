// The IDX importer: plain and compressed files, every type, and files that are not what they say.
#include <tutti/io/importers/idx.hpp>

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <zlib.h>

#include <fstream>
#include <map>

#include <tutti/io/check.hpp>
#include <tutti/io/loader.hpp>

#include "tests/io/support.hpp"

namespace tutti::io::test {
namespace {

std::string idx(int type, const std::vector<std::uint32_t>& extents, const std::string& elements) {
  std::string content{'\0', '\0', static_cast<char>(type), static_cast<char>(extents.size())};
  for (const std::uint32_t extent : extents)
    for (int shift = 24; shift >= 0; shift -= 8) content += static_cast<char>(extent >> shift);
  return content + elements;
}

void write_gz(const fs::path& file, const std::string& content) {
  gzFile out = gzopen(file.c_str(), "wb");
  ASSERT_NE(out, nullptr);
  ASSERT_EQ(gzwrite(out, content.data(), static_cast<unsigned>(content.size())), static_cast<int>(content.size()));
  ASSERT_EQ(gzclose(out), Z_OK);
}

class IdxTest : public testing::Test {
 protected:
  static constexpr std::uint32_t kSamples = 50;

  IdxTest() {
    for (std::uint32_t i = 0; i < kSamples * 6; ++i) pixels_ += static_cast<char>(i * 5 % 251);
    for (std::uint32_t i = 0; i < kSamples; ++i) labels_ += static_cast<char>(i % 7);
    write_bytes(files_.images = path("images.idx"), idx(0x08, {kSamples, 2, 3}, pixels_));
    write_bytes(files_.labels = path("labels.idx"), idx(0x08, {kSamples}, labels_));
    import_.folder = path("data");
    import_.shards = 3;
    import_.chunk_samples = 4;
  }

  fs::path path(const char* name) const { return temporary_.path() / name; }

  void run_import() {
    import_samples([this] { return open_idx(files_); }, import_);
  }

  // Imports and reads back, and compares with the pixels and labels.
  void expect_import(const std::vector<std::size_t>& shape, std::size_t classes) {
    run_import();
    const Dataset dataset(import_.folder);
    EXPECT_EQ(dataset.fields(), (std::vector<Field>{{"image", DType::u8, shape}, {"label", DType::i64, {}}}));
    EXPECT_EQ(dataset.classes(), classes);
    Loader loader(dataset, {.global_batch = kSamples});
    const auto batch = loader.next();
    ASSERT_TRUE(batch.has_value());
    EXPECT_EQ(std::memcmp(batch->data[0].data(), pixels_.data(), pixels_.size()), 0);
    for (std::size_t i = 0; i < kSamples; ++i) {
      std::int64_t label = -1;
      std::memcpy(&label, batch->data[1].data() + i * 8, 8);
      EXPECT_EQ(label, labels_[i]);
    }
  }

  // The error of the import; nothing may be left of it.
  std::string error() {
    std::string message = message_of([this] { run_import(); });
    EXPECT_TRUE(!fs::exists(import_.folder) || files_in(import_.folder).empty());
    return message;
  }

  TemporaryFolder temporary_;
  IdxFiles files_;
  ImportOptions import_;
  std::string pixels_;
  std::string labels_;
};

TEST_F(IdxTest, PlainFiles) {
  expect_import({1, 2, 3}, 7);
  const Dataset dataset(import_.folder);
  EXPECT_EQ(dataset.name(), "data");
  EXPECT_EQ(dataset.shards()[0].samples, 17U);
  EXPECT_EQ(dataset.shards()[1].samples, 17U);
  EXPECT_EQ(dataset.shards()[2].samples, 16U);
  EXPECT_EQ(check_shard(dataset, 0).samples_of_class,
            (std::map<std::size_t, std::uint64_t>{{0, 3}, {1, 3}, {2, 3}, {3, 2}, {4, 2}, {5, 2}, {6, 2}}));
}

TEST_F(IdxTest, CompressedFilesAndAStatedNumberOfClasses) {
  write_gz(files_.images = path("images.gz"), idx(0x08, {kSamples, 2, 3}, pixels_));
  write_gz(files_.labels = path("labels.gz"), idx(0x08, {kSamples}, labels_));
  files_.classes = 10;
  import_.name = "named";
  expect_import({1, 2, 3}, 10);
  EXPECT_EQ(Dataset(import_.folder).name(), "named");
}

TEST_F(IdxTest, ImagesWithChannels) {
  write_bytes(files_.images, idx(0x08, {kSamples, 3, 1, 2}, pixels_));
  expect_import({3, 1, 2}, 7);
}

TEST_F(IdxTest, WiderTypesAreBigEndian) {
  std::string floats;
  std::string labels;
  for (std::uint32_t i = 0; i < kSamples; ++i) {
    const auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(i) * 0.5F);
    for (int shift = 24; shift >= 0; shift -= 8) {
      floats += static_cast<char>(bits >> shift);
      labels += static_cast<char>((300 + i) >> shift);
    }
  }
  write_bytes(files_.images, idx(0x0D, {kSamples, 1, 1}, floats));
  write_bytes(files_.labels, idx(0x0C, {kSamples}, labels));
  run_import();
  const Dataset dataset(import_.folder);
  EXPECT_EQ(dataset.fields()[0], (Field{"image", DType::f32, {1, 1, 1}}));
  EXPECT_EQ(dataset.classes(), 350U);
  Loader loader(dataset, {.global_batch = kSamples});
  const auto batch = loader.next();
  float value = 0;
  std::memcpy(&value, &batch->data[0][9 * sizeof(value)], sizeof(value));
  EXPECT_EQ(value, 4.5F);
}

TEST_F(IdxTest, LargerThanTheImportersBuffer) {
  constexpr std::uint32_t kLarge = 9;
  std::string pixels;
  for (std::uint32_t i = 0; i < kLarge * 300000; ++i) pixels += static_cast<char>(i % 253);
  write_gz(files_.images = path("large.gz"), idx(0x08, {kLarge, 500, 600}, pixels));
  write_bytes(files_.labels, idx(0x08, {kLarge}, std::string(kLarge, '\1')));
  import_.chunk_samples = 0;
  run_import();
  const Dataset dataset(import_.folder);
  Loader loader(dataset, {.global_batch = kLarge});
  EXPECT_EQ(std::memcmp(loader.next()->data[0].data(), pixels.data(), pixels.size()), 0);
}

TEST_F(IdxTest, FilesThatAreNotWhatTheySay) {
  const auto images = [&](const std::string& content, const std::vector<std::string>& parts) {
    write_bytes(files_.images, content);
    std::vector<std::string> all = parts;
    all.push_back(files_.images.string());
    expect_parts(error(), all);
  };
  const std::string good = idx(0x08, {kSamples, 2, 3}, pixels_);
  images(good.substr(0, good.size() - 1), {"is truncated"});
  images(good.substr(0, 7), {"is truncated"});
  images("", {"is empty"});
  images("\1", {"is truncated"});
  images(good + "x", {"longer than its header says"});
  images("PNG" + good, {"not an IDX file", "504e4700"});
  images("<!DOCTYPE html>", {"not an IDX file", "3c21444f", "\"<!DO\""});
  images(idx(0x07, {kSamples, 2, 3}, pixels_), {"type code 07"});
  images(idx(0x08, {kSamples}, pixels_), {"0 dimensions"});
  images(idx(0x08, {0, 2, 3}, ""), {"no samples"});
  images(idx(0x08, {kSamples, 0, 3}, ""), {"size"});
  images(idx(0x08, {kSamples, 0xffffffff, 0xffffffff}, ""), {"size"});
  images(idx(0x08, {kSamples - 1, 2, 3}, pixels_), {"49 samples", "50 labels", files_.labels.string()});
}

TEST_F(IdxTest, DamagedCompression) {
  files_.images = path("images.gz");
  write_gz(files_.images, idx(0x08, {kSamples, 2, 3}, pixels_));
  const std::vector<char> whole = read_bytes(files_.images);
  write_bytes(files_.images, std::span(whole).first(whole.size() - 9));
  expect_parts(error(), {files_.images.string(), "truncated"});
  write_bytes(files_.images, whole);
  flip_bit(files_.images, static_cast<std::ptrdiff_t>(whole.size()) - 6);  // of the stored checksum
  expect_parts(error(), {files_.images.string(), "damaged"});
}

// Of compressed data that is followed by other bytes these are no part of the file, and nobody can tell what they are.
TEST_F(IdxTest, CompressionOfOtherKindsThanTheUsual) {
  files_.images = path("images.gz");
  const std::string good = idx(0x08, {kSamples, 2, 3}, pixels_);
  write_gz(files_.images, good);
  const std::vector<char> whole = read_bytes(files_.images);
  for (const std::string tail : {"abcd", "x", "\x1f"}) {
    std::vector<char> longer = whole;
    longer.insert(longer.end(), tail.begin(), tail.end());
    write_bytes(files_.images, longer);
    expect_parts(error(), {files_.images.string(), "other bytes after the end of its compressed data"});
  }
  write_gz(files_.images, std::string(whole.begin(), whole.end()));
  expect_parts(error(), {files_.images.string(), "compressed twice"});
  // Members one after another, as `cat a.gz b.gz` makes them.
  write_gz(path("a.gz"), good.substr(0, 100));
  write_gz(path("b.gz"), good.substr(100));
  std::vector<char> members = read_bytes(path("a.gz"));
  const std::vector<char> second = read_bytes(path("b.gz"));
  members.insert(members.end(), second.begin(), second.end());
  write_bytes(files_.images, members);
  expect_import({1, 2, 3}, 7);
}

TEST_F(IdxTest, FilesThatWereExchanged) {
  std::swap(files_.images, files_.labels);
  expect_parts(error(), {files_.images.string(), "exchanged?"});
}

// Headers are words: what a file cannot hold is refused at once, in memory that is bounded by what is there.
TEST_F(IdxTest, AFewBytesThatClaimGigabytes) {
  const auto refused = [this](const fs::path& suspect) {
    rlimit before = {};
    ::getrlimit(RLIMIT_AS, &before);
    std::size_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    const rlimit limit{pages * 4096 + (std::size_t{200} << 20), before.rlim_max};
    ::setrlimit(RLIMIT_AS, &limit);
    const std::string message = error();
    ::setrlimit(RLIMIT_AS, &before);
    expect_parts(message, {suspect.string(), "is truncated"});
  };
  const auto write = [](const fs::path& file, const std::string& content) {
    file.extension() == ".gz" ? write_gz(file, content) : write_bytes(file, content);
  };
  for (const char* ending : {".idx", ".gz"}) {
    write(files_.images = path("i").concat(ending), idx(0x08, {0xffffffff, 1, 1}, ""));
    write(files_.labels = path("l").concat(ending), idx(0x0C, {0xffffffff}, ""));
    refused(files_.images);
    write(files_.images, idx(0x08, {1, 65536, 65536}, "x"));
    write(files_.labels, idx(0x08, {1}, std::string(1, '\0')));
    refused(files_.images);
    write(files_.images, idx(0x0E, {0xffffffff, 65536, 65536}, "x"));
    write(files_.labels, idx(0x0C, {0xffffffff}, "abcd"));
    refused(files_.images);
  }
}

TEST_F(IdxTest, ALabelThatMakesAbsurdlyManyClasses) {
  std::string labels(std::size_t{kSamples} * 4, '\0');
  labels.replace(labels.size() - 4, 4, "\x7f\xff\xff\xff");
  write_bytes(files_.labels, idx(0x0C, {kSamples}, labels));
  expect_parts(error(), {files_.labels.string(), "sample 49", "2147483648 classes for 50 samples", "--classes"});
  files_.classes = std::size_t{1} << 31;  // who says so gets it, and reading takes no memory for it
  run_import();
  const Dataset dataset(import_.folder);
  EXPECT_EQ(survey_shard(dataset, 2).samples_of_class,
            (std::map<std::size_t, std::uint64_t>{{0, 15}, {2147483647, 1}}));
}

TEST_F(IdxTest, MissingFile) {
  files_.images = path("none");
  expect_parts(error(), {files_.images.string(), "No such file"});
}

TEST_F(IdxTest, LabelsOutOfRange) {
  files_.classes = 6;
  expect_parts(error(), {files_.labels.string(), "sample 6", "label 6", "0 .. 5"});
  files_.classes = 0;
  write_bytes(files_.labels, idx(0x09, {kSamples}, std::string(kSamples - 1, '\1') + '\xff'));
  expect_parts(error(), {files_.labels.string(), "sample 49", "label -1"});
}

TEST_F(IdxTest, MoreShardsThanSamples) {
  import_.shards = kSamples + 1;
  expect_parts(message_of<InvalidArgument>([this] { run_import(); }), {"50 samples", "51 shards"});
}

}  // namespace
}  // namespace tutti::io::test
