// What the tests of importers of text share: a file, its import by some ranks, and what is read back.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <tutti/io/import.hpp>
#include <tutti/io/importers/text_source.hpp>
#include <tutti/io/sampler.hpp>

#include "tests/io/samples.hpp"
#include "tests/io/support.hpp"
#include "tests/io/thread_ranks.hpp"

namespace tutti::io::test {

class TextImport : public testing::Test {
 protected:
  using Open = std::function<std::unique_ptr<TextSource>()>;

  TextImport() {
    import_.folder = temporary_.path() / "set";
    import_.name = "set";
    import_.replace = true;
  }

  fs::path path(const std::string& name) const { return temporary_.path() / name; }

  fs::path write(const std::string& name, const std::string& text) const {
    write_bytes(path(name), text);
    return path(name);
  }

  void run_import(const Open& open, int ranks = 1) {
    before_.reset();
    import_by(open, ranks);
  }

  template <class T>
  std::vector<T> read(const std::string& field) const {
    const Dataset dataset(import_.folder);
    const auto content = read_fields(dataset)[dataset.field(field)];
    std::vector<T> values(content.size() / sizeof(T));
    if (!values.empty()) std::memcpy(values.data(), content.data(), content.size());
    return values;
  }

  // The error of an import over a data set, which has to stay as it is.
  std::string error(const Open& open, int ranks = 1) {
    if (!before_) {
      DatasetPlan plan = small_plan(7, 2, 4);
      plan.replace = true;
      write_dataset(import_.folder, plan);
      before_ = Dataset(import_.folder).fingerprint();
    }
    const std::string message = message_of([&] { import_by(open, ranks); });
    EXPECT_EQ(Dataset(import_.folder).fingerprint(), *before_);
    EXPECT_EQ(files_in(import_.folder).size(), 3U);
    return message;
  }

  // Whatever the number of ranks, the shards have the bytes that one rank makes.
  void expect_the_same_shards(const Open& open) {
    import_.chunk_samples = 2;
    import_.shards = 3;
    run_import(open);
    const auto expected = shards();
    for (const int ranks : {2, 3, 5}) {
      run_import(open, ranks);
      EXPECT_EQ(shards(), expected) << ranks << " ranks";
    }
  }

  // Whatever the number of ranks, and wherever one block ends and another begins, the samples are those of one rank.
  static void expect_the_same_samples(const Open& open, std::size_t file_bytes) {
    const SampleBlock expected = read_by(open, 1, std::size_t{1} << 20).front();
    ASSERT_GT(expected.samples, 0U);
    for (const int ranks : {1, 2, 3, 5, 42})
      for (std::size_t block = 4; block <= file_bytes + 1; ++block) {
        SampleBlock all(expected.data.size());
        for (const SampleBlock& part : read_by(open, ranks, block)) append_to(all, part);
        ASSERT_EQ(all.samples, expected.samples) << ranks << " ranks, blocks of " << block << " bytes";
        ASSERT_EQ(all.data, expected.data) << ranks << " ranks, blocks of " << block << " bytes";
        for (std::size_t f = 0; f < all.sparse.size(); ++f) {
          ASSERT_EQ(all.sparse[f].columns, expected.sparse[f].columns) << ranks << " ranks, blocks of " << block;
          ASSERT_EQ(all.sparse[f].values, expected.sparse[f].values) << ranks << " ranks, blocks of " << block;
        }
      }
  }

 private:
  void import_by(const Open& open, int ranks) {
    ThreadRanks::run(ranks, [&](Ranks& all) { import_samples([&] { return open(); }, import_, all); });
  }

  std::vector<std::vector<char>> shards() const {
    std::vector<std::vector<char>> files;
    for (const std::string& name : files_in(import_.folder)) files.push_back(read_bytes(import_.folder / name));
    return files;
  }

  static void append_to(SampleBlock& all, const SampleBlock& part) {
    all.samples += part.samples;
    for (std::size_t f = 0; f < part.data.size(); ++f) {
      all.data[f].insert(all.data[f].end(), part.data[f].begin(), part.data[f].end());
      const SparseRows& rows = part.sparse[f];
      all.sparse[f].columns.insert(all.sparse[f].columns.end(), rows.columns.begin(), rows.columns.end());
      all.sparse[f].values.insert(all.sparse[f].values.end(), rows.values.begin(), rows.values.end());
    }
  }

  // What each rank reads as its part.
  static std::vector<SampleBlock> read_by(const Open& open, int ranks, std::size_t block_bytes) {
    std::vector<SampleBlock> parts(static_cast<std::size_t>(ranks), SampleBlock(0));
    ThreadRanks::run(ranks, [&](Ranks& all) {
      const auto source = open();
      source->use_blocks_of(block_bytes);
      source->survey(all);
      const Range own = part_of({0, source->samples().value()}, all.rank(), all.size());
      SampleBlock part(source->fields().size());
      if (own.size() > 0) {
        source->skip_to(own.first);
        while (part.samples < own.size() && source->read(own.size() - part.samples, part) > 0) continue;
      }
      parts[static_cast<std::size_t>(all.rank())] = std::move(part);
    });
    return parts;
  }

  std::optional<std::uint32_t> before_;  // fingerprint of the data set that error() wrote, if it is still there

 protected:
  TemporaryFolder temporary_;
  ImportOptions import_;
};

}  // namespace tutti::io::test
