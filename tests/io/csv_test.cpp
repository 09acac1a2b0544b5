// The importer of CSV: what text may look like, what is refused and where, and that ranks and blocks change nothing.
#include <tutti/io/importers/csv.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <tutti/io/importers/numbers.hpp>
#include <tutti/io/importers/record_index.hpp>

#include "tests/io/text_import.hpp"

namespace tutti::io::test {
namespace {

class CsvTest : public TextImport {
 protected:
  void import_text(const std::string& text) {
    options_.files = {write("t.csv", text)};
    run_import([this] { return open_csv(options_); });
  }

  void expect_input(const std::string& text, const std::vector<float>& values) {
    SCOPED_TRACE(text);
    import_text(text);
    EXPECT_EQ(read<float>("input"), values);
  }

  void expect_refused(const std::string& text, const std::vector<std::string>& parts) {
    SCOPED_TRACE(text);
    options_.files = {write("t.csv", text)};
    std::vector<std::string> all = parts;
    all.push_back(options_.files[0].string());
    expect_parts(error([this] { return open_csv(options_); }), all);
  }

  CsvOptions options_;
};

TEST_F(CsvTest, ColumnsLabelAndTargetsByNameNumberAndRange) {
  const std::string text = "id,a,b,class,t\n7,1.5,-2,1,10\n8,+3,4e2,0,20\n";
  options_.label = "class";
  options_.columns = {"b", "2"};
  options_.targets = {"t"};
  import_text(text);
  const Dataset dataset(import_.folder);
  EXPECT_EQ(dataset.fields(),
            (std::vector<Field>{{"input", DType::f32, {2}}, {"label", DType::i64, {}}, {"target", DType::f32, {}}}));
  EXPECT_EQ(dataset.classes(), 2U);
  EXPECT_EQ(read<float>("input"), (std::vector<float>{-2, 1.5, 400, 3}));
  EXPECT_EQ(read<std::int64_t>("label"), (std::vector<std::int64_t>{1, 0}));
  EXPECT_EQ(read<float>("target"), (std::vector<float>{10, 20}));
  options_ = {.columns = {"1-3"}, .field = "x", .dtype = DType::f64};
  import_text(text);
  EXPECT_EQ(Dataset(import_.folder).fields(), (std::vector<Field>{{"x", DType::f64, {3}}}));
  EXPECT_EQ(read<double>("x"), (std::vector<double>{7, 1.5, -2, 8, 3, 400}));
  options_ = {.label = "4"};
  expect_input(text, {7, 1.5, -2, 10, 8, 3, 400, 20});
}

TEST_F(CsvTest, LineEndsQuotesMarksAndDelimiters) {
  const std::vector<float> values{1, 2, 3, 4};
  expect_input("a,b\n1,2\n3,4\n", values);
  expect_input("a,b\r\n1,2\r\n3,4\r\n", values);
  expect_input("a,b\n1,2\n3,4", values);
  expect_input(
      "\xef\xbb\xbf"
      "a,b\n1,2\n3,4\n",
      values);
  expect_input("\"a\",\"b, \"\"\nc\"\n\"1\",2\n3,\"4\"\n", values);
  expect_input("sep=;\na;b\n1;2\n3;4\n", values);
  options_.delimiter = '\t';
  expect_input("a\tb\n1\t2\n3\t4\n", values);
  options_ = {.header = CsvOptions::Header::no};
  expect_input("1,2\n3,4\n", values);
  options_ = {.header = CsvOptions::Header::yes};
  expect_input("5,6\n1,2\n3,4\n", values);
  options_ = {.columns = {"b", "c"}};
  expect_input("a,b,c\nx,1,2\n\"y, \"\"z\",3,4\n", values);
  options_ = {.trim = true};
  expect_input("a,b\n 1,2 \n3\t,4\n", values);
}

TEST_F(CsvTest, DelimitersThatValuesMayHave) {
  for (const char delimiter : std::string("059aEz.+-\"\r\0", 12)) {
    EXPECT_FALSE(is_csv_delimiter(delimiter));
    options_.delimiter = delimiter;
    expect_parts(message_of<InvalidArgument>([&] { import_text("a,b\n1,2\n"); }), {"cannot be between values"});
    options_.delimiter.reset();
    if (delimiter != '\r' && delimiter != '\0' && delimiter != '"')
      expect_refused(std::string("sep=") + delimiter + "\na,b\n1,2\n", {"line 1", "says that", "between values"});
  }
  EXPECT_FALSE(is_csv_delimiter('\n'));
  for (const char delimiter : std::string(",;|: \t")) EXPECT_TRUE(is_csv_delimiter(delimiter));
}

TEST_F(CsvTest, NumbersAreRoundedOnce) {
  // Above the middle of two floats by less than a double can tell: rounding to double first would go down.
  expect_input("a\n1.00000005960464477539062500000001\n9.855536508\n12345678\n1e-50\n3.4028234e38\n-0\n",
               {1.00000011920928955F, 9.855536508F, 12345678.0F, 0.0F, std::numeric_limits<float>::max(), 0.0F});
  expect_refused("a\n1e400\n", {"line 2", "column 1 ('a')", "'1e400' is beyond the range of f32"});
  expect_refused("a\n1e39\n", {"line 2", "range of f32"});
  options_.dtype = DType::f64;
  expect_refused("a\n-1e400\n", {"line 2", "range of f64"});
  import_text("a\n1e39\n0.1\n");
  EXPECT_EQ(read<double>("input"), (std::vector<double>{1e39, 0.1}));
}

TEST_F(CsvTest, NumbersBeyondTheRangeOfAnyType) {
  const std::string zeros(6000, '0');
  const std::string tiny = "0." + zeros + "1";
  expect_input("a\n1e-5000\n-1E-5000\n" + tiny + "\n" + tiny + "e5\n0." + zeros + "1e+6001\n1" + zeros +
                   "e-6000\n1e-99999999999999999999\n",
               {0, -0.0F, 0, 0, 1, 1, 0});
  EXPECT_TRUE(std::signbit(read<float>("input")[1]));
  EXPECT_FALSE(std::signbit(read<float>("input")[0]));
  const std::string huge = "1" + zeros;
  for (const std::string& cell : {std::string("1e5000"), std::string("-1e+5000"), huge, huge + "e-5", huge + ".5",
                                  std::string("0.01e5000"), std::string("1e99999999999999999999")})
    expect_refused("a\n" + cell + "\n", {"line 2", "is beyond the range of f32"});
  options_.dtype = DType::f64;
  import_text("a\n-1e-5000\n");
  EXPECT_EQ(read<double>("input"), (std::vector<double>{0}));
  EXPECT_TRUE(std::signbit(read<double>("input")[0]));
}

TEST_F(CsvTest, WhatIsNoNumber) {
  for (const char* cell : {"x", "1.5x", "0x10", "1 ", "1.2.3", "1e", "+-1", "\"1\"\"\"", "1'000", "-", "."})
    expect_refused("a,b\n1,2\n3," + std::string(cell) + "\n", {"line 3", "column 2 ('b')", "is no number"});
  expect_refused("a,b\n1, 2\n", {"line 2", "column 2", "' 2' is no number; --trim"});
  for (const char* cell : {"nan", "NaN", "inf", "-inf", "Infinity"})
    expect_refused("a,b\n1,2\n3," + std::string(cell) + "\n", {"line 3", "column 2", "is no finite number"});
}

TEST_F(CsvTest, ValuesThatAreMissing) {
  expect_refused("a,b\n1,\n", {"line 2", "column 2 ('b')", "is empty; --missing says what it becomes"});
  expect_refused("a,b\n1,\"\"\n", {"line 2", "is empty"});
  options_.missing_tokens = {"NA", "-999"};
  expect_refused("a,b\n1,NA\n", {"line 2", "column 2", "'NA' says that it is missing"});
  options_.missing = 7;
  expect_input("a,b\n1,NA\n-999,\n-99,9\n", {1, 7, 7, 7, -99, 9});
  options_.missing = std::nan("");
  import_text("a,b\n1,NA\n");
  EXPECT_TRUE(std::isnan(read<float>("input")[1]));
  options_.missing = 1e300;
  expect_parts(message_of<InvalidArgument>([&] { import_text("a,b\n1,NA\n"); }), {"1e+300", "range of f32"});
  options_.dtype = DType::f64;
  import_text("a,b\n1,NA\n");
  EXPECT_EQ(read<double>("input"), (std::vector<double>{1, 1e300}));
  options_.label = "b";
  expect_refused("a,b\n1,NA\n", {"line 2", "column 2", "the label is missing"});
}

TEST_F(CsvTest, RowsOfOtherLengths) {
  expect_refused("a,b\n1,2\n3\n", {"line 3", "1 columns instead of 2"});
  expect_refused("a,b\n1,2\n3,4,5,6\n", {"line 3", "4 columns instead of 2"});
  expect_refused("a,b\n1,2,\n", {"line 2", "3 columns instead of 2"});
  expect_refused("a,b\n1,2\n\n3,4\n", {"line 3", "is empty"});
  expect_refused("a,b\n1,2\n\n", {"line 3", "is empty"});
  expect_refused("a\n\n", {"line 2", "is empty"});
}

TEST_F(CsvTest, QuotesThatAreNotThoseOfTheStandard) {
  expect_refused("a,b\n1,2\n3,5\" pipe\n7,8\n", {"line 3", "column 2 ('b')", "a quote is inside"});
  expect_refused("a,b\n1,2\n3,\"4\"x\n", {"line 3", "column 2", "text follows the quote"});
  expect_refused("a,b\n1,2\n3,\"4\n5,6\n", {"line 3", "column 2", "is not closed"});
  options_.columns = {"a"};  // in columns that are not wanted, too
  expect_refused("a,b\n1,2\n3,5\" pipe\n7,8\n", {"line 3", "column 2", "a quote is inside"});
  expect_refused("a,b\n1,\"x\ny\"\n3,\"4\"x\n", {"line 4", "column 2", "text follows the quote"});
}

TEST_F(CsvTest, TextOfOtherKinds) {
  expect_refused("", {"is empty"});
  expect_refused(std::string("\xff\xfe"
                             "a\0\n\0",
                             6),
                 {"UTF-16", "iconv"});
  expect_refused(std::string("a,b\n1,\0002\n", 9), {"line 2", "NUL"});
  expect_refused("a,b\r1,2\r3,4\r", {"line 1", "carriage return"});
  expect_refused("a,b\n", {"no samples"});
  options_.delimiter = ',';
  expect_refused("sep=;\na;b\n1;2\n", {"line 1", "';'", "','"});
  options_.files = {path("none.csv")};
  expect_parts(error([this] { return open_csv(options_); }), {"none.csv", "No such file"});
}

TEST_F(CsvTest, HeadersAreNeverGuessed) {
  expect_refused("1,2\n3,4\n", {"line 1", "column 1", "'1'", "--header yes", "--header no"});
  expect_refused("a,\n3,4\n", {"line 1", "column 2", "is empty", "--header"});
  options_.header = CsvOptions::Header::no;
  expect_refused("a,b\n3,4\n", {"line 1", "column 1", "'a' is no number; --header yes"});
  options_.label = "b";
  expect_refused("1,2\n", {"there is no column 'b'", "numbers 1 to 2"});
  options_ = {.label = "lable"};
  expect_refused("a,label\n1,2\n", {"no column 'lable'", "did you mean 'label'?"});
  options_ = {.label = "a"};
  expect_refused("a,a,b\n1,2,3\n", {"several columns", "'a'"});
  options_ = {.label = "a", .columns = {"1", "2"}};
  expect_refused("a,b\n1,2\n", {"column 1 ('a')", "two things"});
  options_ = {.columns = {"1-2", "b"}};
  expect_refused("a,b\n1,2\n", {"column 2 ('b')", "twice"});
  for (const char* range : {"0", "3", "2-1", "1-3", "x-2", "-1", ""}) {
    options_ = {.columns = {range}};
    expect_refused("a,b\n1,2\n", {"no column"});
  }
  options_ = {.label = "1"};
  expect_refused("a\n1\n", {"no column for the input"});
}

TEST_F(CsvTest, Labels) {
  options_.label = "c";
  for (const char* label : {"1.0", "x", "99999999999999999999"})
    expect_refused("a,c\n1,0\n1," + std::string(label) + "\n", {"line 3", "column 2 ('c')", "is no integer"});
  expect_refused("a,c\n1,0\n1,-1\n", {"line 3", "column 2 ('c')", "label -1"});
  options_.classes = 2;
  expect_refused("a,c\n1,0\n1,2\n", {"line 3", "column 2 ('c')", "label 2", "0 .. 1"});
  options_ = {.label = "c", .label_names = {"dog", "cat"}};
  import_text("a,c\n1,cat\n2,dog\n");
  EXPECT_EQ(read<std::int64_t>("label"), (std::vector<std::int64_t>{1, 0}));
  EXPECT_EQ(Dataset(import_.folder).class_names(), (std::vector<std::string>{"dog", "cat"}));
  expect_refused("a,c\n1,cat\n2,cow\n", {"line 3", "column 2", "'cow'", "none of the 2 names"});
}

TEST_F(CsvTest, NamesOfClassesAreGatheredByAllRanks) {
  options_ = {.label = "c", .sort_label_names = true};
  std::string text = "a,c\n";
  for (int i = 0; i < 20; ++i) text += std::to_string(i) + (i == 17 ? ",\"a, b\"\n" : i % 2 == 0 ? ",dog\n" : ",cat\n");
  options_.files = {write("t.csv", text)};
  expect_the_same_shards([this] { return open_csv(options_); });
  EXPECT_EQ(Dataset(import_.folder).class_names(), (std::vector<std::string>{"a, b", "cat", "dog"}));
  EXPECT_EQ(read<std::int64_t>("label")[17], 0);
  EXPECT_EQ(read<std::int64_t>("label")[18], 2);
}

// Quoted line ends, CRLF, doubled quotes, a record over many blocks, no line end at the end.
TEST_F(CsvTest, RanksAndBlocksChangeNothing) {
  options_.columns = {"1"};
  options_.files = {write("t.csv", "id,t\r\n1,\"a\nb\"\r\n2,\"c \"\"q\"\", d\"\r\n3,x\r\n4,\"\r\n\"\n5,\"\"\r\n"),
                    write("u.csv", "\xef\xbb\xbfid,t\n6,\"\n\n\n\n\n\n\n\n\n\n\n\n\n,\n\"\n7,\"\"\"\"\n8,y")};
  expect_the_same_samples([this] { return open_csv(options_); }, 60);
  expect_the_same_shards([this] { return open_csv(options_); });
  EXPECT_EQ(read<float>("input"), (std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8}));
}

TEST_F(CsvTest, RecordsAreFoundByAnyNumberOfRanges) {
  const fs::path file = write("t.csv", "id,t\r\n1,\"a\nb\"\r\n2,\"c \"\"q\"\", d\"\r\n3,x\r\n4,\"\r\n\"\n");
  const std::vector<std::uint64_t> begins{0, 6, 15, 31, 36};
  const std::vector<std::uint64_t> lines{1, 2, 4, 5, 6};
  for (std::size_t block = 4; block <= 44; ++block)
    for (const int ranks : {1, 2, 3, 4, 7, 42})
      ThreadRanks::run(block == 4 ? ranks : 1, [&](Ranks& all) {
        const RecordForm form{.quotes = true};
        const RecordIndex index({file}, form, all, {}, block);
        EXPECT_EQ(index.records(0), begins.size());
        for (std::uint64_t r = 0; r < begins.size(); ++r) {
          RecordReader reader(file, form);
          index.seek(0, reader, r, 0);
          EXPECT_TRUE(reader.next());
          EXPECT_EQ(reader.offset(), begins[r]) << block;
          EXPECT_EQ(reader.line(), lines[r]) << block;
        }
      });
}

TEST_F(CsvTest, ErrorsOfAnyRankNameTheirLine) {
  std::string text = "a,b\n";
  for (int i = 2; i <= 100; ++i) text += i == 90 ? "1,x\n" : "1,\"2\"\n";
  options_.files = {write("t.csv", text)};
  import_.shards = 5;
  for (const int ranks : {1, 2, 3, 5})
    expect_parts(error(
                     [this] {
                       auto source = open_csv(options_);
                       source->use_blocks_of(16);
                       return source;
                     },
                     ranks),
                 {"t.csv: line 90, column 2 ('b')", "'x' is no number"});
}

TEST_F(CsvTest, SeveralFilesHaveOneHeader) {
  options_.files = {write("t.csv", "a,b\n1,2\n"), write("u.csv", "a,b\n3,4\n5,6")};
  run_import([this] { return open_csv(options_); });
  EXPECT_EQ(read<float>("input"), (std::vector<float>{1, 2, 3, 4, 5, 6}));
  write("u.csv", "a,c\n3,4\n");
  expect_parts(error([this] { return open_csv(options_); }), {"u.csv: line 1", "column 2 'c'", "t.csv", "'b'"});
  write("u.csv", "a,b,c\n3,4,5\n");
  expect_parts(error([this] { return open_csv(options_); }), {"u.csv", "3 columns", "t.csv has 2"});
}

}  // namespace
}  // namespace tutti::io::test
