// The importer of text: windows and lines; and what importers of text have in common: pipes and compressed files.
#include <tutti/io/importers/text.hpp>

#include <gtest/gtest.h>
#include <zlib.h>

#include <string>
#include <vector>

#include <tutti/io/importers/csv.hpp>
#include <tutti/io/importers/libsvm.hpp>

#include "tests/io/text_import.hpp"

namespace tutti::io::test {
namespace {

class TextTest : public TextImport {
 protected:
  void import_text(int ranks = 1) {
    ThreadRanks::run(ranks, [&](Ranks& all) { import_samples([this] { return open_text(options_); }, import_, all); });
  }

  fs::path write_gz(const std::string& name, const std::string& content) const {
    gzFile out = gzopen(path(name).c_str(), "wb");
    EXPECT_EQ(gzwrite(out, content.data(), static_cast<unsigned>(content.size())), static_cast<int>(content.size()));
    EXPECT_EQ(gzclose(out), Z_OK);
    return path(name);
  }

  std::string input() const {
    const std::vector<char> bytes = read<char>("input");
    return {bytes.begin(), bytes.end()};
  }

  TextOptions options_;
};

TEST_F(TextTest, Windows) {
  options_ = {.files = {write("a", "abcdefgh"), write("b", "ijklm")}, .length = 4};
  import_text();
  EXPECT_EQ(Dataset(import_.folder).fields(), (std::vector<Field>{{"input", DType::u8, {4}}}));
  EXPECT_EQ(input(), "abcdefghijkl");
  options_.stride = 3;
  import_text();
  EXPECT_EQ(input(), "abcddefgijkl");
  options_.stride = 1;
  import_text();
  EXPECT_EQ(input(), "abcdbcdecdefdefgefghijkljklm");
  options_.stride = 5;
  options_.length = 2;
  import_text();
  EXPECT_EQ(input(), "abfgij");
}

TEST_F(TextTest, BytesThatFillNoWindowAreNoted) {
  std::vector<std::string> notes;
  import_.note = [&](const std::string& note) { notes.push_back(note); };
  const auto noted = [&](TextOptions options) {
    options_ = std::move(options);
    notes.clear();
    import_text(2);
    return notes;
  };
  using Notes = std::vector<std::string>;
  const fs::path a = write("a", "abcdefgh");
  const fs::path b = write("b", "ijklm");
  const fs::path compressed = write_gz("b.gz", "ijklm");
  EXPECT_EQ(noted({.files = {a}, .length = 4}), Notes());
  EXPECT_EQ(noted({.files = {a}, .length = 3}),
            Notes{"2 bytes at the end of the file fill no window and were left out"});
  for (const fs::path& second : {b, compressed}) {
    EXPECT_EQ(noted({.files = {a, second}, .length = 4}),
              Notes{"1 byte at the end of files fills no window and was left out"});
    EXPECT_EQ(noted({.files = {a, second}, .length = 4, .stride = 1}), Notes());
    EXPECT_EQ(noted({.files = {a, second}, .length = 3, .stride = 5}),
              Notes{"2 bytes at the end of files fill no window and were left out"});
    EXPECT_EQ(noted({.files = {a, second}, .length = 2, .stride = 7}),
              Notes{"9 bytes at the end of files fill no window and were left out"});
  }
}

TEST_F(TextTest, WindowsOfRanksPipesAndCompressedFiles) {
  std::string text;
  for (int i = 0; i < 300; ++i) text += static_cast<char>(i * i % 251);
  import_.shards = 4;
  for (const std::uint64_t stride : {1, 4, 7, 11}) {
    options_ = {.files = {write("a", text), write("b", text.substr(9, 40))}, .length = 7, .stride = stride};
    import_text();
    const std::string expected = input();
    for (const int ranks : {2, 3, 5}) {
      import_text(ranks);
      EXPECT_EQ(input(), expected) << stride << ", " << ranks;
    }
    options_.files[1] = write_gz("b.gz", text.substr(9, 40));
    import_text(2);
    EXPECT_EQ(input(), expected) << stride;
    options_.files = {"-"};
    const StandardInput from(path("a"));
    import_text(3);
    EXPECT_EQ(input(), expected.substr(0, input().size()));
    EXPECT_EQ(input().size(), ((300 - 7) / stride + 1) * 7);
  }
}

// A pipe gives its bytes once, so nothing may look at it before it is read.
TEST_F(TextTest, PipesThatHaveNames) {
  std::string text;
  for (int i = 0; i < 20000; ++i) text += static_cast<char>(i * i % 251);
  options_ = {.files = {write("a", text)}, .length = 8};
  import_text();
  const std::string expected = input();
  EXPECT_EQ(expected, text);
  for (const fs::path file : {"/dev/stdin", "-"}) {
    const PipedInput from(text);
    options_.files = {file};
    import_text(2);
    EXPECT_EQ(input(), expected) << file;
  }
  options_.files = {path("a"), "/dev/stdin"};
  const PipedInput from(text);
  import_text(2);
  EXPECT_EQ(input(), expected + expected);
}

TEST_F(TextTest, ARecordPerLineFromPipesThatHaveNames) {
  std::string lines;
  std::vector<std::int64_t> labels;
  for (int i = 0; i < 300; ++i) {
    lines += std::to_string(i) + " 1:0.5\n";
    labels.push_back(i);
  }
  const fs::path file = write("a", lines);
  const auto expect_labels = [&](const std::vector<fs::path>& files) {
    const PipedInput from(lines);
    run_import([&] { return open_libsvm({.files = files, .features = 1, .dense = true}); }, 2);
    EXPECT_EQ(read<std::int64_t>("label"), labels);
  };
  expect_labels({"/dev/stdin"});
  labels.insert(labels.end(), labels.begin(), labels.end());
  expect_labels({file, "/dev/stdin"});
  expect_labels({"/dev/stdin", file});
}

TEST_F(TextTest, FilesShorterThanAWindow) {
  options_ = {.files = {write("a", "abcd"), write("b", "abc")}, .length = 4};
  expect_parts(message_of([this] { import_text(2); }), {path("b").string(), "3 bytes", "4 of a sample"});
  options_.files = {write_gz("b.gz", "abc")};
  expect_parts(message_of([this] { import_text(2); }), {path("b.gz").string(), "3 bytes", "4 of a sample"});
  options_.length = 0;
  expect_parts(message_of<InvalidArgument>([this] { import_text(); }), {"length of 0"});
}

TEST_F(TextTest, Lines) {
  options_ = {.files = {write("a",
                              "\xef\xbb\xbf"
                              "ab\r\nc\n\nabcd"),
                        write("b", "x\n")},
              .length = 4,
              .lines = true};
  for (const int ranks : {1, 2, 3}) {
    import_.shards = static_cast<std::uint64_t>(ranks);
    import_text(ranks);
    EXPECT_EQ(input(), std::string("ab\0\0c\0\0\0\0\0\0\0abcdx\0\0\0", 20));
  }
  options_.length = 3;
  expect_parts(message_of([this] { import_text(); }), {path("a").string(), "line 4", "4 bytes", "--cut"});
  options_.cut = true;
  import_text();
  EXPECT_EQ(input(), std::string("ab\0c\0\0\0\0\0abcx\0\0", 15));
}

TEST_F(TextTest, AFileThatIsOnlyAMarkHasNoLine) {
  const std::string mark = "\xef\xbb\xbf";
  options_ = {
      .files = {write("a", mark), write("b", "ab\ncd\nef"), write("c", mark), write("d", mark + "\n"), write("e", "x")},
      .length = 2,
      .lines = true};
  import_.shards = 5;
  for (const int ranks : {1, 2, 3, 5}) {
    import_text(ranks);
    EXPECT_EQ(input(), std::string("abcdef\0\0x\0", 10)) << ranks;
  }
}

// Rank 0 alone reads them: their shards are those of plain files.
TEST_F(TextTest, CsvAndLibsvmFromPipesAndCompressedFiles) {
  std::string csv = "a,b,c\n";
  std::string svm;
  for (int i = 0; i < 50; ++i) {
    csv += std::to_string(i) + ",\"" + std::to_string(i * i) + "\"," + std::to_string(i % 3) + "\n";
    svm += std::to_string(i % 3) + " qid:" + std::to_string(i / 5) + " 1:2 " + std::to_string(2 + i) + ":0.5\n";
  }
  import_.shards = 3;
  const auto same = [&](const auto& open, const std::string& text) {
    const fs::path plain = write("plain", text);
    const fs::path compressed = write_gz("t.gz", text);
    run_import([&] { return open(plain); });
    const std::uint32_t expected = Dataset(import_.folder).fingerprint();
    for (const int ranks : {1, 2, 3}) {
      run_import([&] { return open(plain); }, ranks);
      EXPECT_EQ(Dataset(import_.folder).fingerprint(), expected);
      run_import([&] { return open(compressed); }, ranks);
      EXPECT_EQ(Dataset(import_.folder).fingerprint(), expected);
      const StandardInput from(plain);
      run_import([&] { return open("-"); }, ranks);
      EXPECT_EQ(Dataset(import_.folder).fingerprint(), expected);
    }
  };
  same([](const fs::path& file) { return open_csv({.files = {file}, .label = "c"}); }, csv);
  same([](const fs::path& file) { return open_libsvm({.files = {file}, .features = 60}); }, svm);
}

TEST_F(TextTest, WhatPipesCannotGive) {
  const fs::path file = write("a", "a,b\n1,x\n");
  const auto refused = [&](const Open& open, const std::string& part) {
    const StandardInput from(file);
    expect_parts(message_of<InvalidArgument>([&] { run_import(open, 2); }), {part});
  };
  refused([] { return open_csv({.files = {"-"}, .label = "b", .sort_label_names = true}); }, "plain files only");
  refused([] { return open_libsvm({.files = {"-"}}); }, "--features");
  refused([] { return open_csv({.files = {"a", "-"}}); }, "standard input");
  const StandardInput from(file);
  expect_parts(error([] { return open_csv({.files = {"-"}}); }, 2), {"standard input: line 2, column 2 ('b')"});
}

}  // namespace
}  // namespace tutti::io::test
