// Pages made of synthetic runs and benchmarks: well-formed, self-contained, escaped, and honest about what is missing.
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <set>
#include <string>
#include <vector>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

#include "tests/support/temporary_folder.hpp"
#include "tools/report/gnuplot.hpp"
#include "tools/report/html.hpp"
#include "tools/report/report.hpp"

namespace tutti::tools {
namespace {

using test::read_file;
using test::TemporaryFolder;

/// Sets an environment variable for one test.
class WithVariable {
 public:
  WithVariable(const char* name, const std::string& value) : name_(name) { setenv(name, value.c_str(), 1); }
  ~WithVariable() { unsetenv(name_); }
  WithVariable(const WithVariable&) = delete;
  WithVariable& operator=(const WithVariable&) = delete;

 private:
  const char* name_;
};

std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) ++n;
  return n;
}

/// Elements nest and close, attributes are quoted, ids occur once, and outside of tags there is no bare '<' or '&':
/// what makes a page well-formed. Returns the first fault, or nothing.
std::string fault_in(const std::string& page) {
  std::vector<std::string> open;
  std::set<std::string> ids;
  std::size_t at = page.find('>') + 1;  // behind the document type
  while ((at = page.find_first_of("<&", at)) != std::string::npos) {
    if (page[at] == '&') {
      const std::size_t end = page.find(';', at);
      if (end == std::string::npos || end - at > 8) return "bare & at " + page.substr(at, 40);
      at = end;
      continue;
    }
    const std::size_t end = page.find('>', at);
    if (end == std::string::npos) return "unclosed tag at " + page.substr(at, 40);
    const std::string tag = page.substr(at + 1, end - at - 1);
    if (tag.find('<') != std::string::npos) return "tag in a tag at " + page.substr(at, 40);
    if (count_of(tag, "\"") % 2 != 0) return "half a quotation in " + tag;
    const std::string name = tag.substr(tag[0] == '/' ? 1 : 0, tag.find_first_of(" \n/", 1) - (tag[0] == '/' ? 1 : 0));
    if (tag[0] == '/') {
      if (open.empty() || open.back() != name)
        return "</" + name + "> closes " + (open.empty() ? "nothing" : open.back());
      open.pop_back();
    } else if (tag.back() != '/') {
      open.push_back(name);
    }
    if (const std::size_t id = tag.find(" id=\""); id != std::string::npos) {
      const std::string value = tag.substr(id + 5, tag.find('"', id + 5) - id - 5);
      if (!ids.insert(value).second) return "id " + value + " occurs twice";
    }
    at = end + 1;
  }
  return open.empty() ? "" : "<" + open.back() + "> is never closed";
}

void expect_sound(const std::string& page) {
  EXPECT_EQ(page.rfind("<!DOCTYPE html>", 0), 0U);
  EXPECT_EQ(fault_in(page), "");
  for (const char* loads : {"http:", "https:", "src=", "url(", "@import", "<script", "<link", "<iframe"})
    EXPECT_EQ(page.find(loads), std::string::npos) << loads;
}

std::string metrics(int steps) {
  std::string lines;
  for (int i = 1; i <= steps; ++i) {
    lines += text("{\"kind\":\"train\",\"step\":", i, ",\"epoch\":1,\"loss\":", 2.0 / std::sqrt(i),
                  ",\"lr\":0.1,\"samples_per_s\":", 1000 + i % 7, ",\"comm_share\":0.05,\"more\":[1]}\n");
    if (i % 10 == 0)
      lines +=
          text("{\"kind\":\"evaluation\",\"step\":", i, ",\"test_loss\":0.5,\"test_accuracy\":0.", 50 + i % 40, "}\n");
  }
  return lines;
}

constexpr const char* kResult =
    R"({"test_accuracy":0.9127,"test_loss":0.25,"train_seconds":83.4,"samples_per_s":5755.2,"world_size":2,"nodes":1,
        "parameter_hash":"ab12","parameters":206922,"steps":40,"epochs":8,"comm_share":0.0412,"best":{"step":30,"figure":"test_loss","value":0.125,"checkpoint":"checkpoints/<30>"},
        "model":"<script>alert('x')</script> & \"quoted\"","nothing":null,"nested":{"a":[1,2]}})";

