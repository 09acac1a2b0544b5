// The loader: every sample once an epoch however batches and ranks divide it, the same order for any number of ranks,
// and errors of its thread.
#include <tutti/io/loader.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <vector>

#include <tutti/io/detail/chunk_cache.hpp>
#include <tutti/io/detail/shard.hpp>
#include <tutti/io/sample_block.hpp>

#include "tests/io/support.hpp"

namespace tutti::io::test {
namespace {

constexpr std::uint64_t kSamples = 103;
constexpr std::uint64_t kLoaderSeed = 97;
constexpr std::array kOrders{Order::contiguous, Order::shuffled, Order::two_level, Order::bootstrap};

class LoaderTest : public testing::Test {
 protected:
  LoaderTest() {
    write_dataset(temporary_.path(), small_plan(kSamples, 4, 5));
    dataset_ = std::make_unique<Dataset>(temporary_.path());
  }

  static LoaderOptions options(std::uint64_t global_batch, int rank = 0, int ranks = 1) {
    return {.order = Order::shuffled, .seed = kLoaderSeed, .global_batch = global_batch, .rank = rank, .ranks = ranks};
  }

  std::vector<Batch> read_all(const LoaderOptions& options) const {
    Loader loader(*dataset_, options);
    std::vector<Batch> batches;
    while (auto batch = loader.next()) {
      expect_content(*batch);
      batches.push_back(std::move(*batch));
    }
    EXPECT_FALSE(loader.next().has_value());
    return batches;
  }

  static void expect_content(const Batch& batch) {
    ASSERT_EQ(batch.data.size(), 2U);
    ASSERT_EQ(batch.data[0].size(), batch.ids.size() * 6);
    ASSERT_EQ(batch.data[1].size(), batch.ids.size() * 8);
    for (std::size_t i = 0; i < batch.ids.size(); ++i) {
      const auto pixels = pixels_of(batch.ids[i]);
      const std::int64_t label = label_of(batch.ids[i]);
      ASSERT_EQ(std::memcmp(batch.data[0].data() + i * 6, pixels.data(), 6), 0);
      ASSERT_EQ(std::memcmp(batch.data[1].data() + i * 8, &label, 8), 0);
    }
  }

