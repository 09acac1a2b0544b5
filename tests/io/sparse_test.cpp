// Sparse fields: rows are read as they were written, whatever their chunks; wrong and damaged ones are errors.
#include <tutti/io/sparse.hpp>

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include <tutti/io/check.hpp>
#include <tutti/io/detail/shard.hpp>

#include "tests/io/support.hpp"

namespace tutti::io::test {
namespace {

constexpr std::size_t kWidth = 3000;

DatasetPlan sparse_plan(std::uint64_t samples, std::uint64_t shards, std::uint64_t chunk, const char* compression) {
  return {.name = "rows",
          .fields = {{"x", DType::f32, {kWidth}, true}, {"label", DType::i64, {}}, {"w", DType::f64, {kWidth}, true}},
          .samples = samples,
          .shards = shards,
          .classes = 5,
          .chunk_samples = chunk,
          .compression = compression_from_name(compression)};
}

// Rows of 0 to `most` elements.
SparseRows rows_of(std::uint64_t samples, std::size_t value_bytes, std::size_t most, unsigned seed) {
  std::mt19937 random(seed);
  SparseRows rows;
  for (std::uint64_t i = 0; i < samples; ++i) {
    const std::size_t count = random() % (most + 1);
    std::uint32_t column = 0;
    for (std::size_t k = 0; k < count; ++k) {
      column += 1 + static_cast<std::uint32_t>(random() % (kWidth / (most + 1)));
      rows.columns.push_back(column - 1);
      for (std::size_t b = 0; b < value_bytes; ++b) rows.values.push_back(static_cast<std::byte>(random()));
    }
    rows.row_ends.push_back(rows.columns.size());
  }
  return rows;
}

SampleBlock block_of(std::uint64_t samples, std::size_t most) {
  SampleBlock block(3);
  block.samples = samples;
  block.sparse[0] = rows_of(samples, 4, most, 1);
  block.sparse[2] = rows_of(samples, 8, most / 3, 2);
  for (std::uint64_t id = 0; id < samples; ++id) {
    const std::int64_t label = label_of(id);
    const auto bytes = std::as_bytes(std::span(&label, 1));
    block.data[1].insert(block.data[1].end(), bytes.begin(), bytes.end());
  }
  return block;
}

void write_block(const fs::path& folder, const DatasetPlan& plan, const SampleBlock& block) {
  DatasetWriter writer(folder, plan);
  writer.append(block);
  writer.finish();
}

SparseRows read_rows(const Dataset& dataset, std::size_t field) {
  SparseRows all;
  const std::size_t bytes = size_of(dataset.fields()[field].dtype);
  for (const ShardInfo& shard : dataset.shards()) {
    const ShardReader reader(shard.file);
    for (std::uint64_t chunk = 0; chunk < reader.header().chunks(); ++chunk) {
      reader.prefetch(chunk);
      const SparseRows rows = reader.read_sparse_chunk(chunk, field);
      append_rows(rows, 0, rows.row_ends.size(), bytes, all);
    }
  }
  return all;
}

void expect_equal(const SparseRows& a, const SparseRows& b, const std::string& what) {
  EXPECT_EQ(a.row_ends, b.row_ends) << what;
  EXPECT_EQ(a.columns, b.columns) << what;
  EXPECT_EQ(a.values, b.values) << what;
}

TEST(Sparse, RowsAreReadAsTheyWereWritten) {
  for (const char* compression : {"none", "shuffle+deflate-1", "lz4"})
    for (const auto& [samples, most, chunk] :
         {std::tuple(37U, 5U, 4U), {300U, 90U, 64U}, {7U, 2900U, 3U}, {9U, 0U, 2U}}) {
      const TemporaryFolder temporary;
      const SampleBlock block = block_of(samples, most);
      write_block(temporary.path(), sparse_plan(samples, 2, chunk, compression), block);
      const Dataset dataset(temporary.path());
      EXPECT_TRUE(dataset.fields()[0].sparse);
      const std::string what = std::string(compression) + ", rows of up to " + std::to_string(most);
      expect_equal(read_rows(dataset, 0), block.sparse[0], what);
      expect_equal(read_rows(dataset, 2), block.sparse[2], what);
      EXPECT_EQ(check_shard(dataset, 0).data_bytes + check_shard(dataset, 1).data_bytes,
                samples * 24 + block.sparse[0].columns.size() * 8 + block.sparse[2].columns.size() * 12);
      EXPECT_EQ(survey_shard(dataset, 0).data_bytes, check_shard(dataset, 0).data_bytes);
    }
}

// The example of io/FORMAT.md.
TEST(Sparse, ChecksumsAreThoseOfTheExample) {
  const TemporaryFolder temporary;
  const std::vector<float> values{0.5F, 1.0F, -2.0F};
  const auto bytes = std::as_bytes(std::span(values));
  SampleBlock block(1);
  block.samples = 3;
  block.sparse[0] = {.row_ends = {1, 1, 3}, .columns = {1, 0, 2}, .values = {bytes.begin(), bytes.end()}};
  const DatasetPlan plan{
      .name = "rows", .fields = {{"x", DType::f32, {3}, true}}, .samples = 3, .shards = 1, .chunk_samples = 2};
  write_block(temporary.path(), plan, block);
  const fs::path file = temporary.path() / shard_file_name(0, 1);
  EXPECT_EQ(read_shard_header(file).checksum, 0x6110f7c9U);
  const std::vector<std::uint32_t> checksums{0xeb742b2cU, 0x0b3a35aeU};
  EXPECT_GE(find_bytes(file, std::as_bytes(std::span(checksums))), 0);
  expect_equal(read_rows(Dataset(temporary.path()), 0), block.sparse[0], "the example");
}

TEST(Sparse, RowsArriveInAnyPortions) {
  const TemporaryFolder temporary;
  const SampleBlock block = block_of(50, 40);
  write_block(temporary.path() / "a", sparse_plan(50, 3, 7, "none"), block);
  {
    DatasetWriter writer(temporary.path() / "b", sparse_plan(50, 3, 7, "none"));
    for (std::uint64_t first = 0, count = 0; first < 50; first += count) {
      count = std::min<std::uint64_t>(1 + first % 11, 50 - first);
      SampleBlock part(3);
      part.samples = count;
      append_rows(block.sparse[0], first, count, 4, part.sparse[0]);
      append_rows(block.sparse[2], first, count, 8, part.sparse[2]);
      part.data[1].assign(block.data[1].begin() + static_cast<std::ptrdiff_t>(first * 8),
                          block.data[1].begin() + static_cast<std::ptrdiff_t>((first + count) * 8));
      writer.append(part);
    }
    writer.finish();
  }
  for (const std::string& file : files_in(temporary.path() / "a"))
    EXPECT_EQ(read_bytes(temporary.path() / "a" / file), read_bytes(temporary.path() / "b" / file)) << file;
}

TEST(Sparse, RowsBecomeDense) {
  const SparseRows rows = rows_of(20, 4, 9, 3);
  const Field field{.name = "x", .dtype = DType::f32, .shape = {kWidth}, .sparse = true};
  for (std::size_t row = 0; row < 20; ++row) {
    std::vector<std::byte> expected(field.sample_bytes());
    for (std::size_t i = row == 0 ? 0 : rows.row_ends[row - 1]; i < rows.row_ends[row]; ++i)
      for (std::size_t b = 0; b < 4; ++b) expected[rows.columns[i] * 4 + b] = rows.values[i * 4 + b];
    std::vector<std::byte> dense(field.sample_bytes(), std::byte{0xff});
    densify(rows, row, field, dense);
    EXPECT_EQ(dense, expected) << row;
  }
}

TEST(Sparse, RowsThatAreWrongAreNotWritten) {
  const TemporaryFolder temporary;
  const auto refused = [&](auto change, const std::vector<std::string>& parts) {
    SampleBlock block = block_of(4, 0);
    SparseRows& rows = block.sparse[0];
    rows = {.row_ends = {2, 2, 4, 5}, .columns = {3, 9, 0, 2999, 7}, .values = std::vector<std::byte>(20)};
    change(rows);
    expect_parts(message_of([&] { write_block(temporary.path(), sparse_plan(4, 1, 2, "none"), block); }), parts);
    EXPECT_TRUE(files_in(temporary.path()).empty());
  };
  refused([](SparseRows& rows) { rows.columns[3] = 3000; }, {"sample 2", "field 'x'", "column 3000", "3000 columns"});
  refused([](SparseRows& rows) { rows.columns[1] = 3; }, {"sample 0", "column 3 follows column 3"});
  refused([](SparseRows& rows) { rows.columns[1] = 2; }, {"sample 0", "column 2 follows column 3"});
  refused([](SparseRows& rows) { rows.row_ends[2] = 1; }, {"sample 2", "ends at element 1", "the one before at 2"});
  refused([](SparseRows& rows) { rows.row_ends[3] = 6; }, {"sample 3", "element 6 of 5"});
  refused([](SparseRows& rows) { rows.row_ends[3] = 4; }, {"sample 3", "element 4 of 5"});
  refused([](SparseRows& rows) { rows.values.pop_back(); }, {"sample 3", "19 bytes are not the values of 5 columns"});
}

TEST(Sparse, FieldsThatMakeNoSenseAreRefused) {
  const TemporaryFolder temporary;
  const auto refused = [&](const Field& field, const std::vector<std::string>& parts) {
    DatasetPlan plan = sparse_plan(4, 1, 2, "none");
    plan.fields[0] = field;
    expect_parts(message_of<InvalidArgument>([&] { DatasetWriter(temporary.path(), plan); }), parts);
  };
  refused({"x", DType::f32, {}, true}, {"sparse field 'x'", "one dimension"});
  refused({"x", DType::f32, {2, 3}, true}, {"sparse field 'x'", "one dimension"});
  refused({"x", DType::i32, {5}, true}, {"sparse field 'x'", "type i32", "f32 or f64"});
  refused({"x", DType::f32, {(std::size_t{1} << 32) + 1}, true}, {"at most 4294967296 columns"});
  DatasetPlan plan = sparse_plan(4, 1, 2, "none");
  plan.fields[1].name = "class";
  plan.fields[0].name = "label";
  expect_parts(message_of<InvalidArgument>([&] { DatasetWriter(temporary.path(), plan); }), {"5 classes", "'label'"});
}

// A shard of rows that are wrong under right checksums.
TEST(Sparse, RowsThatAreWrongAreNotRead) {
  const TemporaryFolder temporary;
  const fs::path file = temporary.path() / "shard.h5";
  const ShardHeader header{.dataset = "rows",
                           .first_sample = 10,
                           .samples = 4,
                           .dataset_samples = 20,
                           .chunk_samples = 2,
                           .fields = {{"x", DType::f32, {5}, true}}};
  const auto refused = [&](const SparseRows& second, const std::vector<std::string>& parts) {
    ShardWriter writer(file, header);
    writer.write_sparse_chunk(0, 0, {.row_ends = {1, 2}, .columns = {1, 1}, .values = std::vector<std::byte>(8)});
    writer.write_sparse_chunk(1, 0, second);
    writer.finish();
    writer.publish();
    const ShardReader reader(file);
    EXPECT_EQ(reader.read_sparse_chunk(0, 0).columns.size(), 2U);
    expect_parts(message_of([&] { reader.read_sparse_chunk(1, 0); }), parts);
  };
  refused({.row_ends = {1, 2}, .columns = {0, 5}, .values = std::vector<std::byte>(8)},
          {file.string(), "field 'x', sample 13", "column 5", "5 columns"});
  refused({.row_ends = {2, 2}, .columns = {4, 4}, .values = std::vector<std::byte>(8)},
          {file.string(), "field 'x', sample 12", "column 4 follows column 4"});
  refused({.row_ends = {3, 2}, .columns = {0, 1}, .values = std::vector<std::byte>(8)},
          {file.string(), "field 'x', sample 12", "element 3 of 2"});
  refused({.row_ends = {1, 7}, .columns = {0, 1}, .values = std::vector<std::byte>(8)},
          {file.string(), "field 'x', chunk 1 (samples 12 to 13)", "elements 2 to 9 of 4"});
  refused({.row_ends = {0, 1}, .columns = {0, 1}, .values = std::vector<std::byte>(8)},
          {file.string(), "field 'x', chunk 1 (samples 12 to 13)", "elements 2 to 3 of 4"});
}

TEST(Sparse, DamageIsNeverReadWrong) {
  for (const char* compression : {"none", "deflate-1"}) {
    const TemporaryFolder temporary;
    const SampleBlock block = block_of(12, 30);
    write_block(temporary.path(), sparse_plan(12, 1, 5, compression), block);
    const Dataset dataset(temporary.path());
    const fs::path file = dataset.shards()[0].file;
    const auto size = static_cast<std::ptrdiff_t>(fs::file_size(file));
    // Element chunks are larger than these elements: most of the file is unused.
    for (std::ptrdiff_t offset = 0; offset < size; offset += offset < 6000 ? 7 : 197) {
      const int bit = static_cast<int>(offset * 3 % 8);
      flip_bit(file, offset, bit);
      try {
        expect_equal(read_rows(dataset, 0), block.sparse[0], "byte " + std::to_string(offset));
        expect_equal(read_rows(dataset, 2), block.sparse[2], "byte " + std::to_string(offset));
        ASSERT_FALSE(HasFailure());
      } catch (const DataError& error) {
        ASSERT_NE(std::string(error.what()).find(file.string()), std::string::npos) << error.what();
      }
      flip_bit(file, offset, bit);
    }
  }
}

TEST(Sparse, RowsThatDoNotFitOnTheDiskLeaveNothingBehind) {
  const SampleBlock block = block_of(400, 90);
  const DatasetPlan plan = sparse_plan(400, 1, 16, "none");
  std::size_t whole = 0;
  {
    const TemporaryFolder temporary;
    write_block(temporary.path(), plan, block);
    whole = fs::file_size(temporary.path() / shard_file_name(0, 1));
  }
  for (std::size_t part = 0; part < 8; ++part) {
    const TemporaryFolder temporary;
    const std::string message = message_of([&] {
      const FileSizeLimit full(whole * part / 8 + (part == 0 ? 100 : 0));  // the lock file has to fit
      write_block(temporary.path(), plan, block);
    });
    expect_parts(message, {shard_file_name(0, 1), "cannot be written"});
    EXPECT_TRUE(files_in(temporary.path()).empty());
  }
}

}  // namespace
}  // namespace tutti::io::test
