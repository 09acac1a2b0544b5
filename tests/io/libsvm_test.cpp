// The importer of LIBSVM: sparse and dense, labels, queries, and every kind of line that is wrong.
#include <tutti/io/importers/libsvm.hpp>

#include <gtest/gtest.h>

#include <ctime>
#include <limits>
#include <string>
#include <vector>

#include <tutti/io/detail/shard.hpp>
#include <tutti/io/importers/record_index.hpp>
#include <tutti/io/ranks.hpp>

#include "tests/io/text_import.hpp"

namespace tutti::io::test {
namespace {

class LibsvmTest : public TextImport {
 protected:
  void import_text(const std::string& text) {
    options_.files = {write("t.svm", text)};
    run_import([this] { return open_libsvm(options_); });
  }

  void expect_refused(const std::string& text, const std::vector<std::string>& parts) {
    SCOPED_TRACE(text);
    options_.files = {write("t.svm", text)};
    std::vector<std::string> all = parts;
    all.push_back(options_.files[0].string());
    expect_parts(error([this] { return open_libsvm(options_); }), all);
  }

  void expect_dense(const std::string& text, const std::vector<float>& values) {
    SCOPED_TRACE(text);
    options_.dense = true;
    import_text(text);
    EXPECT_EQ(read<float>("input"), values);
  }

