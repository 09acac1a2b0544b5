// Data sets divided into parts: which sample goes where, that none is lost, and that what is stored does not matter.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <numeric>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <tests/io/support.hpp>
#include <tutti/io/import.hpp>
#include <tutti/io/sample_reader.hpp>
#include <tutti/io/split.hpp>

namespace tutti::io::test {
namespace {

class SplitTest : public ::testing::Test {
 protected:
  /// Samples whose field "id" is their id, and whose classes have these sizes, mixed.
  std::shared_ptr<const Dataset> make(const std::vector<std::uint64_t>& sizes, std::uint64_t shards,
                                      std::uint64_t chunk) {
    std::vector<std::int64_t> labels;
    for (std::size_t c = 0; c < sizes.size(); ++c) labels.insert(labels.end(), sizes[c], static_cast<std::int64_t>(c));
    for (std::size_t i = labels.size(); i > 1; --i) std::swap(labels[i - 1], labels[i * i * 7 % i]);
    const fs::path folder = folder_.path() / ("set-" + std::to_string(++sets_));
    DatasetWriter writer(folder,
                         {.name = "numbered",
                          .fields = {{"id", DType::u32, {}}, {"label", DType::i64, {}}, {"bag", DType::f32, {9}, true}},
                          .samples = labels.size(),
                          .shards = shards,
                          .classes = sizes.size(),
                          .chunk_samples = chunk});
    for (std::uint32_t id = 0; id < labels.size(); ++id) {
      SampleBlock block(3);
      block.samples = 1;
      const auto add = [&](std::size_t f, auto value) {
        const auto bytes = std::as_bytes(std::span(&value, 1));
        block.data[f].assign(bytes.begin(), bytes.end());
      };
      add(0, id);
      add(1, labels[id]);
      const float value = static_cast<float>(id) + 0.5F;
      const auto bytes = std::as_bytes(std::span(&value, 1));
      block.sparse[2] = {.row_ends = {1}, .columns = {id % 9}, .values = {bytes.begin(), bytes.end()}};
      writer.append(block);
    }
    writer.finish();
    return std::make_shared<const Dataset>(folder);
  }

  /// The ids that part `part` of a written split has, in its order; the other fields are verified against them.
  static std::vector<std::uint32_t> ids_in(const fs::path& folder) {
    const Dataset dataset(folder);
    SampleReader reader(dataset, 100);
    SampleBlock block(3);
    std::vector<std::uint32_t> ids(dataset.size());
    for (std::uint64_t id = 0; id < dataset.size(); ++id) reader.append(id, block);
    std::memcpy(ids.data(), block.data[0].data(), block.data[0].size());
    for (std::size_t i = 0; i < ids.size(); ++i) {
      float value = 0;
      std::memcpy(&value, block.sparse[2].values.data() + 4 * i, 4);
      EXPECT_EQ(value, static_cast<float>(ids[i]) + 0.5F);
      EXPECT_EQ(block.sparse[2].columns[i], ids[i] % 9);
    }
    return ids;
  }

  std::vector<std::vector<std::uint32_t>> written(const std::shared_ptr<const Dataset>& dataset,
                                                  const SplitOptions& options, std::uint64_t shards = 2) {
    const auto split = std::make_shared<const Split>(dataset, options);
    std::vector<std::vector<std::uint32_t>> parts;
    for (std::size_t part = 0; part < options.parts.size(); ++part) {
      const fs::path folder = folder_.path() / "out" / options.parts[part].name;
      import_samples([&] { return Split::source(split, part); },
                     {.folder = folder, .name = {}, .shards = shards, .chunk_samples = 3, .replace = true});
      EXPECT_EQ(Dataset(folder).classes(), dataset->classes());
      parts.push_back(ids_in(folder));
    }
    return parts;
  }

  static std::vector<std::vector<std::uint64_t>> counts(const std::shared_ptr<const Dataset>& dataset,
                                                        const SplitOptions& options) {
    const Split split(dataset, options);
    SampleReader reader(*dataset);
    SampleBlock block(3);
    std::vector<std::vector<std::uint64_t>> result(options.parts.size(),
                                                   std::vector<std::uint64_t>(dataset->classes()));
    for (std::uint64_t id = 0; id < dataset->size(); ++id) {
      block.clear();
      reader.append(id, block);
      std::int64_t label = 0;
      std::memcpy(&label, block.data[1].data(), sizeof(label));
      ++result[split.part_of(id)][static_cast<std::size_t>(label)];
    }
    return result;
  }