TEST(Report, OfAWholeRun) {
  const TemporaryFolder run;
  run.write("metrics.jsonl", metrics(40));
  run.write("result.json", kResult);
  run.write("config.toml", "[model]\nname = \"<b>\" # & \x01 \xff\n");
  run.write("environment.json", R"({"host":"<node>"})");
  write_report(run.path());
  const auto page = read_file(run.path() / "report.html");
  expect_sound(page);
  EXPECT_EQ(count_of(page, "<svg"), 4U);
  for (const char* figure : {"91.27 %", "83.4 s", "5,755", "206,922", "4.12 %", "after 8 epochs", "ab12",
                             "Best test_loss", "0.125", "after step 30, checkpoints/&lt;30&gt;"})
    EXPECT_NE(page.find(figure), std::string::npos) << figure;
  EXPECT_NE(page.find("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &quot;quoted&quot;"), std::string::npos);
  EXPECT_NE(page.find("name = &quot;&lt;b&gt;&quot; # &amp; \xEF\xBF\xBD \xEF\xBF\xBD"), std::string::npos);
  EXPECT_NE(page.find("&lt;node&gt;"), std::string::npos);
  EXPECT_EQ(page.find("has not ended"), std::string::npos);
}

TEST(Report, OfNumbersInsteadOfClasses) {
  const TemporaryFolder run;
  run.write("metrics.jsonl", R"({"kind":"evaluation","step":5,"test_loss":0.25,"test_rmse":0.5})");
  write_report(run.path());
  const auto page = read_file(run.path() / "report.html");
  expect_sound(page);
  for (const char* part : {"Root mean square error", "Test RMSE"})
    EXPECT_NE(page.find(part), std::string::npos) << part;
  EXPECT_EQ(page.find("Accuracy"), std::string::npos);
}

TEST(Report, OfPhasesBytesAndMemory) {
  const TemporaryFolder run;
  std::string lines;
  for (int i = 1; i <= 60; ++i) {
    lines += text("{\"kind\":\"step\",\"step\":", i, ",\"payload_bytes\":4096,\"reading_s\":0.001,\"forward_s\":0.002,",
                  "\"backward_s\":", i == 1 ? 1.0 : 0.003, ",\"communication_s\":0.001,\"update_s\":0.001");
    lines += i == 2 ? "}\n" : ",\"other_s\":0.0005}\n";  // one line that is not whole is left out
  }
  run.write("metrics.jsonl", lines + "{\"kind\":\"checkpoint\",\"step\":60,\"memory_bytes\":209715200}\n");
  write_report(run.path());
  const auto page = read_file(run.path() / "report.html");
  expect_sound(page);
  EXPECT_EQ(count_of(page, "<svg"), 3U);
  for (const char* part : {"Time of a step", "without rare peaks", ">10 ms<", "communication</span>", "var(--series-7)",
                           "Bytes a step hands to collectives", "4K", "Memory, high-water mark", "200M"})
    EXPECT_NE(page.find(part), std::string::npos) << part;
  EXPECT_EQ(page.find(">500 ms<"), std::string::npos) << "the peak of step 1 makes the rest flat";
}

TEST(Report, OfCompression) {
  const TemporaryFolder run;
  std::string lines = "{\"kind\":\"step\",\"step\":1,\"loss\":1}\n";
  lines +=
      "{\"kind\":\"compression\",\"step\":1,\"parameters\":[{\"parameter\":\"fc<1>\",\"codec\":\"f16\","
      "\"contraction\":0.75,\"residual\":2.5,\"cosine\":0.875,\"error\":0.125,\"saturated\":0}]}\n"
      "{\"kind\":\"compression\",\"step\":3,\"parameters\":[{\"parameter\":\"fc<1>\",\"codec\":\"f16\","
      "\"contraction\":0.5,\"residual\":3.5,\"saturated\":0.25,\"problem\":\"why\",\"replaced_by\":\"bf16\"},"
      "{\"parameter\":\"conv\",\"codec\":\"f16\",\"saturated\":0}]}\n";
  run.write("metrics.jsonl", lines);
  write_report(run.path());
  const auto page = read_file(run.path() / "report.html");
  expect_sound(page);
  for (const char* part :
       {"Compression", "Step 3: fc&lt;1&gt; travels as bf16 from then on, not as f16: why.",
        "<td>fc&lt;1&gt;</td><td>bf16</td><td>0.5</td><td>3.5</td><td>0.875</td><td>0.125</td><td>0.25</td>",
        "<td>conv</td><td>f16</td><td></td>", "Held back, over the norm of the gradient"})
    EXPECT_NE(page.find(part), std::string::npos) << part;
  run.write("metrics.jsonl", "{\"kind\":\"compression\",\"step\":1,\"parameters\":7}\n");
  write_report(run.path());
  EXPECT_EQ(read_file(run.path() / "report.html").find("Parameters by their last check"), std::string::npos);
}