  LibsvmOptions options_;
};

TEST_F(LibsvmTest, SparseRows) {
  import_text("1 2:0.5 7:-2\n0 1:3\n2\n1 3:4 # 9:9 is a comment\n");
  const Dataset dataset(import_.folder);
  EXPECT_EQ(dataset.fields(), (std::vector<Field>{{"input", DType::f32, {7}, true}, {"label", DType::i64, {}}}));
  EXPECT_EQ(dataset.classes(), 3U);
  const SparseRows rows = ShardReader(dataset.shards()[0].file).read_sparse_chunk(0, 0);
  EXPECT_EQ(rows.row_ends, (std::vector<std::uint64_t>{2, 3, 3, 4}));
  EXPECT_EQ(rows.columns, (std::vector<std::uint32_t>{1, 6, 0, 2}));
  std::vector<float> values(4);
  std::memcpy(values.data(), rows.values.data(), rows.values.size());
  EXPECT_EQ(values, (std::vector<float>{0.5, -2, 3, 4}));
}

TEST_F(LibsvmTest, DenseRowsOfAnyLayout) {
  const std::vector<float> values{0, 2, 1, 0, 0, 0};
  expect_dense("+1 2:2\n0 1:1\n1\n", values);
  expect_dense("\n# what this is\n1 2:2\r\n  \n0\t1:1 \n\n1#\n\n", values);
  expect_dense("  1  2:+2  \n0 1:1e0\n1 # nothing", values);
  options_.base = 0;
  expect_dense("1 1:2\n0 0:1\n1\n", values);
  options_.features = 3;
  expect_dense("1 1:2\n0 0:1\n", {0, 2, 0, 1, 0, 0});
  expect_dense("1 2:1e-50\n0 0:3.4028234e38\n", {0, 0, 0, std::numeric_limits<float>::max(), 0, 0});
}

TEST_F(LibsvmTest, LabelsTargetsAndQueries) {
  options_.dense = true;
  options_.label_map = {{-1, 0}, {1, 1}};
  import_text("-1 1:1\n+1 1:2\n");
  EXPECT_EQ(read<std::int64_t>("label"), (std::vector<std::int64_t>{0, 1}));
  expect_refused("-1 1:1\n2 1:2\n", {"line 2", "column 1", "label 2 has no class in --label-map"});
  options_.label_map.clear();
  expect_refused("1 1:1\n-1 1:2\n", {"line 2", "column 1", "label -1 is below 0", "--label-map"});
  expect_refused("1 1:1\n1.5 1:2\n", {"line 2", "label '1.5' is no integer", "--target"});
  expect_refused("1 1:1\n1,2 1:2\n", {"line 2", "'1,2'", "several labels"});
  expect_refused("1 1:1\n1:2\n", {"line 2", "column 1", "no label"});
  expect_refused("1 1:1\n20000 1:2\n", {"line 2", "20001 classes", "--classes"});
  options_.target = true;
  import_text("-1.5 qid:3 1:1\n2 qid:4 1:2\n");
  EXPECT_EQ(read<float>("target"), (std::vector<float>{-1.5, 2}));
  EXPECT_EQ(read<std::int64_t>("qid"), (std::vector<std::int64_t>{3, 4}));
  expect_refused("1 qid:3 1:1\n2 1:2\n", {"line 2", "column 3", "has no qid"});
  expect_refused("1 1:1\n2 qid:1 1:2\n", {"line 2", "column 3", "has a qid, which the first line has not"});
  expect_refused("1 qid:x 1:1\n", {"line 1", "column 7", "qid 'x' is no integer"});
  expect_refused("1 qid:1 1:1 qid:2\n1 qid:1 9:1\n", {"line 1", "column 13", "qid stands behind"});
  expect_refused("nan 1:1\n", {"line 1", "target 'nan' is no finite number"});
}

TEST_F(LibsvmTest, IndicesAndValuesThatAreWrong) {
  for (const bool dense : {false, true}) {
    options_ = {.dense = dense};
    expect_refused("1 1:1\n1 0:1\n", {"line 2", "column 3", "index 0", "--base 0"});
    expect_refused("1 1:1\n1 2:1 2:3\n", {"line 2", "column 7", "index 2 comes twice"});
    expect_refused("1 9:1\n1 3:1 2:3\n", {"line 2", "column 7", "index 2 comes after 3"});
    expect_refused("1 1:1\n1 3:1 2:3\n", {"line 2", "column 3", "index 3 comes before smaller ones"});
    expect_refused("1 1:1\n1 2: 3:1\n", {"line 2", "column 5", "a value is missing"});
    expect_refused("1 1:1\n1 2\n", {"line 2", "column 3", "'2' is no INDEX:VALUE"});
    expect_refused("1 1:1\n1 -2:1\n", {"line 2", "column 3", "'-2:1' is no INDEX:VALUE"});
    expect_refused("1 1:1\n1 2:x\n", {"line 2", "column 5", "'x' is no number"});
    expect_refused("1 1:1\n1 2:1x\n", {"line 2", "column 5", "'1x' is no number"});
    expect_refused("1 1:1\n1 2:1e39\n", {"line 2", "column 5", "'1e39' is beyond the range of f32"});
    expect_refused("1 1:1\n1 2:inf\n", {"line 2", "'inf' is no finite number"});
    expect_refused("1 1:1\n1 99999999999:1\n", {"line 2", "column 3", "index 99999999999 is out of range"});
    options_.features = 3;
    expect_refused("1 1:1\n1 2:1 4:1\n", {"line 2", "column 7", "index 4 is out of range", "of 3 features is 3"});
    options_.base = 0;
    expect_refused("1 1:1\n1 2:1 3:1\n", {"line 2", "column 7", "index 3 is out of range", "of 3 features is 2"});
  }
}

TEST_F(LibsvmTest, FilesWithoutSamples) {
  expect_refused("", {"no samples"});
  expect_refused("\n# nothing\n", {"no samples"});
  expect_refused("1\n0\n", {"no line has a feature"});
  expect_refused("# a table\na,b\n1,2\n", {"line 2", "column 1", "label 'a,b' is no integer"});
  expect_refused("name;age\n1;2\n", {"line 1", "label 'name;age' is no integer"});
  expect_refused(std::string("1 1:1\n1 1:\0001\n", 13), {"line 2", "NUL"});
  options_.dense = true;
  expect_refused("1 1:1\n1 2000000000:1\n", {"2000000000 features", "--features"});
}

TEST_F(LibsvmTest, RanksAndBlocksChangeNothing) {
  options_.files = {write("t.svm", "1 2:0.5 7:-2\r\n\n# 99:1\n0 1:3\n2\n1 3:4 # 9:9\n  \n\n"),
                    write("u.svm", "\n\n1 10:1\n#\n0 1:1 8:1.25")};
  expect_the_same_samples([this] { return open_libsvm(options_); }, 50);
  expect_the_same_shards([this] { return open_libsvm(options_); });
  EXPECT_EQ(Dataset(import_.folder).fields()[0].shape, (std::vector<std::size_t>{10}));
  options_.dense = true;
  expect_the_same_samples([this] { return open_libsvm(options_); }, 20);
  run_import([this] { return open_libsvm(options_); });
  EXPECT_EQ(read<std::int64_t>("label"), (std::vector<std::int64_t>{1, 0, 2, 1, 1, 0}));
}

// Counting looks at each block once, however far the next sample is.
TEST_F(LibsvmTest, TimeGrowsWithTheLengthOfBlanksOnly) {
  const std::string blanks(std::size_t{2} << 20, '\n');
  const fs::path file = write("t.svm", "1 1:1\n" + blanks + "0 1:2\n");
  const std::clock_t before = std::clock();
  int seen = 0;
  const RecordIndex index(
      {file}, {.comments = true}, one_rank(), [&](const RecordReader&) { ++seen; }, 4096);
  EXPECT_LT(static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC, 3);
  EXPECT_EQ(index.records(0), 2U);
  EXPECT_EQ(seen, 2);
  RecordReader reader(file, {.comments = true});
  index.seek(0, reader, 1, 0);
  EXPECT_TRUE(reader.next());
  EXPECT_EQ(reader.text(), "0 1:2");
  EXPECT_EQ(reader.line(), 2U + blanks.size());
}

TEST_F(LibsvmTest, AReaderStopsWhereItIsTold) {
  const std::string comment = "#" + std::string(std::size_t{2} << 20, '-');
  const fs::path file = write("t.svm", "1 1:1\n" + comment + "\n2 1:1\n");
  RecordReader reader(file, {.comments = true});
  reader.stop_behind(6);
  EXPECT_TRUE(reader.next());
  EXPECT_FALSE(reader.next());  // the comment begins at 6
  reader.stop_behind(100);
  reader.seek(7, 1, false);
  EXPECT_FALSE(reader.next());
  EXPECT_LE(reader.bytes(), std::size_t{1} << 18);
  reader.stop_behind(7 + comment.size());
  reader.seek(7, 1, false);
  EXPECT_TRUE(reader.next());
  EXPECT_EQ(reader.text(), "2 1:1");
  EXPECT_FALSE(reader.next());
}

TEST_F(LibsvmTest, ErrorsOfAnyRankNameTheirLine) {
  std::string text;
  for (int i = 1; i <= 100; ++i) text += i == 90 ? "1 2:x\n" : i % 3 == 0 ? "#\n" : "1 2:3\n";
  options_.files = {write("t.svm", text)};
  import_.shards = 5;
  for (const int ranks : {1, 2, 3, 5})
    expect_parts(error(
                     [this] {
                       auto source = open_libsvm(options_);
                       source->use_blocks_of(16);
                       return source;
                     },
                     ranks),
                 {"t.svm: line 90, column 5", "'x' is no number"});
}

}  // namespace
}  // namespace tutti::io::test
