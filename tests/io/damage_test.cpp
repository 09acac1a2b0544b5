// Data sets as they should not be: whatever is wrong is one DataError that names the file.
#include <gtest/gtest.h>
#include <hdf5.h>

#include <tutti/io/check.hpp>
#include <tutti/io/dataset.hpp>
#include <tutti/io/detail/hdf5.hpp>
#include <tutti/io/detail/manifest.hpp>
#include <tutti/io/detail/shard.hpp>
#include <tutti/io/files.hpp>
#include <tutti/kernels/crc32c.hpp>
#include <tutti/kernels/whole_file.hpp>

#include "tests/io/support.hpp"

namespace tutti::io::test {
namespace {

constexpr const char* kFirst = "shard-00000-of-00002.h5";
constexpr const char* kSecond = "shard-00001-of-00002.h5";

// A data set of 20 samples in two shards of three chunks: 4, 4 and 2 samples.
class Damage : public testing::Test {
 protected:
  Damage() { write_dataset(folder(), small_plan(20, 2, 4)); }

  // Nothing of a file may stay open, whatever was wrong with it.
  void TearDown() override { EXPECT_EQ(H5Fget_obj_count(H5F_OBJ_ALL, H5F_OBJ_ALL), 0); }

  fs::path folder() const { return temporary_.path() / "data"; }
  fs::path file(const char* name) const { return folder() / name; }

  // The error of opening the data set and reading all of it; expects the file's name in it.
  std::string error_in(const char* name) const {
    std::string message = message_of([this] { read_all(folder()); });
    expect_parts(message, {file(name).string()});
    return message;
  }

  static void read_all(const fs::path& folder) {
    const Dataset dataset(folder);
    for (std::size_t s = 0; s < dataset.shards().size(); ++s) check_shard(dataset, s);
  }

  // Another data set beside it.
  fs::path other(const DatasetPlan& plan) const {
    fs::path path = temporary_.path() / "other";
    DatasetWriter writer(path, plan);
    std::vector<std::vector<std::byte>> content;
    for (const Field& field : plan.fields) content.emplace_back(plan.samples * field.sample_bytes());
    writer.append(plan.samples, std::vector<std::span<const std::byte>>(content.begin(), content.end()));
    writer.finish();
    return path;
  }

  void replace_in_manifest(const std::string& from, const std::string& to) const {
    std::string content = read_whole_file(file(kManifestName));
    const std::size_t at = content.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    content.replace(at, from.size(), to);
    write_bytes(file(kManifestName), content);
  }