TEST(Report, OfClasses) {
  const TemporaryFolder run;
  run.write("result.json", kResult);
  run.write("classes.json", R"({"step":40,"classes":[
    {"class":0,"samples":9,"predicted":10,"precision":0.9,"recall":1.0,"f1":0.95},
    {"class":1,"samples":5,"predicted":0,"precision":null,"recall":0.0,"f1":0.0},
    {"class":2,"samples":0,"predicted":4,"precision":0.0,"recall":null,"f1":null}],
    "confusion":[[9,0,0],[1,0,4],[0,0,0]]})");
  write_report(run.path());
  const auto page = read_file(run.path() / "report.html");
  expect_sound(page);
  for (const char* part : {"<td>0</td><td>9</td><td>10</td><td>90.00 %</td><td>100.00 %</td><td>95.00 %</td>",
                           "<td>1</td><td>5</td><td>0</td><td>never predicted</td><td>0.00 %</td><td>0.00 %</td>",
                           "<td>2</td><td>0</td><td>4</td><td>0.00 %</td><td>no samples</td><td>no samples</td>",
                           "true 1, predicted 2: 4 of 5", "<td>1</td><td>2</td><td>4</td><td>80.00 %</td>"})
    EXPECT_NE(page.find(part), std::string::npos) << part;
  EXPECT_EQ(count_of(page, "class=\"right\""), 1U);
  EXPECT_EQ(count_of(page, "class=\"wrong\""), 2U);
  EXPECT_EQ(page.find("nan %"), std::string::npos);
}

// Of many classes neighbours share a square, so that the page stays small.
TEST(Report, OfAThousandClasses) {
  const TemporaryFolder run;
  std::string classes;
  std::string rows;
  for (int i = 0; i < 1000; ++i) {
    classes += text(i == 0 ? "" : ",", "{\"class\":", i, ",\"samples\":1000}");
    rows += i == 0 ? "[1" : ",[1";
    for (int j = 1; j < 1000; ++j) rows += ",1";
    rows += "]";
  }
  run.write("result.json", kResult);
  run.write("classes.json", "{\"classes\":[" + classes + "],\"confusion\":[" + rows + "]}");
  write_report(run.path());
  const auto page = read_file(run.path() / "report.html");
  expect_sound(page);
  EXPECT_EQ(count_of(page, "class=\"right\""), 100U);
  EXPECT_NE(page.find("true 990-999, predicted 0-9: 100 of 10000"), std::string::npos);
  EXPECT_LT(page.size(), 3'000'000U);
}

TEST(Report, OfClassesThatAreNone) {
  for (const char* odd :
       {"[]", "{}", "cut", R"({"classes":[{}],"confusion":[[-1]]})", R"({"classes":[],"confusion":[]})",
        R"({"classes":[{}],"confusion":[[1,2]]})", R"({"classes":[{}],"confusion":[[0]]})"}) {
    const TemporaryFolder run;
    run.write("result.json", kResult);
    run.write("classes.json", odd);
    write_report(run.path());
    expect_sound(read_file(run.path() / "report.html"));
  }
}