  TemporaryFolder temporary_;
  std::unique_ptr<Dataset> dataset_;
};

// The batches of all ranks, put together, are those of one rank: in number, size, order and content.
TEST_F(LoaderTest, RanksTogetherReadWhatOneReads) {
  for (const Order order : kOrders)
    for (const std::uint64_t global_batch : {1U, 3U, 10U, 64U, 103U, 1000U}) {
      LoaderOptions alone = options(global_batch);
      alone.order = order;
      alone.window_bytes = 20 * 14;  // 20 samples
      alone.epochs = 2;
      const std::vector<Batch> expected = read_all(alone);
      ASSERT_EQ(expected.size(), 2 * ((kSamples - 1) / global_batch + 1));
      std::vector<int> seen(kSamples);
      for (const Batch& batch : expected)
        for (const std::uint64_t id : batch.ids) ++seen[id];
      if (order != Order::bootstrap) {
        EXPECT_EQ(seen, std::vector<int>(kSamples, 2));
      }

      for (const int ranks : {2, 3, 5, 7}) {
        std::vector<Batch> joined(expected.size());
        for (int rank = 0; rank < ranks; ++rank) {
          LoaderOptions mine = alone;
          mine.rank = rank;
          mine.ranks = ranks;
          mine.threads = 1 + rank % 2;
          const std::vector<Batch> batches = read_all(mine);
          ASSERT_EQ(batches.size(), expected.size());
          for (std::size_t b = 0; b < batches.size(); ++b) {
            EXPECT_EQ(batches[b].epoch, expected[b].epoch);
            EXPECT_EQ(batches[b].index, expected[b].index);
            EXPECT_EQ(batches[b].global_samples, expected[b].ids.size());
            joined[b].ids.insert(joined[b].ids.end(), batches[b].ids.begin(), batches[b].ids.end());
          }
        }
        for (std::size_t b = 0; b < joined.size(); ++b)
          ASSERT_EQ(joined[b].ids, expected[b].ids) << "ranks " << ranks << " batch " << b;
      }
    }
}

// With shards a rank has the samples of its shards, whose boundaries do not depend on the number of ranks.
TEST_F(LoaderTest, RanksReadWholeShards) {
  constexpr int kShards = 8;
  for (const std::uint64_t global_batch : {5U, 20U, 103U})
    for (const int ranks : {1, 3, 5, 8})
      for (int rank = 0; rank < ranks; ++rank) {
        LoaderOptions own = options(global_batch, rank, ranks);
        own.shards = kShards;
        const std::vector<Batch> batches = read_all(own);
        const std::vector<Batch> whole = read_all(options(global_batch));
        const Range shards = part_of({0, kShards}, rank, ranks);
        ASSERT_EQ(batches.size(), whole.size());
        for (std::size_t b = 0; b < batches.size(); ++b) {
          std::vector<std::uint64_t> expected;
          for (std::uint64_t shard = shards.first; shard < shards.last; ++shard) {
            const Range its = part_of({0, whole[b].global_samples}, static_cast<int>(shard), kShards);
            for (std::uint64_t i = its.first; i < its.last; ++i) expected.push_back(whole[b].ids[i]);
          }
          EXPECT_EQ(batches[b].ids, expected) << "rank " << rank << " of " << ranks << ", batch " << b;
          EXPECT_EQ(batches[b].global_samples, whole[b].global_samples);
        }
      }
}

TEST_F(LoaderTest, OrderIsTheSamplers) {
  const Sampler sampler(kSamples, Order::shuffled, kLoaderSeed);
  LoaderOptions choice = options(10);
  choice.epochs = 2;
  for (const Batch& batch : read_all(choice))
    for (std::size_t i = 0; i < batch.ids.size(); ++i)
      EXPECT_EQ(batch.ids[i], sampler.sample(batch.epoch, batch.index * 10 + i));
}

TEST_F(LoaderTest, CachePrefetchAndThreadsChangeNothing) {
  LoaderOptions choice = options(16);
  choice.epochs = 3;
  const std::vector<Batch> expected = read_all(choice);
  for (const int threads : {1, 2, 5})
    for (const std::size_t cache : {std::size_t{0}, std::size_t{100}, std::size_t{1000}, std::size_t{1} << 30})
      for (const std::size_t prefetch : {1U, 2U, 100U}) {
        choice.cache_bytes = cache;
        choice.prefetch = prefetch;
        choice.threads = threads;
        const std::vector<Batch> batches = read_all(choice);
        ASSERT_EQ(batches.size(), expected.size());
        for (std::size_t b = 0; b < batches.size(); ++b) EXPECT_EQ(batches[b].ids, expected[b].ids);
      }
}

// The order depends on samples and seed alone, but for that of two_level, which knows the shards.
TEST_F(LoaderTest, ShardsChangeNoOrder) {
  write_dataset(temporary_.path() / "other", small_plan(kSamples, 7, 3));
  const Dataset other(temporary_.path() / "other");
  for (const Order order : {Order::contiguous, Order::shuffled, Order::bootstrap}) {
    LoaderOptions choice = options(10);
    choice.order = order;
    Loader loader(other, choice);
    for (const Batch& expected : read_all(choice)) {
      const auto batch = loader.next();
      ASSERT_TRUE(batch.has_value());
      EXPECT_EQ(batch->ids, expected.ids);
      expect_content(*batch);
    }
  }
}

TEST_F(LoaderTest, StartsAnywhere) {
  for (const Order order : kOrders) {
    LoaderOptions choice = options(10);
    choice.order = order;
    choice.window_bytes = 30 * 14;
    choice.epochs = 3;
    const std::vector<Batch> expected = read_all(choice);
    const std::uint64_t per_epoch = Loader(*dataset_, choice).batches_per_epoch();
    EXPECT_EQ(per_epoch, 11U);
    for (std::uint64_t start = 0; start <= expected.size(); ++start) {
      choice.first_epoch = start / per_epoch;
      choice.first_batch = start % per_epoch;
      const std::vector<Batch> batches = read_all(choice);
      ASSERT_EQ(batches.size(), expected.size() - start);
      for (std::size_t b = 0; b < batches.size(); ++b) {
        EXPECT_EQ(batches[b].epoch, expected[start + b].epoch);
        EXPECT_EQ(batches[b].index, expected[start + b].index);
        EXPECT_EQ(batches[b].ids, expected[start + b].ids);
      }
    }
    choice.first_epoch = 2;
    choice.first_batch = per_epoch;  // the end of the last epoch
    EXPECT_EQ(read_all(choice).size(), 0U);
    choice.first_epoch = 1;  // the end of one epoch is the start of the next
    EXPECT_EQ(read_all(choice).size(), per_epoch);
  }
}

// Columns of all ranks together are the samples; labels are whole.
TEST_F(LoaderTest, FeaturesAreSharedOutByColumns) {
  for (const int ranks : {1, 2, 3, 5}) {
    std::vector<std::vector<std::uint16_t>> joined(kSamples);
    for (int rank = 0; rank < ranks; ++rank) {
      LoaderOptions choice = options(10, rank, ranks);
      choice.partition = Partition::features;
      Loader loader(*dataset_, choice);
      const Range columns = loader.columns(0);
      EXPECT_EQ(columns.size(), part_of({0, 3}, rank, ranks).size());
      EXPECT_EQ(loader.columns(1).size(), 1U);
      std::uint64_t samples = 0;
      while (const auto batch = loader.next()) {
        ASSERT_EQ(batch->ids.size(), batch->global_samples);
        ASSERT_EQ(batch->data[0].size(), batch->ids.size() * columns.size() * 2);
        for (std::size_t i = 0; i < batch->ids.size(); ++i, ++samples) {
          std::vector<std::uint16_t> part(columns.size());
          if (!part.empty()) std::memcpy(part.data(), &batch->data[0][i * part.size() * 2], part.size() * 2);
          joined[batch->ids[i]].insert(joined[batch->ids[i]].end(), part.begin(), part.end());
          const std::int64_t label = label_of(batch->ids[i]);
          ASSERT_EQ(std::memcmp(batch->data[1].data() + i * 8, &label, 8), 0);
        }
      }
      EXPECT_EQ(samples, kSamples);
    }
    for (std::uint64_t id = 0; id < kSamples; ++id) {
      const auto pixels = pixels_of(id);
      ASSERT_EQ(joined[id], std::vector<std::uint16_t>(pixels.begin(), pixels.end())) << "ranks " << ranks;
    }
  }
  LoaderOptions choice = options(10, 0, 3);
  choice.partition = Partition::features;
  choice.cut_fields = {"label"};  // a scalar has no columns
  EXPECT_EQ(Loader(*dataset_, choice).columns(0).size(), 3U);
  EXPECT_EQ(Loader(*dataset_, choice).columns(1).size(), 1U);
  choice.cut_fields = {"picture"};
  expect_parts(message_of([&] { Loader(*dataset_, choice); }), {"picture"});
}

// Rows of a sparse field become dense, whole or by columns, from a cache that holds few of them.
TEST_F(LoaderTest, SparseFieldsBecomeDense) {
  const DatasetPlan plan{.name = "sparse",
                         .fields = {{"x", DType::f32, {7}, true}, {"label", DType::i64, {}}},
                         .samples = 40,
                         .shards = 3,
                         .classes = 5,
                         .chunk_samples = 4};
  SampleBlock block(2);
  block.samples = plan.samples;
  std::vector<float> values;
  std::vector<std::int64_t> labels;
  std::vector<std::vector<float>> dense(plan.samples, std::vector<float>(7));
  for (std::uint64_t id = 0; id < plan.samples; ++id) {
    for (std::uint32_t column = 0; column < 7; ++column) {
      if ((id + column) % 3 != 0) continue;
      dense[id][column] = static_cast<float>(100 * id + column + 1);
      block.sparse[0].columns.push_back(column);
      values.push_back(dense[id][column]);
    }
    block.sparse[0].row_ends.push_back(values.size());
    labels.push_back(label_of(id));
  }
  const auto bytes_of = [](const auto& numbers) {
    const auto bytes = std::as_bytes(std::span(numbers));
    return std::vector<std::byte>(bytes.begin(), bytes.end());
  };
  block.sparse[0].values = bytes_of(values);
  block.data[1] = bytes_of(labels);
  DatasetWriter writer(temporary_.path() / "sparse", plan);
  writer.append(block);
  writer.finish();
  const Dataset dataset(temporary_.path() / "sparse");
  for (const Partition partition : {Partition::samples, Partition::features})
    for (const std::size_t cache : {std::size_t{0}, std::size_t{200}, std::size_t{1} << 30}) {
      LoaderOptions choice = options(6, 1, 2);
      choice.partition = partition;
      choice.cache_bytes = cache;
      choice.threads = 2;
      Loader loader(dataset, choice);
      const Range columns = loader.columns(0);
      ASSERT_EQ(columns.size(), partition == Partition::samples ? 7U : 3U);
      while (const auto batch = loader.next())
        for (std::size_t i = 0; i < batch->ids.size(); ++i)
          ASSERT_EQ(std::memcmp(batch->data[0].data() + i * columns.size() * 4,
                                dense[batch->ids[i]].data() + columns.first, columns.size() * 4),
                    0);
    }
}

TEST(BufferPool, SlabsAreKeptAndTheirBuffersDoNotOverlap) {
  BufferPool pool = BufferPool::in_slabs(1000);
  std::vector<PooledBuffer> taken;
  for (int i = 0; i < 5000; ++i) {
    taken.push_back(pool.take());
    ASSERT_EQ(reinterpret_cast<std::uintptr_t>(taken.back().bytes().data()) % kLineBytes, 0U);
    std::memset(taken.back().bytes().data(), i, taken.back().bytes().size());
  }
  for (std::size_t i = 0; i < taken.size(); ++i)
    ASSERT_EQ(taken[i].bytes().front(), static_cast<std::byte>(i)) << "buffers overlap";
  const std::size_t allocated = pool.counts().allocated;
  EXPECT_EQ(pool.counts().in_use, 5000U);
  taken.clear();
  for (int i = 0; i < 5000; ++i) taken.push_back(pool.take());
  EXPECT_EQ(pool.counts().allocated, allocated);
}

// Ten epochs want no more memory than the first batches did, and what a caller held at a time is not kept for ever.
TEST_F(LoaderTest, MemoryIsFlat) {
  LoaderOptions choice = options(10);
  choice.epochs = 10;
  choice.idle_batches = 3;
  choice.threads = 2;
  Loader loader(*dataset_, choice);
  const std::size_t most = choice.prefetch + 2;  // read ahead, the one that is used, and the one that comes next
  while (const auto batch = loader.next()) {
    for (const auto data : batch->data) EXPECT_EQ(reinterpret_cast<std::uintptr_t>(data.data()) % 64, 0U);
    const BufferPool::Counts counts = loader.buffers();
    EXPECT_LE(counts.in_use + counts.idle, most);
  }
  EXPECT_LE(loader.buffers().allocated, most);
  EXPECT_EQ(loader.buffers().in_use, 0U);

  choice.epochs = 1;
  std::vector<Batch> held;
  {
    Loader other(*dataset_, choice);
    while (auto batch = other.next()) held.push_back(std::move(*batch));
    EXPECT_EQ(other.buffers().in_use, held.size());
    held.erase(held.begin() + 2, held.end());
    EXPECT_EQ(other.buffers().idle, choice.prefetch + choice.idle_batches);
    EXPECT_EQ(other.buffers().in_use, 2U);
  }
  for (const Batch& batch : held) expect_content(batch);  // batches may outlive their loader
}

TEST_F(LoaderTest, RanksWithoutSamplesGetEmptyBatches) {
  LoaderOptions choice = options(2, 6, 7);
  for (const Batch& batch : read_all(choice)) {
    EXPECT_TRUE(batch.ids.empty());
    EXPECT_EQ(batch.data.size(), 2U);
    EXPECT_GT(batch.global_samples, 0U);
  }
}

TEST_F(LoaderTest, OptionsOutOfRange) {
  const auto refused = [&](const LoaderOptions& choice, const char* name) {
    expect_parts(message_of<InvalidArgument>([&] { Loader(*dataset_, choice); }), {temporary_.path().string(), name});
  };
  refused(options(0), "global_batch = 0");
  refused(options(1, 2, 2), "rank = 2");
  refused(options(1, -1, 2), "rank = -1");
  refused(options(1, 0, 0), "ranks = 0");
  LoaderOptions choice = options(10);
  choice.prefetch = 0;
  refused(choice, "prefetch = 0");
  choice = options(10);
  choice.threads = 0;
  refused(choice, "threads = 0");
  choice = options(10);
  choice.shards = 4;
  choice.partition = Partition::features;
  refused(choice, "shards = 4");
  choice = options(10);
  choice.first_batch = 12;
  refused(choice, "first_batch = 12");
  choice = options(10);
  choice.first_epoch = 2;
  refused(choice, "first_epoch = 2");
}

TEST_F(LoaderTest, EndsEarlyWithoutReadingOn) {
  LoaderOptions choice = options(1);
  choice.epochs = ~std::uint64_t{0};
  for (int i = 0; i < 20; ++i) {
    Loader loader(*dataset_, choice);
    for (int b = 0; b < i; ++b) ASSERT_TRUE(loader.next().has_value());
  }
}

// What comes before the damage is handed out; then every call gives the same error.
TEST_F(LoaderTest, DamageIsAnErrorOfNext) {
  damage_sample(dataset_->shards()[2].file, 60);
  damage_sample(dataset_->shards()[2].file, 62);  // of the next chunk and batch
  damage_sample(dataset_->shards()[3].file, 100);
  for (const int threads : {1, 2, 6})
    for (int round = 0; round < (threads == 1 ? 1 : 20); ++round) {
      LoaderOptions choice = options(15);
      choice.order = Order::contiguous;
      choice.prefetch = 100;
      choice.threads = threads;
      Loader loader(*dataset_, choice);
      for (int b = 0; b < 3; ++b) {
        const auto batch = loader.next();
        ASSERT_TRUE(batch.has_value());
        expect_content(*batch);
      }
      // Samples 57 to 61 make the second chunk of the third shard (52 .. 77): the batch of samples 45 to 59 is the
      // first to need it.
      const std::vector<std::string> parts{dataset_->shards()[2].file.string(), "'image'", "chunk 1",
                                           "samples 57 to 61"};
      expect_parts(message_of([&] { loader.next(); }), parts);
      expect_parts(message_of([&] { loader.next(); }), parts);
    }
}

// Of several chunks of one batch it is always the first that is told.
TEST_F(LoaderTest, TheFirstOfSeveralDamagesIsTold) {
  for (const std::uint64_t id : {20U, 40U, 99U}) damage_sample(dataset_->shards()[id / 26].file, id);
  LoaderOptions choice = options(kSamples);
  choice.threads = 4;
  for (int round = 0; round < 20; ++round) {
    Loader loader(*dataset_, choice);
    expect_parts(message_of([&] { loader.next(); }), {"samples 20 to 24"});
  }
}

TEST_F(LoaderTest, OnlyTheRankThatReadsDamageFails) {
  damage_sample(dataset_->shards()[0].file, 0);
  LoaderOptions choice = options(kSamples, 1, 2);
  choice.order = Order::contiguous;
  EXPECT_EQ(read_all(choice).front().ids.size(), 51U);
  choice.rank = 0;
  Loader loader(*dataset_, choice);
  expect_parts(message_of([&] { loader.next(); }), {"samples 0 to 4"});
}

// Of the same shape, and with right checksums of its own.
TEST_F(LoaderTest, AShardOfAnotherDataSetIsRefused) {
  DatasetPlan plan = small_plan(kSamples, 4, 5);
  plan.replace = true;
  DatasetWriter writer(temporary_.path(), plan);
  append(writer, 1000, kSamples);
  writer.finish();
  Loader loader(*dataset_, options(kSamples));
  expect_parts(message_of([&] { loader.next(); }), {"shard-0000", "has changed since"});
}

TEST_F(LoaderTest, ShardThatWentAway) {
  fs::remove(dataset_->shards()[3].file);
  Loader loader(*dataset_, options(kSamples));
  expect_parts(message_of([&] { loader.next(); }), {dataset_->shards()[3].file.string(), "No such file"});
}

TEST_F(LoaderTest, ShardThatChangedMeanwhile) {
  DatasetPlan plan = small_plan(kSamples, 4, 5);
  plan.fields[0].name = "picture";
  write_dataset(temporary_.path() / "other", plan);
  fs::copy_file(temporary_.path() / "other" / dataset_->shards()[1].file.filename(), dataset_->shards()[1].file,
                fs::copy_options::overwrite_existing);
  Loader loader(*dataset_, options(kSamples));
  expect_parts(message_of([&] { loader.next(); }), {dataset_->shards()[1].file.string(), "changed"});
}

// The loader gets along with fewer open files than there are shards.
TEST_F(LoaderTest, MoreShardsThanFilesMayBeOpen) {
  write_dataset(temporary_.path() / "many", small_plan(320, 160, 2));
  const Dataset many(temporary_.path() / "many");
  rlimit before = {};
  ::getrlimit(RLIMIT_NOFILE, &before);
  const rlimit limit{files_in("/proc/self/fd").size() + 25, before.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &limit);
  std::uint64_t samples = 0;
  for (const int threads : {1, 4}) {
    LoaderOptions choice = options(7);
    choice.cache_bytes = 0;
    choice.threads = threads;
    Loader loader(many, choice);
    EXPECT_NO_THROW({
      while (const auto batch = loader.next()) {
        expect_content(*batch);
        samples += batch->ids.size();
      }
    });
  }
  ::setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(samples, 2 * 320U);
}

// A chunk that was dropped is read again, and what happened to its file meanwhile shows; a chunk that was kept is not.
TEST_F(LoaderTest, TheCacheDropsUsedUpChunksFirstThenTheLeastRecentlyUsed) {
  const std::size_t chunk_bytes = 2 * 64;  // of two fields, each in whole lines of 64 bytes
  ChunkCache cache(*dataset_, 2 * chunk_bytes);
  const fs::path shard = dataset_->shards()[0].file;
  cache.chunk(0, 1);
  cache.chunk(1, 1);
  cache.chunk(0, 1);
  cache.chunk(2, 1);  // drops chunk 1
  for (const std::uint64_t id : {0U, 5U}) damage_sample(shard, id);
  EXPECT_NO_THROW(cache.chunk(0, 3));
  expect_parts(message_of([&] { cache.chunk(1, 1); }), {shard.string(), "chunk 1", "damaged"});
  EXPECT_NO_THROW(cache.chunk(2, 1));
  cache.chunk(3, 5);  // drops chunk 0, and is used up
  cache.chunk(4, 1);  // drops chunk 3
  for (const std::uint64_t id : {10U, 15U}) damage_sample(shard, id);
  EXPECT_NO_THROW(cache.chunk(2, 1));
  expect_parts(message_of([&] { cache.chunk(3, 1); }), {shard.string(), "chunk 3", "damaged"});
}

// Two loaders at once, as a trainer has for training and evaluation.
TEST_F(LoaderTest, LoadersDoNotDisturbEachOther) {
  LoaderOptions choice = options(3);
  choice.cache_bytes = 0;
  Loader a(*dataset_, choice);
  Loader b(*dataset_, choice);
  while (const auto batch = a.next()) {
    const auto other = b.next();
    ASSERT_TRUE(other.has_value());
    EXPECT_EQ(batch->ids, other->ids);
    expect_content(*batch);
    expect_content(*other);
  }
}

}  // namespace
}  // namespace tutti::io::test
