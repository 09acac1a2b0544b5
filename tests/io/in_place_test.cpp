// Shards that are linked to the samples in HDF5 files of other programs: the samples are those of a copy, and a file
// that is not what it was is an error.
#include <gtest/gtest.h>
#include <hdf5.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include <tutti/io/check.hpp>
#include <tutti/io/detail/codec.hpp>
#include <tutti/io/detail/hdf5.hpp>
#include <tutti/io/detail/shard.hpp>
#include <tutti/io/importers/hdf5.hpp>
#include <tutti/io/split.hpp>

#include "tests/io/foreign_hdf5.hpp"
#include "tests/io/importer_support.hpp"
#include "tests/io/samples.hpp"
#include "tests/io/thread_ranks.hpp"

namespace tutti::io::test {
namespace {

LayoutSetting compressed(std::vector<hsize_t> chunk, bool shuffle) {
  return [chunk, shuffle](hid_t properties) {
    H5Pset_chunk(properties, static_cast<int>(chunk.size()), chunk.data());
    if (shuffle) H5Pset_shuffle(properties);
    H5Pset_deflate(properties, 4);
  };
}

class InPlaceTest : public ForeignHdf5Test {
 protected:
  static constexpr std::uint64_t kSamples = 50;  // of file a.h5; b.h5 has 23

  InPlaceTest() { fs::create_directories(path("src")); }

  fs::path source(const char* name) const { return path("src") / name; }

  // Images u8 {3, 4} and numbers f32 {5} in every layout that is read in place, and labels of i16.
  void write_source(const char* name, std::uint64_t samples, unsigned seed) const {
    const fs::path file = source(name);
    std::vector<std::uint8_t> images(samples * 12);
    std::vector<float> numbers(samples * 5);
    std::vector<std::int16_t> classes(samples);
    for (std::size_t i = 0; i < images.size(); ++i) images[i] = static_cast<std::uint8_t>(i * i / 7 + seed);
    for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<float>(i * seed) / 8;
    for (std::size_t i = 0; i < classes.size(); ++i) classes[i] = static_cast<std::int16_t>((i + seed) % 4);
    const auto add = [&](const std::string& layout, const LayoutSetting& for_images, const LayoutSetting& for_numbers) {
      add_dataset(file, "images/" + layout, H5T_STD_U8LE, {samples, 3, 4}, images.data(), H5T_NATIVE_UINT8, for_images);
      add_dataset(file, "numbers/" + layout, H5T_IEEE_F32LE, {samples, 5}, numbers.data(), H5T_NATIVE_FLOAT,
                  for_numbers);
    };
    add("plain", {}, {});
    add("chunks", chunked({7, 3, 4}), chunked({4, 5}));
    add("deflate", compressed({7, 3, 4}, false), compressed({4, 5}, true));
    add("mixed", compressed({6, 3, 4}, true), {});
    add("single", compressed({1, 3, 4}, false), chunked({1, 5}));
    add("tiles", chunked({7, 2, 3}), compressed({4, 2}, true));
    add("elements", compressed({3, 1, 1}, false), chunked({20, 5}));
    add_dataset(file, "y", H5T_STD_I16BE, {samples}, classes.data(), H5T_NATIVE_INT16, chunked({10}, true));
  }

  void write_sources() const {
    write_source("a.h5", kSamples, 1);
    write_source("b.h5", 23, 2);
  }

  Make opener(const std::string& layout, bool in_place,
              const std::vector<const char*>& names = {"a.h5", "b.h5"}) const {
    Hdf5Files files{.files = {},
                    .arrays = {{"image", "/images/" + layout}, {"x", "numbers/" + layout}, {"label", "y"}},
                    .in_place = in_place};
    for (const char* name : names) files.files.push_back(source(name));
    return [files] { return open_hdf5(files); };
  }

  static Make opener_of(const fs::path& file, const std::string& dataset) {
    const Hdf5Files files{.files = {file}, .arrays = {{"x", dataset}}, .in_place = true};
    return [files] { return open_hdf5(files); };
  }