  TemporaryFolder folder_;
  int sets_ = 0;
};

using Counts = std::vector<std::vector<std::uint64_t>>;

TEST_F(SplitTest, NoSampleIsLostAndNoneIsThereTwice) {
  const auto dataset = make({20, 11, 6}, 4, 3);
  for (const bool stratified : {false, true})
    for (const bool shuffle : {false, true}) {
      const auto parts = written(dataset, {.parts = {{"train", 0.5}, {"validation", 0.3}, {"test", 0.2}},
                                           .stratified = stratified,
                                           .shuffle = shuffle,
                                           .seed = 3});
      EXPECT_EQ(parts[0].size(), 19U);
      EXPECT_EQ(parts[1].size(), 11U);
      EXPECT_EQ(parts[2].size(), 7U);
      std::set<std::uint32_t> all;
      for (const auto& part : parts) {
        all.insert(part.begin(), part.end());
        EXPECT_EQ(std::is_sorted(part.begin(), part.end()), !shuffle);
      }
      EXPECT_EQ(all.size(), 37U);
    }
}

TEST_F(SplitTest, ShardsAndChunksDoNotMatterAndTheSeedDoes) {
  const SplitOptions options{.parts = {{"a", 0.7}, {"b", 0.3}}, .stratified = true, .shuffle = true, .seed = 1};
  const auto parts = written(make({30, 20}, 1, 50), options);
  EXPECT_EQ(written(make({30, 20}, 7, 2), options, 5), parts);
  SplitOptions other = options;
  other.seed = 2;
  EXPECT_NE(written(make({30, 20}, 1, 50), other), parts);
}

TEST_F(SplitTest, OnePartIsTheWholeSet) {
  const auto dataset = make({9, 8}, 3, 2);
  const auto same = written(dataset, {.parts = {{"all", 1.0}}});
  std::vector<std::uint32_t> expected(17);
  std::iota(expected.begin(), expected.end(), 0U);
  EXPECT_EQ(same[0], expected);
  auto shuffled = written(dataset, {.parts = {{"all", 1.0}}, .shuffle = true});
  EXPECT_NE(shuffled[0], expected);
  std::sort(shuffled[0].begin(), shuffled[0].end());
  EXPECT_EQ(shuffled[0], expected);
}

TEST_F(SplitTest, ClassesAreDividedByTheLargestRemainder) {
  const auto dataset = make({10, 7, 3, 1}, 2, 4);
  EXPECT_EQ(counts(dataset, {.parts = {{"train", 0.8}, {"test", 0.2}}, .stratified = true}),
            (Counts{{8, 6, 2, 1}, {2, 1, 1, 0}}));
  EXPECT_EQ(counts(dataset, {.parts = {{"train", 0.7}, {"test", 0.3}}, .stratified = true}),
            (Counts{{7, 5, 2, 1}, {3, 2, 1, 0}}));
  EXPECT_EQ(Split(dataset, {.parts = {{"train", 0.7}, {"test", 0.3}}, .stratified = true}).lone_classes(),
            std::vector<std::size_t>{3});
  const auto three = counts(make({100, 50, 10}, 2, 4),
                            {.parts = {{"train", 0.8}, {"validation", 0.1}, {"test", 0.1}}, .stratified = true});
  EXPECT_EQ(three, (Counts{{80, 40, 8}, {10, 5, 1}, {10, 5, 1}}));
}

// A class of two goes to the first part and another, never to none of them twice; the first has one of each.
TEST_F(SplitTest, TheFirstPartHasEveryClass) {
  const auto parts = counts(make({2, 2, 1, 3, 40, 1}, 1, 4),
                            {.parts = {{"train", 0.2}, {"validation", 0.4}, {"test", 0.4}}, .stratified = true});
  for (const std::uint64_t count : parts[0]) EXPECT_GE(count, 1U);
  EXPECT_EQ(parts[1][2] + parts[2][2] + parts[1][5] + parts[2][5], 0U);
}

// Over many seeds each sample is as often in a part as its share says, within 5 standard deviations.
TEST_F(SplitTest, EverySampleIsInAPartAsOftenAsOthers) {
  const auto dataset = make({12, 8}, 1, 20);
  constexpr double kSeeds = 300;
  for (const bool stratified : {false, true}) {
    std::map<std::uint64_t, double> in_test;
    for (std::uint64_t seed = 0; seed < static_cast<std::uint64_t>(kSeeds); ++seed) {
      const Split split(dataset, {.parts = {{"train", 0.75}, {"test", 0.25}}, .stratified = stratified, .seed = seed});
      for (std::uint64_t id = 0; id < dataset->size(); ++id) in_test[id] += split.part_of(id) == 1 ? 1 : 0;
    }
    for (const auto& [id, count] : in_test) EXPECT_NEAR(count, kSeeds / 4, 5 * std::sqrt(kSeeds * 3 / 16)) << id;
  }
}

TEST_F(SplitTest, SharesThatMakeNoSenseAreRefused) {
  const auto dataset = make({5, 4}, 1, 4);
  const auto refusal = [&](const SplitOptions& options) {
    return message_of<InvalidArgument>([&] { Split(dataset, options); });
  };
  expect_parts(refusal({.parts = {{"a", 0.5}, {"b", 0.4}}}), {"sum to 0.9"});
  expect_parts(refusal({.parts = {{"a", 1.5}, {"b", -0.5}}}), {"part 'b'", "-0.5"});
  expect_parts(refusal({.parts = {{"a", 0.5}, {"a", 0.5}}}), {"2 parts named 'a'"});
  expect_parts(refusal({.parts = {}}), {"1 to 255 parts, not 0"});
  expect_parts(refusal({.parts = {{"a", 0.99}, {"b", 0.01}}}), {"part 'b' would have none of the 9 samples"});
  write_dataset(folder_.path() / "small", {.name = "n", .fields = small_plan(4, 1, 4).fields, .samples = 4});
  const auto without = std::make_shared<const Dataset>(folder_.path() / "small");
  expect_parts(message_of<InvalidArgument>([&] {
                 Split(without, {.parts = {{"a", 1}}, .stratified = true});
               }),
               {"no classes"});
}

}  // namespace
}  // namespace tutti::io::test