TEST(Report, OfManySteps) {
  const TemporaryFolder run;
  run.write("metrics.jsonl", metrics(20000));
  write_report(run.path());
  const auto page = read_file(run.path() / "report.html");
  expect_sound(page);
  EXPECT_LT(page.size(), 200'000U);  // thinned, whatever the number of steps
  EXPECT_NE(page.find("has not ended"), std::string::npos);
}

TEST(Report, OfOneStepAndHalfALine) {
  const TemporaryFolder run;
  run.write("metrics.jsonl", metrics(1) + "{\"kind\":\"train\",\"st");
  write_report(run.path());
  const auto page = read_file(run.path() / "report.html");
  expect_sound(page);
  EXPECT_NE(page.find("1 line(s) of metrics.jsonl could not be read"), std::string::npos);
  EXPECT_NE(page.find("no values recorded"), std::string::npos);  // there was no evaluation
}

/// The figure below `label`, as it stands on the page.
std::string figure(const std::string& page, const std::string& label) {
  const std::size_t at = page.find(">" + label + "<");
  if (at == std::string::npos) return "no " + label;
  std::string words;
  bool tag = false;
  for (std::size_t i = at + label.size() + 1; i < std::min(page.size(), at + 300); ++i) {
    if (page[i] == '<') tag = true;
    if (!tag) words += page[i];
    if (page[i] == '>') {
      tag = false;
      words += '|';
    }
  }
  return words;
}

// Without a result the figures are those of the last records.
TEST(Report, OfARunThatHasNotEndedShowsItsLatestFigures) {
  const TemporaryFolder run;
  std::string lines;
  for (int i = 1; i <= 3; ++i) {
    lines += text("{\"kind\":\"step\",\"step\":", i, ",\"epoch\":", i, ",\"loss\":", 4 - i,
                  ".5,\"samples_per_s\":", 1000 * i, ",\"comm_share\":0.0", i, "}\n");
    lines +=
        text("{\"kind\":\"evaluation\",\"step\":", i, ",\"test_loss\":", 3 - i, ".25,\"test_accuracy\":0.6", i, "}\n");
  }
  run.write("metrics.jsonl", lines);
  write_report(run.path());
  const auto page = read_file(run.path() / "report.html");
  EXPECT_NE(page.find("has not ended"), std::string::npos);
  EXPECT_NE(figure(page, "Test accuracy").find("63.00 %"), std::string::npos) << figure(page, "Test accuracy");
  EXPECT_NE(figure(page, "Test loss").find("|0.25|"), std::string::npos) << figure(page, "Test loss");
  EXPECT_NE(figure(page, "Samples / s").find("3,000"), std::string::npos) << figure(page, "Samples / s");
  EXPECT_NE(figure(page, "Communication").find("3.00 %"), std::string::npos) << figure(page, "Communication");
}

// Records of other programs, and values that are not what a record has.
TEST(Report, OfOddRecords) {
  const TemporaryFolder run;
  run.write(
      "metrics.jsonl",
      "{\"kind\":\"step\",\"step\":\"x\",\"loss\":[]}\n{\"kind\":7,\"step\":1}\n[1]\n{\"step\":-1,\"loss\":1e999}\n" +
          metrics(3));
  write_report(run.path());
  expect_sound(read_file(run.path() / "report.html"));
}

TEST(Report, OfAResultAlone) {
  const TemporaryFolder run;
  run.write("result.json", "{\"test_accuracy\":null,\"train_seconds\":\"long\"}");
  write_report(run.path());
  expect_sound(read_file(run.path() / "report.html"));
}

template <class Act>
std::string error_of(Act act) {
  try {
    act();
  } catch (const DataError& error) {
    return error.what();
  }
  return "no error";
}

TEST(Report, AFolderWithoutARunIsNamed) {
  const TemporaryFolder empty;
  const auto missing = empty.path() / "missing";
  EXPECT_EQ(error_of([&] { write_report(missing); }), text("report: ", missing.string(), " is not a folder"));
  EXPECT_EQ(error_of([&] { write_report(empty.path()); }),
            text("report: ", empty.path().string(), " holds no run: neither metrics.jsonl nor result.json is there"));
  empty.write("result.json", "[1]");
  EXPECT_NE(error_of([&] { write_report(empty.path()); }).find("result.json is not a JSON object"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(empty.path() / "report.html"));
}

TEST(Report, AFileThatCannotBeReadSaysWhy) {
  const TemporaryFolder run;
  std::filesystem::create_directory(run.path() / "metrics.jsonl");
  const std::string message = error_of([&] { write_report(run.path()); });
  EXPECT_NE(message.find("metrics.jsonl: cannot be read: Is a directory"), std::string::npos) << message;
}

TEST(Report, WithoutGnuplotSaysSo) {
  const TemporaryFolder run;
  run.write("metrics.jsonl", metrics(3));
  const WithVariable none("TUTTI_GNUPLOT", "/nonexistent/gnuplot");
  testing::internal::CaptureStderr();
  write_report(run.path());
  const auto said = testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("charts left out of"), std::string::npos) << said;
  EXPECT_NE(said.find("install gnuplot and run `tutti report " + run.path().string() + "` again"), std::string::npos);
  EXPECT_EQ(count_of(said, "\n"), 1U);
  const auto page = read_file(run.path() / "report.html");
  expect_sound(page);
  EXPECT_NE(page.find("There are no charts: gnuplot is not installed"), std::string::npos);
}

TEST(Gnuplot, FailureAndTimeLimitAreReported) {
  EXPECT_NE(run_gnuplot("plot nonsense(\n").problem.find("gnuplot failed"), std::string::npos);
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(run_gnuplot("pause 20\n", std::chrono::milliseconds(200)).problem, "gnuplot did not end within 200 ms");
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
}

TEST(BenchReport, OfRowsAndOfAWholeBenchmark) {
  const TemporaryFolder folder;
  std::string rows;
  for (const int ranks : {2, 4}) {
    for (int k = 3; k < 24; ++k)
      rows += text(
          rows.empty() ? "" : ",", R"({"collective":"all<reduce","dtype":"f32","op":"sum","algorithm":"auto","ranks":)",
          ranks, R"(,"nodes":1,"size_bytes":)", 1 << k, R"(,"time_us_median":)", k, R"(,"busbw_gb_s":)", k * 0.1,
          R"(,"wrong":0,"mpi_time_us_median":)", k == 5 ? "null" : "7.5", R"(,"mpi_busbw_gb_s":2,"cpu":"a & b"})");
  }
  const auto array = folder.write("array.json", "[" + rows + "]");
  write_bench_report(array, folder.path() / "array.html");
  const auto page = read_file(folder.path() / "array.html");
  expect_sound(page);
  EXPECT_EQ(count_of(page, "<svg"), 4U);
  EXPECT_NE(page.find("all&lt;reduce, f32 sum, 4 ranks"), std::string::npos);

  const auto whole = folder.write(
      "whole.json", R"({"kernels":[{"name":"sum","time_ns":12,"bytes_per_second":3e9}],"collectives":[)" + rows + "]}");
  write_bench_report(whole, folder.path() / "whole.html");
  expect_sound(read_file(folder.path() / "whole.html"));

  const auto other = folder.write("other.json", "{\"a\":1}");
  EXPECT_NE(
      error_of([&] { write_bench_report(other, folder.path() / "x.html"); }).find("other.json holds no benchmark"),
      std::string::npos);
}

TEST(BenchReport, ShowsLimitLatencyAndOverlap) {
  const TemporaryFolder folder;
  std::string rows;
  for (const int bytes : {8, 1024, 65536, 1048576}) {
    rows += text(rows.empty() ? "" : ",",
                 R"({"collective":"allreduce","dtype":"f32","op":"sum","algorithm":"auto","ranks":2,"in_place":true,)",
                 R"("nonblocking":true,"size_bytes":)", bytes, R"(,"time_us_median":2,"busbw_gb_s":0.5,"wrong":0,)",
                 R"("limit_percent":40,"overlap":0.25,"mpi_time_us_median":3,"mpi_busbw_gb_s":0.3,"mpi_overlap":0.5})");
  }
  write_bench_report(folder.write("a.json", "[" + rows + "]"), folder.path() / "a.html");
  const auto page = read_file(folder.path() / "a.html");
  expect_sound(page);
  EXPECT_NE(page.find("<h2>allreduce, f32 sum, 2 ranks, non-blocking, in place</h2>"), std::string::npos);
  EXPECT_EQ(count_of(page, "<svg"), 3U);
  EXPECT_EQ(count_of(page, "stroke-dasharray"), 2U);   // the limit, of bandwidth and latency
  EXPECT_EQ(count_of(page, "href='#bus0-dot'"), 8U);   // all sizes of both
  EXPECT_EQ(count_of(page, "href='#time0-dot'"), 6U);  // up to 64 KiB
  EXPECT_EQ(count_of(page, "href='#overlap0-dot'"), 8U);
  for (const char* cell :
       {"<th>overlap (%)</th>", "<th>MPI overlap (%)</th>", "<td>25</td>", "<td>50</td>", "<td>40.0</td>"})
    EXPECT_NE(page.find(cell), std::string::npos) << cell;
  for (const char* tick : {"1 us", "2 us", "0.5", "1"})  // less than a power of ten: ticks in between
    EXPECT_NE(page.find(text("<tspan >", tick, "</tspan>")), std::string::npos) << tick;
}

TEST(Escape, MarkupAndBrokenText) {
  EXPECT_EQ(escape_html("<a href=\"x\">&'"), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
  EXPECT_EQ(escape_html("\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x8E\xB5"), "\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x8E\xB5");
  for (const char* broken : {"\xC3", "\x80", "\xC0\xAF", "\xED\xA0\x80", "\xF5\x80\x80\x80", "\x01"})
    EXPECT_EQ(escape_html(broken).rfind("\xEF\xBF\xBD", 0), 0U);
}

}  // namespace
}  // namespace tutti::tools
