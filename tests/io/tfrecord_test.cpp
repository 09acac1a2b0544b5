// The importer of TFRecord files: records, tf.train.Example as any writer may put it, and what is neither.
#include <tutti/io/importers/tfrecord.hpp>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <string>
#include <thread>
#include <vector>

#include <tutti/io/importers/example.hpp>
#include <tutti/kernels/crc32c.hpp>

#include "tests/io/importer_support.hpp"
#include "tests/io/picture_support.hpp"

namespace tutti::io::test {
namespace {

std::string from_hex(const std::string& hex) {
  std::string out;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    out += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return out;
}

std::string masked(const std::string& data) {
  const std::uint32_t crc = crc32c(std::as_bytes(std::span(data)));
  return raw(static_cast<std::uint32_t>(((crc >> 15) | (crc << 17)) + 0xa282ead8U));
}

std::string record(const std::string& data) {
  const std::string length = raw(static_cast<std::uint64_t>(data.size()));
  return length + masked(length) + data + masked(data);
}

std::string varint(std::uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(0x80 | (value & 0x7f));
  return out + static_cast<char>(value);
}

std::string message(unsigned field, const std::string& content) {
  return varint(field << 3 | 2) + varint(content.size()) + content;
}

std::string entry(const std::string& key, const std::string& feature) {
  return message(1, message(1, key) + message(2, feature));
}

std::string floats(const std::vector<float>& values) { return message(2, message(1, raw(values))); }

std::string integers(const std::vector<std::int64_t>& values) {
  std::string packed;
  for (const std::int64_t value : values) packed += varint(static_cast<std::uint64_t>(value));
  return message(3, message(1, packed));
}

std::string text_feature(const std::string& text) { return message(1, message(1, text)); }

class TfRecordTest : public ImporterTest {
 protected:
  static TfRecordFiles described(std::vector<fs::path> files, const std::vector<std::string>& features) {
    TfRecordFiles all{.files = std::move(files)};
    for (const std::string& feature : features) all.features.push_back(parse_example_feature(feature));
    return all;
  }
  static Make opener(TfRecordFiles files) {
    return [files] { return open_tfrecord(files); };
  }
  static Make opener(std::vector<fs::path> files, const std::vector<std::string>& features) {
    return opener(described(std::move(files), features));
  }
};

// {x: float [1, 2], y: int64 [7, 300]} as TensorFlow writes it.
TEST_F(TfRecordTest, TheBytesOfTensorFlow) {
  const std::string example = from_hex("0a210a110a0178120c120a0a080000803f000000400a0c0a017912071a050a0307ac02");
  const std::string file = from_hex("2300000000000000b09f7743") + example + from_hex("de4f67f3");
  EXPECT_EQ(record(example), file);
  const fs::path path = write("a.tfrecord", file + file);
  const Dataset dataset = import(opener({path}, {"x:f32:2", "z=y:i64:1x2"}));
  EXPECT_EQ(dataset.fields(), (std::vector<Field>{{"x", DType::f32, {2}}, {"z", DType::i64, {1, 2}}}));
  EXPECT_EQ(content(dataset, "x"), raw(std::vector<float>{1, 2, 1, 2}));
  EXPECT_EQ(content(dataset, "z"), raw(std::vector<std::int64_t>{7, 300, 7, 300}));
}

TEST_F(TfRecordTest, MessagesAsOtherWritersPutThem) {
  const std::string first = raw(1.0F);
  const std::string second = raw(2.0F);
  // Not packed; in several pieces, of which one is empty; with unknown fields of every wire type; without an order.
  const std::string loose = message(2, "\x0d" + first) + message(2, "\x0d" + second);
  const std::string pieces = message(2, message(1, first) + message(1, "") + message(1, second));
  const std::string unknown =
      std::string("\x50\x96\x01", 3) + "\x59" + "12345678" + "\x65" + "1234" + message(13, "xyz");
  const std::string reversed = message(1, message(2, loose) + message(1, "x"));
  const std::vector<std::string> all{
      entry("x", loose),
      entry("x", pieces),
      unknown + entry("x", unknown + pieces + unknown) + unknown,
      reversed,
      entry("x", floats({5, 6, 7})) + entry("x", floats({1, 2})),       // the last one counts
      entry("x", integers({3}) + floats({1, 2})),                       // of the kinds too
      message(1, message(2, floats({9}))) + entry("x", floats({1, 2}))  // an entry without a key
  };
  for (const std::string& features : all) {
    const fs::path file = write("a", record(message(1, features)));
    options_.shards = 1;
    EXPECT_EQ(content(import(opener({file}, {"x:f32:2"})), "x"), first + second);
  }
  const std::string halves = message(1, entry("x", floats({1}))) + message(1, entry("y", integers({-1, 1})));
  const std::string single = message(1, entry("y", message(3, "\x08" + varint(~0ULL) + "\x08\x01")));
  for (const std::string& example : {halves, single})
    EXPECT_EQ(content(import(opener({write("a", record(example))}, {"y:i64:2"})), "y"),
              raw(std::vector<std::int64_t>{-1, 1}));
}

std::string classified(std::int64_t label, float value) {
  return record(message(1, entry("image/class", integers({label})) + entry("v", floats({value}))));
}

TEST_F(TfRecordTest, SeveralFilesPlainOrCompressedOrAPipe) {
  std::string one;
  std::string two;
  for (int i = 0; i < 7; ++i) one += classified(i % 3, static_cast<float>(i));
  for (int i = 7; i < 12; ++i) two += classified(i % 3, static_cast<float>(i));
  const std::vector<std::string> features{"v:f32", "label=image/class:i64"};
  std::vector<float> values(12);
  for (std::size_t i = 0; i < 12; ++i) values[i] = static_cast<float>(i);
  const auto expect_all = [&](const Make& make) {
    const Dataset dataset = import(make);
    EXPECT_EQ(content(dataset, "v"), raw(values));
    EXPECT_EQ(dataset.classes(), 3U);
  };
  const std::vector<fs::path> plain{write("1", one), write("none", ""), write("2", two)};
  expect_all(opener(plain, features));
  expect_parts(error(opener(plain, {"label=v:f32"})), {plain[0].string(), "feature 'v'", "'label'", "it is f32 {}"});
  expect_all(opener({write("1.gz", gzipped(one)), write("2.gz", gzipped(two))}, features));
  for (const std::uint64_t first : {0U, 3U, 7U, 9U, 12U})
    EXPECT_EQ(read_from(*opener(plain, features)(), first, 0), raw(values).substr(first * 4)) << first;
  const fs::path pipe = path("pipe");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  std::thread writer([&] { write_bytes(pipe, one + two); });
  expect_all(opener({pipe}, features));
  writer.join();
  for (const fs::path file : {"-", "/dev/stdin"}) {
    const PipedInput from(one + two);
    expect_all(opener({file}, features));
  }
  const PipedInput from(two);
  expect_all(opener({plain[0], "-"}, features));
}

TEST_F(TfRecordTest, PicturesAndNumbersKeptAsBytes) {
  const auto example = [](const std::string& picture, const std::string& numbers) {
    return record(message(1, entry("image/encoded", text_feature(picture)) + entry("n", text_feature(numbers))));
  };
  const std::string numbers = raw(std::vector<std::uint16_t>{1, 2, 3, 4, 5, 6});
  const fs::path file = write("a", example(png_of(4, 2, std::string(24, 'p')), numbers) +
                                       example(jpeg_of(4, 2, std::string(8, 'q'), {.colour = JCS_GRAYSCALE}), numbers));
  const std::vector<std::string> features{"image=image/encoded:picture", "n:u16:2x3:from-bytes"};
  const Dataset dataset = import(opener({file}, features));
  EXPECT_EQ(dataset.fields(), (std::vector<Field>{{"image", DType::u8, {3, 2, 4}}, {"n", DType::u16, {2, 3}}}));
  EXPECT_EQ(content(dataset, "image"), std::string(24, 'p') + std::string(24, 'q'));
  EXPECT_EQ(content(dataset, "n"), numbers + numbers);
  TfRecordFiles files = described({file}, features);
  files.pictures.height = files.pictures.width = 3;
  expect_parts(error(opener(files)), {file.string(), "record 0", "'image/encoded'", "2 rows of 4 pixels instead of 3"});
  files.pictures.fit = PictureFit::crop;
  EXPECT_EQ(content(import(opener(files)), "image"), std::string(27, 'p') + std::string(27, 'q'));
  write("a", example(png_of(4, 2, std::string(24, 'p')), numbers) + example("no picture", numbers));
  expect_parts(error(opener({file}, features)), {file.string(), "record 1", "'image/encoded'", "neither PNG nor JPEG"});
  write("a", example(png_of(4, 2, std::string(24, 'p')), numbers + "x"));
  options_.shards = 1;
  expect_parts(error(opener({file}, features)), {"record 0: feature 'n' has 13 bytes instead of 12"});
}

TEST_F(TfRecordTest, FilesThatAreNotWhatTheyShouldBe) {
  options_.shards = 1;
  const std::string good = classified(1, 1);
  const auto refused = [&](const std::string& content, const std::vector<std::string>& parts) {
    for (const bool compressed : {false, true}) {
      const fs::path file = write("f", compressed ? gzipped(content) : content);
      std::vector<std::string> all = parts;
      all.push_back(file.string());
      expect_parts(error(opener({file}, {"v:f32", "label=image/class:i64"})), all);
    }
  };
  const auto changed = [&](std::size_t at) {
    std::string file = good + good;
    file[at] = static_cast<char>(file[at] ^ 1);
    return file;
  };
  for (std::size_t size = 1; size < good.size(); size += 5)
    refused(good + good.substr(0, size), {"record 1", "truncated"});
  refused("a text and nothing else", {"record 0", "checksum of its length", "is it a TFRecord file?"});
  refused(from_hex("789c") + "compressed by zlib", {"zlib-compressed"});
  refused(changed(good.size()), {"record 1", "checksum of its length"});
  refused(changed(good.size() + 9), {"record 1", "checksum of its length"});
  refused(changed(good.size() + 20), {"record 1", "checksum of its data"});
  refused(changed(2 * good.size() - 1), {"record 1", "checksum of its data"});
  const std::string length = raw(std::uint64_t{1} << 29);
  refused(length + masked(length) + "x", {"record 0", "truncated"});
  const std::string longer = raw(~std::uint64_t{0});
  refused(longer + masked(longer) + "x", {"record 0: has 18446744073709551615 bytes"});
  const auto example = [&](const std::string& features) { return record(message(1, features)); };
  const std::string label = entry("image/class", integers({1}));
  refused(good + example(label), {"record 1", "no feature 'v'; it has image/class"});
  refused(good + record(""), {"record 1", "no feature 'v'; it has none"});
  refused(example(label + entry("v", integers({1}))), {"'v' is a list of integers, not a list of floats"});
  refused(example(label + entry("v", "")), {"'v' is nothing, not a list of floats"});
  refused(example(label + entry("v", floats({1, 2}))), {"'v' has 2 values instead of 1"});
  refused(example(label + entry("v", floats({}))), {"'v' has 0 values instead of 1"});
  refused(example(label + entry("v", message(2, message(1, "abcde")))), {"no multiple of 4"});
  refused(good + example(entry("image/class", integers({-2})) + entry("v", floats({1}))), {"record 1", "label -2"});
  refused(example(label + message(1, "\x0a\x7f")), {"longer than the record"});
  refused(record("\x0b"), {"wire type"});
  refused(record(std::string(2, '\0')), {"number that there cannot be"});
  refused(record("\xff"), {"does not end"});
  refused(example(entry("image/class", message(3, message(1, std::string(11, '\xff')))) + entry("v", floats({1}))),
          {"does not end"});
  expect_parts(error(opener({write("none", "")}, {"v:f32"})), {"no samples"});
}

TEST_F(TfRecordTest, WhatAFeatureIsToBecome) {
  const ExampleFeature feature = parse_example_feature("x=a/b:bf16:3x4:from-bytes");
  EXPECT_EQ(feature.field, (Field{"x", DType::bf16, {3, 4}}));
  EXPECT_EQ(feature.key, "a/b");
  const auto refused = [](const char* text, const std::string& words) {
    expect_parts(message_of<InvalidArgument>([&] { parse_example_feature(text); }), {words});
  };
  refused("x", "a key and a type");
  refused("x=:f32", "a key and a type");
  refused("x:f33", "unknown dtype 'f33'");
  refused("x:u8:3", "from-bytes");
  refused("x:f32:3x", "the shape is none");
  refused("x:f32:0", "the shape is none");
  refused("x:f32:1000000x1000000", "2^30 elements");
  refused("x:f32:3:bytes", "only be from-bytes");
  refused("x:picture:3", "its shape itself");
}

}  // namespace
}  // namespace tutti::io::test
