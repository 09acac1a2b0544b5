// Rows of `tutti perf` as text, JSON and CSV, and what they are held against.
#include <gtest/gtest.h>

#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>
#include <tuple>
#include <vector>

#include <tutti/kernels/error.hpp>

#include "tools/perf/result_table.hpp"

namespace tutti::tools {
namespace {

TEST(Limit, IsTheLargerOfMessagesAndBytes) {
  EXPECT_EQ(least_rounds(1), 0);
  EXPECT_EQ(least_rounds(2), 1);
  EXPECT_EQ(least_rounds(3), 2);
  EXPECT_EQ(least_rounds(8), 3);
  EXPECT_EQ(least_rounds(9), 4);
  const MachineLimit limit{.one_way_us = 0.5, .exchange_gb_s = 2, .one_sided_gb_s = 4};
  EXPECT_DOUBLE_EQ(least_time(limit, 8, 0, false), 1.5);
  EXPECT_DOUBLE_EQ(least_time(limit, 8, 2e6, false), 1000);
  EXPECT_DOUBLE_EQ(least_time(limit, 8, 2e6, true), 500);
}

/// A row of `name` with 1000 bytes in 10 us, on which the MPI library took 20 us.
Row row_of(const char* name) {
  Row row{
      .collective = &collective_from_name(name), .bytes = 1000, .count = 250, .bus_factor = 1.5, .algorithm = "auto"};
  row.measurement = {.iterations = 7, .tutti = Timing{.median = 10, .p99 = 12}, .mpi = Timing{.median = 20, .p99 = 30}};
  return row;
}

std::size_t words(const std::string& line) {
  std::istringstream in(line);
  return static_cast<std::size_t>(std::distance(std::istream_iterator<std::string>(in), {}));
}

TEST(Rows, PercentOfTheLimit) {
  RunFacts facts{.ranks = 2};
  EXPECT_FALSE(percent_of_limit(row_of("allreduce"), facts, 10).has_value());  // a single rank has none
  facts.limit = MachineLimit{.one_way_us = 0.1, .exchange_gb_s = 0.3, .one_sided_gb_s = 0.5};
  EXPECT_DOUBLE_EQ(percent_of_limit(row_of("allreduce"), facts, 10).value(), 50);  // 1500 bytes in 5 us
  EXPECT_DOUBLE_EQ(percent_of_limit(row_of("broadcast"), facts, 10).value(), 30);
}

TEST(Rows, ShareOfTheFloor) {
  constexpr std::size_t kCaches = 1000;
  RunFacts facts{.ranks = 2, .floor = MemoryFloor{.node_gb_s = 2, .core_gb_s = 1, .cache_bytes = kCaches}};
  Row row = row_of("allreduce");
  row.work = {.moved = 8000};
  EXPECT_DOUBLE_EQ(fraction_of_floor(row, facts, 10).value(), 0.4);  // 8000 bytes in 4 us
  auto json = table_json(row, facts);
  EXPECT_DOUBLE_EQ(json.at("floor_fraction").get<double>(), 0.4);
  EXPECT_DOUBLE_EQ(json.at("mpi_floor_fraction").get<double>(), 0.2);
  EXPECT_EQ(json.at("floor_cache_bytes"), kCaches);
  EXPECT_TRUE(json.at("floor_reduce_gb_s").is_null());
  EXPECT_NE(table_line(row, facts, {.floor = true}).find("  40.0\n"), std::string::npos);

  row.work = {.moved = 3999};  // caches could hold too much of it
  json = table_json(row, facts);
  EXPECT_TRUE(json.at("floor_fraction").is_null());
  EXPECT_TRUE(json.at("mpi_floor_fraction").is_null());
  EXPECT_NE(table_line(row, facts, {.floor = true}).find("      -\n"), std::string::npos);

  facts.floor.reset();
  row.work = {.moved = 8000};
  EXPECT_FALSE(fraction_of_floor(row, facts, 10).has_value());
  EXPECT_TRUE(table_json(row, facts).at("floor_node_gb_s").is_null());
}

TEST(Rows, OfTheMpiLibraryAloneSayNothingOfTutti) {
  Row row = row_of("allreduce");
  row.measurement.tutti.reset();
  const std::string line = table_line(row, {.ranks = 2}, {.compared = true});
  EXPECT_EQ(words(line), 14U) << line;
  EXPECT_NE(line.find(" 20.00     30.00         -\n"), std::string::npos) << line;
  EXPECT_TRUE(table_json(row, {}).at("time_us_median").is_null());
  EXPECT_DOUBLE_EQ(table_json(row, {}).at("mpi_time_us_median").get<double>(), 20);
  EXPECT_NO_THROW(demand_right_results(std::vector{row}));
  row.measurement.mpi->wrong = 1;
  EXPECT_THROW(demand_right_results(std::vector{row}), InvalidArgument);
}

TEST(Rows, LinesHaveTheColumnsThatWereAskedForAndFitTheScreen) {
  const RunFacts facts{.ranks = 2};
  Row row = row_of("allreduce");
  row.measurement.tutti->overlap = Overlap{.compute = 10, .both = 15, .achieved = 0.5};
  for (const auto& [shape, columns, width] :
       {std::tuple{TableShape{}, 11U, 92U}, std::tuple{TableShape{.compared = true}, 14U, 123U},
        std::tuple{TableShape{.floor = true}, 12U, 99U}, std::tuple{TableShape{.overlap = true}, 12U, 100U},
        std::tuple{TableShape{.overlap = true, .compared = true}, 16U, 139U}}) {
    const std::string line = table_line(row, facts, shape);
    EXPECT_EQ(words(line), columns) << line;
    EXPECT_LE(line.size(), width + 1) << line;
    const std::string heading = table_heading(shape);
    EXPECT_EQ(heading.find('\n') + 1, line.size()) << heading;
    EXPECT_EQ(heading.size(), 2 * line.size()) << heading;
  }
  EXPECT_NE(table_line(row, facts, {.overlap = true}).find(" 50\n"), std::string::npos);
}

TEST(Rows, JsonAndCsvHaveTheSameNames) {
  auto rows = nlohmann::ordered_json::array();
  for (const char* name : {"allreduce", "barrier"}) rows.push_back(table_json(row_of(name), {.cpu = "a, \"b\""}));
  EXPECT_DOUBLE_EQ(rows[0].at("busbw_gb_s").get<double>(), 0.15);
  EXPECT_DOUBLE_EQ(rows[0].at("mpi_busbw_gb_s").get<double>(), 0.075);
  std::istringstream csv(csv_text(rows));
  std::string header;
  std::string first;
  std::string second;
  std::string none;
  std::getline(csv, header);
  std::getline(csv, first);
  std::getline(csv, second);
  EXPECT_FALSE(std::getline(csv, none)) << none;
  std::string keys;
  for (const auto& item : rows[0].items()) keys += (keys.empty() ? std::string() : std::string(",")) + item.key();
  EXPECT_EQ(header, keys);
  EXPECT_EQ(first.rfind("allreduce,1000,250,f32,sum,-1,false,false,,auto,0,0,7,1,allocated,10.0,12.0,", 0), 0U)
      << first;
  EXPECT_NE(first.find(",\"a, \"\"b\"\"\","), std::string::npos) << first;
  EXPECT_EQ(second.rfind("barrier,1000,250,none,none,-1,", 0), 0U) << second;
}

TEST(Rows, WrongElementsAreAnErrorThatNamesThem) {
  Row row{.collective = &collective_from_name("allreduce"),
          .bytes = 4096,
          .count = 1024,
          .algorithm = "auto",
          .measurement = {}};
  row.measurement.tutti = Timing{};
  row.measurement.mpi = Timing{};
  EXPECT_NO_THROW(demand_right_results(std::vector{row, row}));
  const auto message_of = [](const Row& wrong) {
    try {
      demand_right_results(std::vector{Row{wrong}});
    } catch (const InvalidArgument& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  row.measurement.mpi->wrong = 5;
  EXPECT_EQ(message_of(row), "perf: allreduce of 4096 bytes by the MPI library gave 5 wrong elements");
  row.measurement.tutti->wrong = 3;
  EXPECT_EQ(message_of(row), "perf: allreduce of 4096 bytes gave 3 wrong elements");
}

}  // namespace
}  // namespace tutti::tools
