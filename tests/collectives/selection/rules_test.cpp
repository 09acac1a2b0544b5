// Rules for the choice of algorithms, as they are written.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include <tutti/allreduce/allreduce_table.hpp>
#include <tutti/collectives/selection/rules.hpp>
#include <tutti/collectives/selection/spelling.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti {
namespace {

TEST(Rules, SayWhatRunsAndWhere) {
  const AlgorithmRules rules = parse_rules(
      "allreduce:4M-:ring, bcast:-64K:knomial:radix=4:segment=8K:nodes=2-:ranks=-16,allgatherv:8:auto", "X");
  ASSERT_EQ(rules.size(), 3U);
  EXPECT_EQ(rules[0].collective, Collective::allreduce);
  EXPECT_EQ(rules[0].algorithm, "ring");
  EXPECT_EQ(rules[0].words, "allreduce:4M-:ring");
  EXPECT_EQ(rules[0].place, "X");
  EXPECT_TRUE(rules[0].fits(Collective::allreduce, std::size_t{4} << 20, false));
  EXPECT_TRUE(rules[0].fits(Collective::allreduce, SIZE_MAX, false));
  EXPECT_FALSE(rules[0].fits(Collective::allreduce, (std::size_t{4} << 20) - 1, false));
  EXPECT_FALSE(rules[0].fits(Collective::reduce, std::size_t{4} << 20, false));
  EXPECT_EQ(rules[1].collective, Collective::broadcast);
  EXPECT_EQ(rules[1].radix, 4);
  EXPECT_EQ(rules[1].segment_bytes, 8192U);
  EXPECT_TRUE(rules[1].fits(Collective::broadcast, 65536, false));
  EXPECT_FALSE(rules[1].fits(Collective::broadcast, 65537, false));
  EXPECT_TRUE(rules[2].fits(Collective::all_gather, 8, true));
  EXPECT_FALSE(rules[2].fits(Collective::all_gather, 8, false));
  EXPECT_FALSE(rules[2].fits(Collective::all_gather, 9, true));
  EXPECT_EQ(rules[2].algorithm, "");
  EXPECT_EQ(rules_for(rules, 16, 2, 8)->size(), 3U);
  EXPECT_EQ(rules_for(rules, 16, 1, 16)->size(), 2U);
  EXPECT_EQ(rules_for(rules, 17, 2, 8)->size(), 2U);
  EXPECT_EQ(rules_for({}, 2, 1, 2), nullptr);
}

TEST(Rules, OfAnAlgorithmAloneHoldForAllThatHaveIt) {
  const AlgorithmRules rules = parse_rules("ring", "X");
  EXPECT_EQ(rules.size(), 4U);  // allreduce, broadcast, all_gather, reduce_scatter
  EXPECT_TRUE(std::all_of(rules.begin(), rules.end(), [](const auto& rule) { return rule.algorithm == "ring"; }));
  EXPECT_EQ(parse_rules("  ", "X").size(), 0U);
}

TEST(Rules, OfAFileStandOnLines) {
  const AlgorithmRules rules = parse_rules_file("# of this site\n\nallreduce:ring # why\r\nreduce:knomial", "f");
  ASSERT_EQ(rules.size(), 2U);
  EXPECT_EQ(rules[0].place, "f:3");
  EXPECT_EQ(rules[0].words, "allreduce:ring");
  EXPECT_EQ(rules[1].place, "f:4");
}

std::string refusal(std::string_view list) {
  try {
    parse_rules(list, "X");
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return "taken";
}

TEST(Rules, ThatAreWrongAreToldWithTheirPlace) {
  const std::pair<const char*, const char*> wrong[] = {
      {"allreduce:rng", "unknown allreduce algorithm 'rng'; did you mean 'ring'?"},
      {"allreduce:ring,", "X: rule '': a field is empty"},
      {"reduce:ring", "unknown reduce algorithm 'ring'; known are knomial, "},
      {"alreduce:ring", "unknown collective 'alreduce'; did you mean 'allreduce'?"},
      {"rng", "no collective has an algorithm 'rng'"},
      {"allreduce", "no algorithm is named"},
      {"allreduce:4Q-:ring", "'4Q' is not a number of bytes"},
      {"allreduce:4M-1M:ring", "the range of bytes '4M-1M' is empty"},
      {"allreduce:1:2:ring", "a rule is COLLECTIVE[:BYTES]:ALGORITHM"},
      {"allreduce:ring:radix=1", "radix 1 is out of range: the least is 2"},
      {"allreduce:ring:radix=two", "'two' is not a number of branches"},
      {"allreduce:ring:segment=0", "segment is 0 bytes"},
      {"allreduce:ring:ranks=x", "'x' is not a number of ranks"},
      {"allreduce:ring:node=1", "unknown key 'node'; did you mean 'nodes'?"},
      {"allreduce:ring:colour=1", "unknown key 'colour'; known are radix, segment, ranks, nodes, ranks_per_node"},
      {"allreduce:radix=2:ring", "'ring' follows a KEY=VALUE"},
      {"allreduce::ring", "a field is empty"},
  };
  for (const auto& [list, why] : wrong) {
    EXPECT_NE(refusal(list).find(why), std::string::npos) << refusal(list);
    EXPECT_EQ(refusal(list).rfind("X: rule '", 0), 0U) << refusal(list);
  }
  EXPECT_NE(refusal("reduce:knomial,allreduce:rng").find("X: rule 'allreduce:rng'"), std::string::npos);
}

TEST(Rules, KnowTheAlgorithmsOfAllreduce) {
  std::vector<std::string_view> names;
  for (const Algorithm* row : allreduce_algorithms()) names.push_back(row->name);
  EXPECT_EQ(allreduce_algorithm_names(), names);
}

TEST(Spelling, OfOthersIsUnderstood) {
  const std::pair<const char*, const char*> collectives[] = {{"allgather", "all_gather"},
                                                             {"AllGather", "all_gather"},
                                                             {"MPI_Allgatherv", "all_gather_v"},
                                                             {"alltoall", "all_to_all"},
                                                             {"MPI_Alltoallv", "all_to_all_v"},
                                                             {"bcast", "broadcast"},
                                                             {"MPI_Bcast", "broadcast"},
                                                             {"reduce_scatter_block", "reduce_scatter"},
                                                             {"reduce_scatter", "reduce_scatter"},
                                                             {"MPI_Reduce_scatter", "reduce_scatter_v"},
                                                             {"ReduceScatter", "reduce_scatter"},
                                                             {"all_reduce", "allreduce"},
                                                             {"scatterv", "scatter_v"},
                                                             {"no_such", "no_such"}};
  for (const auto& [word, name] : collectives) EXPECT_EQ(spelled_collective(word), name);
  const std::pair<const char*, const char*> types[] = {{"float", "f32"},       {"fp32", "f32"}, {"MPI_DOUBLE", "f64"},
                                                       {"MPI_INT64_T", "i64"}, {"half", "f16"}, {"bfloat16", "bf16"},
                                                       {"MPI_BYTE", "u8"},     {"f32", "f32"},  {"quad", "quad"}};
  for (const auto& [word, name] : types) EXPECT_EQ(spelled_dtype(word), name);
  const std::pair<const char*, const char*> operators[] = {
      {"MPI_SUM", "sum"}, {"MPI_BAND", "bit_and"}, {"mean", "avg"},     {"MPI_LOR", "logical_or"},
      {"sum", "sum"},     {"bit_and", "bit_and"},  {"median", "median"}};
  for (const auto& [word, name] : operators) EXPECT_EQ(spelled_op(word), name);
}

}  // namespace
}  // namespace tutti
