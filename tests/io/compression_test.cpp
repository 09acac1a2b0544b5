// Compressed data sets: what is written is read, by tutti and by HDF5; what is damaged or does not fit is an error.
#include <tutti/io/compression.hpp>

#include <gtest/gtest.h>
#include <hdf5.h>

#include <random>
#include <thread>

#include <tutti/io/check.hpp>
#include <tutti/io/detail/codec.hpp>
#include <tutti/io/detail/hdf5.hpp>
#include <tutti/io/detail/shard.hpp>

#include "tests/io/samples.hpp"
#include "tests/io/support.hpp"

namespace tutti::io::test {
namespace {

constexpr const char* kNames[] = {"none", "deflate-1",   "deflate-9",      "shuffle+deflate-6",
                                  "lz4",  "shuffle+lz4", "shuffle+zstd-3", "zstd-19"};

TEST(Compression, HasNames) {
  for (const char* text : kNames) EXPECT_EQ(name(compression_from_name(text)), text);
  EXPECT_EQ(name(compression_from_name("deflate")), "deflate-6");
  EXPECT_EQ(name(compression_from_name("shuffle+zstd")), "shuffle+zstd-3");
  const auto refused = [](const char* text, const std::vector<std::string>& parts) {
    expect_parts(message_of<InvalidArgument>([&] { compression_from_name(text); }), parts);
  };
  refused("gzip", {"unknown compression 'gzip'", "none, deflate, lz4, zstd"});
  refused("deflate1", {"did you mean 'deflate'"});
  refused("deflate-0", {"'deflate-0'", "level 0", "1 to 9"});
  refused("zstd-20", {"level 20", "1 to 19"});
  refused("deflate-x", {"'x' is not a level"});
  refused("deflate-", {"'' is not a level"});
  refused("lz4-1", {"'lz4' has no levels"});
  refused("shuffle+none", {"without a codec"});
  refused("", {"unknown compression ''"});
}

std::vector<std::byte> bytes_of_size(std::size_t size, unsigned seed, bool random) {
  std::mt19937 generator(seed);
  std::vector<std::byte> bytes(size);
  for (std::size_t i = 0; i < size; ++i)
    bytes[i] = static_cast<std::byte>(random ? generator() : i % 8 == 0 ? i / 64 : 0);
  return bytes;
}

TEST(Codec, ShufflesAsTheDefinitionSays) {
  for (const std::size_t element : {1U, 2U, 4U, 8U})
    for (const std::size_t size : {0U, 1U, 7U, 8U, 64U, 1000U, 4099U}) {
      const std::vector<std::byte> bytes = bytes_of_size(size, 1, true);
      std::vector<std::byte> expected(bytes);  // bytes behind the last whole element stay
      const std::size_t count = size / element;
      for (std::size_t i = 0; i < count; ++i)
        for (std::size_t b = 0; b < element; ++b) expected[b * count + i] = bytes[i * element + b];
      std::vector<std::byte> shuffled(size);
      shuffle_bytes(element, bytes, shuffled);
      EXPECT_EQ(shuffled, expected);
      std::vector<std::byte> back(size);
      unshuffle_bytes(element, shuffled, back);
      EXPECT_EQ(back, bytes);
    }
}

TEST(Codec, DecodesWhatItEncoded) {
  for (const char* text : kNames)
    for (const std::size_t element : {1U, 4U, 8U})
      for (const std::size_t size : {1U, 2U, 31U, 4096U, 100000U})
        for (const bool random : {false, true}) {
          const Compression compression = compression_from_name(text);
          const std::vector<std::byte> chunk = bytes_of_size(size, 7, random);
          Encoder encoder(compression, element);
          const auto [stored, mask] = encoder.encode(chunk);
          const bool shrinks = compression.codec != Codec::none && !random && size > 4000;
          EXPECT_LE(stored.size(), shrinks ? size / 4 : size) << text;
          if (is_plain(compression, element, mask)) {
            EXPECT_TRUE(std::equal(stored.begin(), stored.end(), chunk.begin(), chunk.end())) << text;
            continue;
          }
          EXPECT_LE(size, most_decoded(compression, stored.size())) << text;
          std::vector<std::byte> buffer;
          std::vector<std::byte> out(size);
          decode(compression, element, mask, stored, buffer, out);
          EXPECT_EQ(out, chunk) << text;
        }
}

// A megabyte of zeros is what compresses best.
TEST(Codec, NothingBecomesMoreThanItIsTrustedTo) {
  for (const char* text : {"deflate-9", "lz4", "zstd-19"}) {
    const Compression compression = compression_from_name(text);
    const std::vector<std::byte> chunk(std::size_t{8} << 20);
    Encoder encoder(compression, 1);
    const std::size_t stored = encoder.encode(chunk).bytes.size();
    EXPECT_LE(chunk.size(), most_decoded(compression, stored)) << text << ": " << stored;
  }
}

// HDF5 applies shuffle, then the codec; a chunk may have had only the one.
TEST(Codec, DecodesChunksThatSkippedAFilter) {
  const std::vector<std::byte> chunk = bytes_of_size(4096, 3, false);
  std::vector<std::byte> shuffled(chunk.size());
  shuffle_bytes(4, chunk, shuffled);
  const Compression both = compression_from_name("shuffle+deflate-1");
  std::vector<std::byte> buffer;
  std::vector<std::byte> out(chunk.size());
  decode(both, 4, 2, shuffled, buffer, out);  // only shuffled
  EXPECT_EQ(out, chunk);
  std::fill(out.begin(), out.end(), std::byte{0});
  Encoder deflate(compression_from_name("deflate-1"), 4);
  decode(both, 4, 1, deflate.encode(chunk).bytes, buffer, out);  // only deflated
  EXPECT_EQ(out, chunk);
}

TEST(Codec, BytesThatAreNoEncodingAreRefused) {
  const std::vector<std::byte> chunk = bytes_of_size(4096, 3, false);
  for (const char* text : {"deflate-1", "lz4", "zstd-3", "shuffle+lz4"}) {
    const Compression compression = compression_from_name(text);
    Encoder encoder(compression, 4);
    const auto whole = encoder.encode(chunk).bytes;
    const std::vector<std::byte> stored(whole.begin(), whole.end());
    std::vector<std::byte> buffer;
    std::vector<std::byte> out(chunk.size());
    const auto refused = [&](std::span<const std::byte> bytes, std::span<std::byte> into) {
      expect_parts(message_of([&] { decode(compression, 4, 0, bytes, buffer, into); }),
                   {"cannot be decompressed", text, std::to_string(into.size())});
    };
    for (std::size_t size = 0; size < stored.size(); ++size) refused(std::span(stored).first(size), out);
    std::vector<std::byte> longer(stored);
    longer.push_back(std::byte{0});
    refused(longer, out);
    refused(stored, std::span(out).first(4092));
    out.resize(4100);
    refused(stored, out);
  }
}

TEST(CompressedDataset, OfEveryTypeAndChunkIsReadAsItWasWritten) {
  for (const char* text : kNames)
    for (const std::uint64_t chunk : {1U, 4U, 100U}) {
      const TemporaryFolder temporary;
      DatasetPlan plan = plan_of_all_types(37, 2, chunk);
      plan.compression = compression_from_name(text);
      const std::vector<std::vector<std::byte>> content = write_samples(temporary.path(), plan);
      const Dataset dataset(temporary.path());
      EXPECT_EQ(dataset.compression(), plan.compression);
      EXPECT_EQ(read_fields(dataset), content) << text << ", chunk " << chunk;
    }
}

TEST(CompressedDataset, HasTheVersionThatItNeeds) {
  const TemporaryFolder temporary;
  for (const char* text : {"none", "lz4"}) {
    const fs::path folder = temporary.path() / text;
    DatasetPlan plan = small_plan(10, 1, 4);
    plan.compression = compression_from_name(text);
    write_dataset(folder, plan);
    const std::vector<char> manifest = read_bytes(folder / "manifest.json");
    const std::string version = plan.compression == Compression{} ? "1" : "2";
    expect_parts({manifest.begin(), manifest.end()}, {"\"schema_version\": " + version});
    const h5::Session session;
    const fs::path file = folder / shard_file_name(0, 1);
    const h5::Id root = h5::open_read_only(file);
    EXPECT_EQ(std::to_string(h5::read_number(root.get(), "schema_version", file)), version);
  }
}

TEST(CompressedDataset, EqualSamplesMakeEqualBytes) {
  const TemporaryFolder temporary;
  DatasetPlan plan = plan_of_all_types(1000, 1, 3);  // chunks enough for an index of several pages
  plan.compression = compression_from_name("shuffle+deflate-1");
  write_samples(temporary.path() / "a", plan);
  write_samples(temporary.path() / "b", plan);
  for (const std::string& file : files_in(temporary.path() / "a"))
    EXPECT_EQ(read_bytes(temporary.path() / "a" / file), read_bytes(temporary.path() / "b" / file)) << file;
}

// The filters that HDF5 has are as HDF5 understands them.
TEST(CompressedDataset, IsReadByHdf5) {
  for (const char* text : {"none", "deflate-1", "shuffle+deflate-6"}) {
    const TemporaryFolder temporary;
    DatasetPlan plan = plan_of_all_types(37, 1, 4);
    plan.compression = compression_from_name(text);
    const std::vector<std::vector<std::byte>> content = write_samples(temporary.path(), plan);
    const h5::Session session;
    const fs::path file = temporary.path() / shard_file_name(0, 1);
    const h5::Id root = h5::open_read_only(file);
    for (std::size_t f = 0; f < plan.fields.size(); ++f) {
      const std::string path = "fields/" + plan.fields[f].name;
      const h5::Id field = h5::own(H5Dopen2(root.get(), path.c_str(), H5P_DEFAULT), H5Dclose, file, path);
      std::vector<std::byte> all(content[f].size());
      ASSERT_GE(H5Dread(field.get(), h5::file_type(plan.fields[f].dtype), H5S_ALL, H5S_ALL, H5P_DEFAULT, all.data()),
                0);
      EXPECT_EQ(all, content[f]) << text << ", " << path;
    }
  }
}

// A file with something in front of it, as HDF5 allows, and one that HDF5 laid out as it likes.
TEST(CompressedDataset, OfOtherAddressesIsReadTheSame) {
  for (const char* text : {"none", "shuffle+deflate-6"}) {
    const TemporaryFolder temporary;
    DatasetPlan plan = plan_of_all_types(37, 1, 4);
    plan.compression = compression_from_name(text);
    const std::vector<std::vector<std::byte>> content = write_samples(temporary.path(), plan);
    const fs::path file = temporary.path() / shard_file_name(0, 1);
    std::vector<char> bytes = read_bytes(file);
    bytes.insert(bytes.begin(), 512, 'x');
    write_bytes(file, bytes);
    EXPECT_EQ(read_fields(Dataset(temporary.path())), content) << text;
  }
}

TEST(CompressedDataset, IsReadBySeveralThreadsAtOnce) {
  const TemporaryFolder temporary;
  DatasetPlan plan = plan_of_all_types(500, 1, 7);
  plan.compression = compression_from_name("shuffle+zstd-1");
  write_samples(temporary.path(), plan);
  const Dataset dataset(temporary.path());
  const auto expected = read_fields(dataset);
  const ShardReader reader(dataset.shards()[0].file);
  std::vector<int> wrong(4, 0);
  {
    std::vector<std::thread> threads;
    threads.reserve(wrong.size());
    for (std::size_t t = 0; t < wrong.size(); ++t)
      threads.emplace_back([&, t] {
        for (int round = 0; round < 5; ++round) wrong[t] += read_shard_fields(reader) == expected ? 0 : 1;
      });
    for (std::thread& thread : threads) thread.join();
  }
  EXPECT_EQ(wrong, std::vector<int>(4, 0));
}

TEST(CompressedDataset, WithOtherFiltersThanItSaysIsRefused) {
  const TemporaryFolder temporary;
  DatasetPlan plan = small_plan(10, 1, 4);
  plan.compression = compression_from_name("deflate-1");
  write_dataset(temporary.path(), plan);
  const fs::path file = temporary.path() / shard_file_name(0, 1);
  {
    const h5::Session session;
    const h5::Id root(H5Fopen(file.c_str(), H5F_ACC_RDWR, H5P_DEFAULT), H5Fclose);
    ASSERT_GE(H5Adelete(root.get(), "compression"), 0);
    h5::write_attribute(root.get(), "compression", std::string("lz4"), file);
  }
  expect_parts(message_of([&] { ShardReader reader(file); }),
               {file.string(), "field 'image'", "is not stored in chunks", "compression lz4"});
  expect_parts(message_of([&] { Dataset dataset(temporary.path()); }),
               {file.string(), "compression is lz4, the manifest says deflate-1"});
  {
    const h5::Session session;
    const h5::Id root(H5Fopen(file.c_str(), H5F_ACC_RDWR, H5P_DEFAULT), H5Fclose);
    ASSERT_GE(H5Adelete(root.get(), "compression"), 0);
    h5::write_attribute(root.get(), "compression", std::string("lz5"), file);
  }
  expect_parts(message_of([&] { read_shard_header(file); }), {file.string(), "unknown compression 'lz5'"});
}

// Whatever is full and when: an error, nothing left behind, and HDF5 has nothing open.
TEST(CompressedDataset, ThatDoesNotFitLeavesNothingBehind) {
  DatasetPlan plan = plan_of_all_types(400, 1, 3);
  for (const char* text : {"none", "shuffle+deflate-1"}) {
    plan.compression = compression_from_name(text);
    std::size_t whole = 0;
    {
      const TemporaryFolder temporary;
      write_samples(temporary.path(), plan);
      whole = fs::file_size(temporary.path() / shard_file_name(0, 1));
    }
    for (std::size_t part = 0; part < 16; ++part) {
      const TemporaryFolder temporary;
      const std::string message = message_of([&] {
        const FileSizeLimit limit(whole * part / 16 + (part == 0 ? 100 : 0));  // the lock file has to fit
        write_samples(temporary.path(), plan);
      });
      expect_parts(message, {shard_file_name(0, 1), "cannot be written"});
      EXPECT_TRUE(files_in(temporary.path()).empty());
    }
    EXPECT_EQ(H5Fget_obj_count(H5F_OBJ_ALL, H5F_OBJ_ALL), 0);
  }
}

TEST(CompressedDataset, AWriteThatFailsIsToldAtOnce) {
  for (const char* text : {"none", "deflate-1"}) {
    const TemporaryFolder temporary;
    const ShardHeader header{.dataset = "large",
                             .samples = 4,
                             .dataset_samples = 4,
                             .chunk_samples = 1,
                             .fields = {{"x", DType::u8, {100000}}},
                             .compression = compression_from_name(text)};
    const std::vector<std::byte> sample = bytes_of_size(100000, 5, true);
    const FileSizeLimit limit(150000);
    ShardWriter writer(temporary.path() / "shard.h5", header);
    writer.write_chunk(0, 0, sample);
    expect_parts(message_of([&] { writer.write_chunk(1, 0, sample); }),
                 {(temporary.path() / "shard.h5").string() + ": cannot be written"});
  }
}

// Every seventh byte of a shard, others for each codec: an error that names the file, or the right samples.
TEST(CompressedDataset, WithDamageIsNeverReadWrong) {
  std::ptrdiff_t first = 0;
  for (const char* text : {"deflate-1", "shuffle+lz4", "zstd-1"}) {
    const TemporaryFolder temporary;
    DatasetPlan plan = small_plan(20, 1, 8);
    plan.compression = compression_from_name(text);
    write_dataset(temporary.path(), plan);
    const Dataset dataset(temporary.path());
    const auto expected = read_fields(dataset);
    const fs::path file = dataset.shards()[0].file;
    const auto size = static_cast<std::ptrdiff_t>(fs::file_size(file));
    int unnoticed = 0;
    for (std::ptrdiff_t offset = first++; offset < size; offset += 7) {
      const int bit = static_cast<int>(offset * 5 % 8);
      flip_bit(file, offset, bit);
      try {
        ASSERT_EQ(read_fields(dataset), expected) << text << ", byte " << offset;
        ++unnoticed;
      } catch (const DataError& error) {
        ASSERT_NE(std::string(error.what()).find(file.string()), std::string::npos) << error.what();
      }
      flip_bit(file, offset, bit);
    }
    EXPECT_LT(unnoticed, size / 7 * 2 / 3) << text << " of " << size;
    EXPECT_EQ(H5Fget_obj_count(H5F_OBJ_ALL, H5F_OBJ_ALL), 0);
  }
}

}  // namespace
}  // namespace tutti::io::test