  TemporaryFolder temporary_;
};

TEST_F(Damage, MissingFolder) {
  expect_parts(message_of([] { Dataset("/nonexistent/data"); }), {"/nonexistent/data", "no such folder"});
}

TEST_F(Damage, MissingManifest) {
  fs::remove(file(kManifestName));
  expect_parts(error_in(kManifestName), {"is missing"});
}

TEST_F(Damage, MissingShard) {
  fs::remove(file(kSecond));
  expect_parts(error_in(kSecond), {"No such file"});
}

TEST_F(Damage, TruncatedShard) {
  fs::resize_file(file(kSecond), fs::file_size(file(kSecond)) - 1);
  expect_parts(error_in(kSecond), {"is truncated"});
}

TEST_F(Damage, EmptyShard) {
  fs::resize_file(file(kSecond), 0);
  expect_parts(error_in(kSecond), {"is empty"});
}

TEST_F(Damage, ShardThatIsAFolder) {
  fs::remove(file(kSecond));
  fs::create_directory(file(kSecond));
  expect_parts(error_in(kSecond), {"is not a file"});
}

TEST_F(Damage, NotAnHdf5File) {
  write_bytes(file(kFirst), std::string(5000, 'x'));
  expect_parts(error_in(kFirst), {"not an HDF5 file"});
}

TEST_F(Damage, AnHdf5FileOfAnotherKind) {
  const hid_t id = H5Fcreate(file(kFirst).c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  H5Fclose(id);
  expect_parts(error_in(kFirst), {"not a tutti-shard"});
}

// Extents are words: a file of a few kilobytes that speaks of exabytes is refused before memory is claimed for them.
TEST_F(Damage, AShardThatClaimsMoreThanItHas) {
  const std::uint64_t samples = std::uint64_t{1} << 40;
  {
    const h5::Session session;
    const fs::path path = file(kFirst);
    const h5::Id root(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), H5Fclose);
    h5::write_attribute(root.get(), "tutti_format", std::string("tutti-shard"), path);
    for (const char* name : {"dataset", "fields"}) h5::write_attribute(root.get(), name, std::string("label"), path);
    for (const char* name : {"schema_version", "shards"}) h5::write_attribute(root.get(), name, std::uint64_t{1}, path);
    for (const char* name : {"shard", "first_sample", "checksum"})
      h5::write_attribute(root.get(), name, std::uint64_t{0}, path);
    for (const char* name : {"dataset_samples", "samples"}) h5::write_attribute(root.get(), name, samples, path);
    h5::write_attribute(root.get(), "chunk_samples", std::uint64_t{1} << 31, path);
    h5::write_attribute(root.get(), "classes", samples, path);
    const h5::Id group(H5Gcreate2(root.get(), "fields", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), H5Gclose);
    const hsize_t extent = samples;
    const hsize_t chunk = hsize_t{1} << 31;
    const h5::Id space(H5Screate_simple(1, &extent, nullptr), H5Sclose);
    const h5::Id properties(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
    ASSERT_GE(H5Pset_chunk(properties.get(), 1, &chunk), 0);
    const h5::Id dataset(
        H5Dcreate2(group.get(), "label", H5T_STD_U8LE, space.get(), H5P_DEFAULT, properties.get(), H5P_DEFAULT),
        H5Dclose);
    ASSERT_TRUE(dataset.valid());
    h5::write_attribute(dataset.get(), "dtype", std::string("u8"), path);
  }
  EXPECT_LT(fs::file_size(file(kFirst)), 100000U);
  expect_parts(message_of([&] { ShardReader reader(file(kFirst)); }),
               {file(kFirst).string(), "'label' claims 512 chunks of 2147483648 bytes", "more than the"});
}

TEST_F(Damage, NewerSchemaVersion) {
  const hid_t id = H5Fopen(file(kFirst).c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  const hid_t attribute = H5Aopen(id, "schema_version", H5P_DEFAULT);
  const std::uint64_t version = kSchemaVersion + 1;
  ASSERT_GE(H5Awrite(attribute, H5T_NATIVE_UINT64, &version), 0);
  H5Aclose(attribute);
  H5Fclose(id);
  expect_parts(error_in(kFirst), {"schema version 4", "versions 1 to 3"});
}

TEST_F(Damage, NewerManifest) {
  replace_in_manifest("\"schema_version\": 1", "\"schema_version\": 7");
  expect_parts(error_in(kManifestName), {"schema version 7"});
}

TEST_F(Damage, OneBitOfASample) {
  damage_sample(file(kSecond), 15);  // sample 5 of the second shard: in its second chunk
  expect_parts(error_in(kSecond), {"field 'image'", "chunk 1", "samples 14 to 17", "damaged"});
}

TEST_F(Damage, OneBitOfALabel) {
  const std::array<std::int64_t, 4> labels{label_of(0), label_of(1), label_of(2), label_of(3)};
  flip_bit(file(kFirst), find_bytes(file(kFirst), std::as_bytes(std::span(labels))));
  expect_parts(error_in(kFirst), {"field 'label'", "chunk 0", "samples 0 to 3", "damaged"});
}

TEST_F(Damage, OneBitOfAChecksum) {
  std::uint32_t checksum = 0;
  {
    std::vector<std::uint16_t> images;
    for (std::uint64_t id = 14; id < 18; ++id)
      for (const std::uint16_t pixel : pixels_of(id)) images.push_back(pixel);
    checksum = crc32c(std::as_bytes(std::span(images)));
  }
  flip_bit(file(kSecond), find_bytes(file(kSecond), std::as_bytes(std::span(&checksum, 1))));
  expect_parts(error_in(kSecond), {"the table of checksums is damaged"});
}

TEST_F(Damage, LabelOutOfRangeUnderARightChecksum) {
  ShardHeader header = ShardReader(file(kFirst)).header();
  header.classes = 5;
  ShardWriter writer(file(kFirst), header);
  const std::vector<std::uint16_t> images(std::size_t{4} * 3);
  const std::vector<std::int64_t> labels{0, 1, 2, -3};
  for (std::uint64_t chunk = 0; chunk < header.chunks(); ++chunk) {
    const std::size_t samples = header.samples_in_chunk(chunk);
    writer.write_chunk(chunk, 0, std::as_bytes(std::span(images).first(samples * 3)));
    writer.write_chunk(chunk, 1, std::as_bytes(std::span(labels).first(samples)));
  }
  writer.finish();
  writer.publish();
  Manifest manifest = parse_manifest(read_whole_file(file(kManifestName)), file(kManifestName));
  manifest.shards[0].checksum = writer.header().checksum;
  write_bytes(file(kManifestName), to_text(manifest));
  expect_parts(error_in(kFirst), {"field 'label'", "sample 3", "label -3", "0 .. 4"});
}

TEST_F(Damage, ShardsThatDisagreeInShape) {
  DatasetPlan plan = small_plan(20, 2, 4);
  plan.fields[0].shape = {3};
  fs::copy_file(other(plan) / kSecond, file(kSecond), fs::copy_options::overwrite_existing);
  expect_parts(error_in(kSecond), {"'image' u16 [3]", "'image' u16 [1 x 3]"});
}

TEST_F(Damage, ShardsThatDisagreeInDType) {
  DatasetPlan plan = small_plan(20, 2, 4);
  plan.fields[0].dtype = DType::bf16;
  fs::copy_file(other(plan) / kSecond, file(kSecond), fs::copy_options::overwrite_existing);
  expect_parts(error_in(kSecond), {"'image' bf16", "'image' u16"});
}

TEST_F(Damage, ShardsThatDisagreeInFields) {
  DatasetPlan plan = small_plan(20, 2, 4);
  plan.fields.push_back({"weight", DType::f32, {}});
  fs::copy_file(other(plan) / kSecond, file(kSecond), fs::copy_options::overwrite_existing);
  expect_parts(error_in(kSecond), {"3 fields", "2"});
}

TEST_F(Damage, ShardOfAnotherDataSetOfTheSameShape) {
  fs::copy_file(other(small_plan(20, 2, 4)) / kSecond, file(kSecond), fs::copy_options::overwrite_existing);
  expect_parts(error_in(kSecond), {"checksum", "another data set"});
}

TEST_F(Damage, ShardsThatChangedPlaces) {
  fs::rename(file(kFirst), file("x"));
  fs::rename(file(kSecond), file(kFirst));
  fs::rename(file("x"), file(kSecond));
  expect_parts(error_in(kFirst), {"its number among the shards is 1, the manifest says 0"});
}

TEST_F(Damage, ManifestThatDisagreesWithAShard) {
  replace_in_manifest("\"classes\": 5", "\"classes\": 6");
  expect_parts(error_in(kFirst), {"number of classes is 5, the manifest says 6"});
}

TEST_F(Damage, ManifestThatDisagreesWithItself) {
  replace_in_manifest("\"samples\": 20", "\"samples\": 21");
  expect_parts(error_in(kManifestName), {"20 samples, not 21"});
  replace_in_manifest("\"first_sample\": 10", "\"first_sample\": 11");
  expect_parts(error_in(kManifestName), {"starts at sample 11 instead of 10"});
}

TEST_F(Damage, ManifestOfNoSamples) {
  write_bytes(file(kManifestName),
              to_text({.name = "none", .samples = 0, .classes = 0, .fields = {{"x", DType::u8, {}}}, .shards = {}}));
  expect_parts(error_in(kManifestName), {"holds no samples"});
}

TEST_F(Damage, ManifestThatIsNoManifest) {
  write_bytes(file(kManifestName), std::string("{\"tutti_format\": \"tutti-dat"));
  expect_parts(error_in(kManifestName), {"is not JSON"});
  write_bytes(file(kManifestName), std::string("{\"a\": 1}"));
  expect_parts(error_in(kManifestName), {"is not a tutti data set"});
  write_bytes(file(kManifestName), std::string("{\"tutti_format\": \"tutti-dataset\", \"schema_version\": 1}"));
  expect_parts(error_in(kManifestName), {"name"});
}

TEST_F(Damage, ManifestThatLeadsElsewhere) {
  replace_in_manifest(kSecond, std::string("../") + kSecond);
  expect_parts(error_in(kManifestName), {"is not the name of a file in the folder"});
}

// Whatever byte of a shard is damaged (every third is tried): an error, or (in bytes that nobody reads) the same
// samples. No crash, no wrong sample.
TEST_F(Damage, AnyByteOfAShard) {
  const fs::path target = file(kFirst);
  const auto size = static_cast<std::ptrdiff_t>(fs::file_size(target));
  const auto samples = [&] {
    const Dataset dataset(folder());
    ShardReader reader(dataset.shards()[0].file);
    std::vector<std::byte> all;
    for (std::size_t f = 0; f < 2; ++f)
      for (std::uint64_t chunk = 0; chunk < reader.header().chunks(); ++chunk) {
        const std::size_t bytes = reader.header().fields[f].sample_bytes();
        std::vector<std::byte> data(reader.header().chunk_samples * bytes);
        reader.read_chunk(chunk, f, data);
        all.insert(all.end(), data.begin(),
                   data.begin() + static_cast<std::ptrdiff_t>(reader.header().samples_in_chunk(chunk) * bytes));
      }
    return all;
  };
  const auto expected = samples();
  int unnoticed = 0;
  for (std::ptrdiff_t offset = 0; offset < size; offset += 3) {
    const int bit = static_cast<int>(offset / 3 % 8);
    flip_bit(target, offset, bit);
    try {
      ASSERT_EQ(samples(), expected) << "byte " << offset;
      ++unnoticed;
    } catch (const DataError& error) {
      ASSERT_NE(std::string(error.what()).find(target.string()), std::string::npos) << error.what();
    }
    flip_bit(target, offset, bit);
  }
  EXPECT_LT(unnoticed, size / 3 / 2) << "of " << size / 3;
}

TEST_F(Damage, AShardCutAnywhere) {
  const std::vector<char> whole = read_bytes(file(kFirst));
  for (std::size_t size = 0; size < whole.size(); size += 41) {
    write_bytes(file(kFirst), std::span(whole).first(size));
    const std::string message = error_in(kFirst);
    ASSERT_FALSE(HasFailure()) << size << " bytes: " << message;
  }
}

}  // namespace
}  // namespace tutti::io::test