  // What check_shard() or the constructor of Dataset says of the first shard.
  static std::string check(const fs::path& folder) {
    return message_of([&] { check_shard(Dataset(folder), 0); });
  }

  std::string shard() const { return (options_.folder / "shard-00000-of-00001.h5").string(); }
};

TEST_F(InPlaceTest, SamplesAreThoseOfACopy) {
  write_sources();
  for (const char* layout : {"plain", "chunks", "deflate", "mixed", "single", "tiles", "elements"})
    for (const std::uint64_t chunk : {0U, 1U, 5U, 14U, 1000U}) {
      options_.chunk_samples = chunk;
      options_.folder = path("copy");
      const Dataset copy = import(opener(layout, false));
      options_.folder = path("set");
      const Dataset linked = import(opener(layout, true));
      EXPECT_EQ(linked.fields(), copy.fields());
      EXPECT_EQ(linked.classes(), 4U);
      EXPECT_EQ(linked.linked(), (std::vector<std::string>{"image", "x"}));
      EXPECT_TRUE(copy.linked().empty());
      ASSERT_EQ(linked.shards().size(), 2U);
      EXPECT_EQ(linked.shards()[0].samples, kSamples);
      EXPECT_EQ(read_fields(linked), read_fields(copy)) << layout << ", chunk " << chunk;
    }
}

// Chunks that lie in the file in another order than in the dataset, but for the first and the last.
TEST_F(InPlaceTest, ChunksOfAnotherOrderAreFound) {
  const fs::path file = source("a.h5");
  const std::vector<hsize_t> chunk{2, 3};
  std::vector<std::int8_t> values(60);
  std::iota(values.begin(), values.end(), std::int8_t{-9});
  for (const auto time : {H5D_ALLOC_TIME_EARLY, H5D_ALLOC_TIME_INCR}) {
    const std::string name = "d" + std::to_string(time);
    const h5::Session session;
    const h5::Id root(fs::exists(file) ? H5Fopen(file.c_str(), H5F_ACC_RDWR, H5P_DEFAULT)
                                       : H5Fcreate(file.c_str(), H5F_ACC_EXCL, H5P_DEFAULT, H5P_DEFAULT),
                      H5Fclose);
    std::vector<hsize_t> extent{2, 3};
    const std::vector<hsize_t> most{H5S_UNLIMITED, 3};
    const h5::Id space(H5Screate_simple(2, extent.data(), most.data()), H5Sclose);
    const h5::Id properties(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
    H5Pset_chunk(properties.get(), 2, chunk.data());
    H5Pset_alloc_time(properties.get(), time);
    const h5::Id dataset(
        H5Dcreate2(root.get(), name.c_str(), H5T_STD_I8BE, space.get(), H5P_DEFAULT, properties.get(), H5P_DEFAULT),
        H5Dclose);
    extent[0] = 20;
    ASSERT_GE(H5Dset_extent(dataset.get(), extent.data()), 0);
    for (const hsize_t c : {0, 5, 3, 1, 2, 8, 4, 6, 7, 9}) {
      const std::vector<hsize_t> offset{2 * c, 0};
      ASSERT_GE(H5Dwrite_chunk(dataset.get(), H5P_DEFAULT, 0, offset.data(), 6, values.data() + 6 * c), 0);
    }
  }
  for (const auto time : {H5D_ALLOC_TIME_EARLY, H5D_ALLOC_TIME_INCR})
    EXPECT_EQ(content(import(opener_of(file, "d" + std::to_string(time))), "x"), raw(values)) << time;
}

// The loader's epoch over several chunks and files, by all orders and with a cache that holds next to nothing.
TEST_F(InPlaceTest, EveryOrderReadsTheSameBatches) {
  write_sources();
  options_.chunk_samples = 6;
  const Dataset linked = import(opener("deflate", true));
  options_.folder = path("copy");
  const Dataset copy = import(opener("deflate", false));
  for (const Order order : {Order::contiguous, Order::shuffled, Order::bootstrap}) {
    const LoaderOptions settings{.order = order, .global_batch = 8, .epochs = 2, .cache_bytes = 500, .threads = 2};
    Loader one(linked, settings);
    Loader other(copy, settings);
    while (const auto batch = one.next()) {
      const auto expected = other.next();
      ASSERT_TRUE(expected);
      for (std::size_t f = 0; f < linked.fields().size(); ++f)
        ASSERT_TRUE(std::equal(batch->data[f].begin(), batch->data[f].end(), expected->data[f].begin(),
                               expected->data[f].end()));
    }
    EXPECT_FALSE(other.next());
  }
  Loader two_level(linked, {.order = Order::two_level, .window_bytes = 500});
  std::size_t samples = 0;
  while (two_level.next()) ++samples;
  EXPECT_EQ(samples, linked.size());
}

TEST_F(InPlaceTest, AnyNumberOfRanksMakesTheSameShards) {
  write_sources();
  options_.name = "one";
  std::vector<std::vector<char>> files;
  for (const int ranks : {1, 2, 3}) {
    ThreadRanks::run(ranks, [&](Ranks& rank) { import_samples(opener("deflate", true), options_, rank); });
    std::vector<std::vector<char>> found;
    for (const std::string& name : files_in(options_.folder)) found.push_back(read_bytes(options_.folder / name));
    if (files.empty()) files = found;
    EXPECT_EQ(found, files) << ranks;
  }
}

TEST_F(InPlaceTest, HasAVersionOfItsOwnAndIsReadByHdf5) {
  write_sources();
  import(opener("deflate", true));
  const std::vector<char> manifest = read_bytes(options_.folder / "manifest.json");
  expect_parts({manifest.begin(), manifest.end()}, {"\"schema_version\": 3", "\"linked\""});
  const fs::path file = options_.folder / "shard-00001-of-00002.h5";
  {
    const h5::Session session;
    const h5::Id root = h5::open_read_only(file);
    EXPECT_EQ(h5::read_number(root.get(), "schema_version", file), 3U);
    const h5::Id dataset(H5Dopen2(root.get(), "fields/x", H5P_DEFAULT), H5Dclose);
    ASSERT_TRUE(dataset.valid());
    std::vector<float> values(23 * 5);
    ASSERT_GE(H5Dread(dataset.get(), H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()), 0);
    EXPECT_EQ(values[9], 9.0F * 2 / 8);
  }
  {
    const h5::Session session;
    const h5::Id root(H5Fopen(file.c_str(), H5F_ACC_RDWR, H5P_DEFAULT), H5Fclose);
    const h5::Id attribute(H5Aopen(root.get(), "schema_version", H5P_DEFAULT), H5Aclose);
    const std::uint64_t version = 2;
    ASSERT_GE(H5Awrite(attribute.get(), H5T_NATIVE_UINT64, &version), 0);
  }
  expect_parts(message_of([&] { ShardReader reader(file); }), {file.string(), "its schema version does not know"});
}

// A chunk whose filters HDF5 itself need not have.
TEST_F(InPlaceTest, CodecsThatHdf5LacksAreRead) {
  std::vector<std::uint32_t> values(40 * 6);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<std::uint32_t>(i / 5);
  for (const char* text : {"lz4", "zstd-3", "shuffle+zstd-3", "shuffle+lz4"}) {
    const Compression compression = compression_from_name(text);
    const fs::path file = path(text);
    const std::vector<hsize_t> chunk{10, 6};
    add_dataset(file, "d", H5T_STD_U32LE, {40, 6}, nullptr, 0, [&](hid_t properties) {
      H5Pset_chunk(properties, 2, chunk.data());
      if (compression.shuffle) H5Pset_shuffle(properties);
      H5Pset_filter(properties, filter_of(compression.codec), H5Z_FLAG_OPTIONAL, 0, nullptr);
    });
    {
      const h5::Session session;
      const h5::Id root(H5Fopen(file.c_str(), H5F_ACC_RDWR, H5P_DEFAULT), H5Fclose);
      const h5::Id dataset(H5Dopen2(root.get(), "d", H5P_DEFAULT), H5Dclose);
      Encoder encoder(compression, 4);
      for (hsize_t c = 0; c < 4; ++c) {
        const auto encoded = encoder.encode(std::as_bytes(std::span(values)).subspan(c * 240, 240));
        const std::vector<hsize_t> offset{c * 10, 0};
        ASSERT_GE(H5Dwrite_chunk(dataset.get(), H5P_DEFAULT, encoded.mask, offset.data(), encoded.bytes.size(),
                                 encoded.bytes.data()),
                  0);
      }
    }
    EXPECT_EQ(content(import(opener_of(file, "d")), "x"), raw(values)) << text;
  }
}

TEST_F(InPlaceTest, BehindAUserBlockAndBySoftLinks) {
  const fs::path file = source("a.h5");
  {
    const h5::Session session;
    const h5::Id creation(H5Pcreate(H5P_FILE_CREATE), H5Pclose);
    H5Pset_userblock(creation.get(), 1024);
    const h5::Id root(H5Fcreate(file.c_str(), H5F_ACC_EXCL, creation.get(), H5P_DEFAULT), H5Fclose);
    H5Lcreate_soft("/images/chunks", root.get(), "soft", H5P_DEFAULT, H5P_DEFAULT);
  }
  write_source("a.h5", kSamples, 3);
  for (const char* dataset : {"images/plain", "soft", "images/deflate"}) {
    const std::string linked = content(import(opener_of(file, dataset)), "x");
    EXPECT_EQ(linked, content(import([&] { return open_hdf5({.files = {file}, .arrays = {{"x", dataset}}}); }), "x"));
  }
}

TEST_F(InPlaceTest, FoldersMayMove) {
  write_source("a.h5", kSamples, 1);
  const std::string images = content(import(opener("deflate", true, {"a.h5"})), "image");
  const std::string absolute = fs::canonical(source("a.h5")).string();
  fs::create_directories(path("deep/er"));
  fs::rename(options_.folder, path("deep/er/set"));  // alone: the path that it was made with
  EXPECT_EQ(content(Dataset(path("deep/er/set")), "image"), images);
  fs::rename(path("deep/er/set"), options_.folder);
  fs::create_directories(path("other"));
  fs::rename(options_.folder, path("other/set"));  // both: the path between them
  fs::rename(path("src"), path("other/src"));
  EXPECT_EQ(content(Dataset(path("other/set")), "image"), images);
  fs::rename(path("other/set"), options_.folder);  // neither
  expect_parts(check(options_.folder),
               {shard(), "'/images/deflate'", (path("set") / "../src/a.h5").string(), "which is missing", absolute});
}

TEST_F(InPlaceTest, AFileThatIsNotWhatItWasIsAnError) {
  write_source("a.h5", kSamples, 1);
  const fs::path file = source("a.h5");
  const std::vector<char> bytes = read_bytes(file);
  import(opener("plain", true, {"a.h5"}));
  const auto restore = [&] { write_bytes(file, bytes); };
  const std::vector<std::string> names{shard(), "src/a.h5", "'/images/plain'"};
  const auto refused = [&](std::vector<std::string> words) {
    words.insert(words.end(), names.begin(), names.end());
    expect_parts(check(options_.folder), words);
    restore();
    EXPECT_EQ(check_shard(Dataset(options_.folder), 0).samples, kSamples);
  };
  fs::resize_file(file, bytes.size() - 1);
  refused({"has changed", std::to_string(bytes.size())});
  write_bytes(file, bytes);
  std::ofstream(file, std::ios::app) << "x";
  refused({"has changed"});

  std::vector<std::uint8_t> image(12);
  for (std::size_t i = 0; i < 12; ++i) image[i] = static_cast<std::uint8_t>((i + 240) * (i + 240) / 7 + 1);
  const std::ptrdiff_t place = find_bytes(file, std::as_bytes(std::span(image)));  // of sample 20
  ASSERT_GT(place, 0);
  flip_bit(file, place);
  refused({"field 'image', chunk 0 (samples 0 to 49)", "the data has changed since it was imported"});

  write_bytes(file, std::string(bytes.size(), 'x'));
  expect_parts(check(options_.folder), {shard(), "src/a.h5", "is not an HDF5 file"});
  restore();
  fs::remove(file);
  fs::create_directory(file);
  expect_parts(check(options_.folder), {shard(), "src/a.h5", "is not a file"});
  fs::remove(file);
  restore();
  if (::geteuid() == 0) return;  // who may read everything
  fs::permissions(file, fs::perms::none);
  const std::string message = check(options_.folder);
  fs::permissions(file, fs::perms::owner_all);
  expect_parts(message, {shard(), "src/a.h5", "Permission denied"});
}

// Of the shard and of the file that it is linked to: an error that names the shard, or (in bytes that nobody reads) the
// same samples.
TEST_F(InPlaceTest, AnyByteThatIsDamaged) {
  write_source("a.h5", kSamples, 1);
  import(opener("elements", true, {"a.h5"}));
  const auto content = read_fields(Dataset(options_.folder));
  int errors = 0;
  for (const fs::path& file : {fs::path(shard()), source("a.h5")}) {
    const auto size = static_cast<std::ptrdiff_t>(fs::file_size(file));
    for (std::ptrdiff_t offset = 0; offset < size; offset += size / 300) {
      const int bit = static_cast<int>(offset % 8);
      flip_bit(file, offset, bit);
      try {
        ASSERT_EQ(read_fields(Dataset(options_.folder)), content) << file << ", byte " << offset;
      } catch (const DataError& error) {
        ++errors;
        ASSERT_NE(std::string(error.what()).find(shard()), std::string::npos) << error.what();
      }
      flip_bit(file, offset, bit);
    }
  }
  EXPECT_GT(errors, 200);
}

// The same file, of the same size, in which a dataset has been replaced by another.
TEST_F(InPlaceTest, ADatasetOfAnotherShapeIsAnError) {
  const fs::path file = source("a.h5");
  const std::vector<int> values(24, 7);
  add_dataset(file, "one", H5T_STD_I32LE, {6, 4}, values.data(), H5T_NATIVE_INT);
  add_dataset(file, "two", H5T_STD_I32LE, {6, 2, 2}, values.data(), H5T_NATIVE_INT);
  import(opener_of(file, "one"));
  const auto size = fs::file_size(file);
  const auto rename = [&](const char* from, const char* to) {
    const h5::Session session;
    const h5::Id root(H5Fopen(file.c_str(), H5F_ACC_RDWR, H5P_DEFAULT), H5Fclose);
    ASSERT_GE(H5Lmove(root.get(), from, root.get(), to, H5P_DEFAULT, H5P_DEFAULT), 0);
  };
  rename("one", "ten");
  ASSERT_EQ(fs::file_size(file), size);
  options_.shards = 1;
  expect_parts(check(options_.folder), {"00001.h5: field 'x' is linked", "src/a.h5: there is no dataset 'one'"});
  rename("two", "one");
  ASSERT_EQ(fs::file_size(file), size);
  expect_parts(check(options_.folder), {"00001.h5: field 'x' is linked", "src/a.h5, dataset 'one': has changed",
                                        "6 samples of i32 {2, 2}", "i32 {4}"});
}

TEST_F(InPlaceTest, WhatIsNotReadInPlaceIsRefused) {
  const fs::path file = source("a.h5");
  const std::vector<int> values(60, 1);
  const std::vector<hsize_t> extents{10, 2, 3};
  const auto refused = [&](const char* name, hid_t type, const LayoutSetting& setting, const std::string& words) {
    add_dataset(file, name, type, extents, values.data(), H5T_NATIVE_INT, setting);
    expect_parts(error(opener_of(file, name)), {file.string(), "'" + std::string(name) + "'", words,
                                                "not read in place: import it without --in-place"});
  };
  refused("big", H5T_STD_I32BE, {}, "not stored as little-endian i32");
  refused("fletcher", H5T_STD_I32LE, chunked({5, 2, 3}, true), "3 (fletcher32)");
  refused(
      "compact", H5T_STD_I32LE, [](hid_t p) { H5Pset_layout(p, H5D_COMPACT); }, "(compact)");
  refused(
      "outside", H5T_STD_I32LE, [&](hid_t p) { H5Pset_external(p, path("raw").c_str(), 0, 240); }, "other files");
  refused(
      "unfiltered", H5T_STD_I32LE,
      [](hid_t p) {
        compressed({4, 2, 3}, false)(p);
        H5Pset_chunk_opts(p, H5D_CHUNK_DONT_FILTER_PARTIAL_CHUNKS);
      },
      "without the filters");
  refused(
      "turned", H5T_STD_I32LE,
      [](hid_t p) {
        chunked({5, 2, 3})(p);
        H5Pset_deflate(p, 1);
        H5Pset_shuffle(p);
      },
      "filters 1 (deflate), 2 (shuffle)");
  {
    const h5::Session session;
    const h5::Id root(H5Fopen(file.c_str(), H5F_ACC_RDWR, H5P_DEFAULT), H5Fclose);
    H5Lcreate_external("b.h5", "/big", root.get(), "away", H5P_DEFAULT, H5P_DEFAULT);
  }
  expect_parts(error(opener_of(file, "away")), {file.string(), "'away' is in another file, b.h5", "--in-place"});
  add_dataset(file, "plain", H5T_STD_I32LE, extents, nullptr, 0);
  expect_parts(error(opener_of(file, "plain")), {file.string(), "'plain'", "never written"});
  add_dataset(file, "chunks", H5T_STD_I32LE, extents, nullptr, 0, chunked({5, 2, 3}));
  expect_parts(error(opener_of(file, "chunks")), {file.string(), "'chunks'", "chunk 0", "never written"});
  expect_parts(error(opener_of(file, "none")), {file.string(), "no dataset 'none'"});
  expect_parts(error<InvalidArgument>([&] {
                 return open_hdf5({.files = {file}, .arrays = {{"label", "big"}}, .in_place = true});
               }),
               {"no field but the labels"});
}

TEST_F(InPlaceTest, AShardIsNotLinkedToWhatTakesItsPlace) {
  write_source("a.h5", kSamples, 1);
  fs::create_directories(options_.folder);
  const fs::path file = options_.folder / "shard-00000-of-00001.h5";
  fs::copy(source("a.h5"), file);
  expect_parts(message_of<InvalidArgument>([&] { import_samples(opener_of(file, "images/plain"), options_); }),
               {file.string(), "has the name of a shard"});
  EXPECT_EQ(read_bytes(file), read_bytes(source("a.h5")));
}

TEST_F(InPlaceTest, SplitCopies) {
  write_sources();
  const auto linked = std::make_shared<const Dataset>(import(opener("deflate", true)));
  const auto split = std::make_shared<const Split>(linked, SplitOptions{.parts = {{"all", 1.0}}});
  options_.folder = path("all");
  options_.shards = 3;
  const Dataset all = import([&] { return Split::source(split, 0); });
  EXPECT_TRUE(all.linked().empty());
  EXPECT_EQ(read_fields(all), read_fields(*linked));
  fs::remove_all(path("src"));
  EXPECT_EQ(check_shard(Dataset(path("all")), 0).samples, 25U);
}

}  // namespace
}  // namespace tutti::io::test
