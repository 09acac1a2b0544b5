// Checkpoints: what is read is what was written, damage is noticed, and no failure costs the previous one.
#include <tutti/io/checkpoint.hpp>
#include <tutti/io/detail/hdf5.hpp>

#include <gtest/gtest.h>
#include <hdf5.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/io/support.hpp"
#include "tests/io/times.hpp"

namespace tutti::io::test {
namespace {

Checkpoint example(std::size_t large = 100) {
  Checkpoint checkpoint{.description = R"({"step": 7, "text": "größer"})", .tensors = {}};
  const auto add = [&](const std::string& name, DType dtype, std::vector<std::size_t> shape) {
    std::size_t bytes = size_of(dtype);
    for (const std::size_t extent : shape) bytes *= extent;
    NamedTensor tensor{name, dtype, std::move(shape), std::vector<std::byte>(bytes)};
    for (std::size_t i = 0; i < bytes; ++i) tensor.bytes[i] = static_cast<std::byte>(i * 37 + name.size());
    checkpoint.tensors.push_back(std::move(tensor));
  };
  add("parameters/fc1.weight", DType::f32, {4, large});
  add("parameters/fc1.bias", DType::f64, {4});
  add("a/scalar", DType::i64, {});
  add("empty", DType::f32, {0, 3});
  for (const DType dtype : kAllDTypes) add("types/" + std::string(name(dtype)), dtype, {2, 1, 3});
  return checkpoint;
}

void expect_equal(const Checkpoint& found, const Checkpoint& expected) {
  EXPECT_EQ(found.description, expected.description);
  ASSERT_EQ(found.tensors.size(), expected.tensors.size());
  for (std::size_t t = 0; t < found.tensors.size(); ++t) {
    EXPECT_EQ(found.tensors[t].name, expected.tensors[t].name);
    EXPECT_EQ(found.tensors[t].dtype, expected.tensors[t].dtype);
    EXPECT_EQ(found.tensors[t].shape, expected.tensors[t].shape);
    EXPECT_EQ(found.tensors[t].bytes, expected.tensors[t].bytes);
  }
}

class CheckpointTest : public testing::Test {
 protected:
  void TearDown() override { EXPECT_EQ(H5Fget_obj_count(H5F_OBJ_ALL, H5F_OBJ_ALL), 0); }

  std::string error_of_reading() const {
    std::string message = message_of([this] { read_checkpoint(file()); });
    expect_parts(message, {file().string()});
    return message;
  }
  fs::path file() const { return temporary_.path() / "checkpoint.h5"; }
  TemporaryFolder temporary_;
};

TEST_F(CheckpointTest, IsReadAsItWasWritten) {
  write_checkpoint(file(), example());
  const Checkpoint found = read_checkpoint(file());
  expect_equal(found, example());
  EXPECT_EQ(found.tensor("empty").shape, (std::vector<std::size_t>{0, 3}));
  expect_parts(message_of([&] { found.tensor("fc2"); }), {"'fc2'"});
  EXPECT_EQ(files_in(temporary_.path()), std::vector<std::string>{"checkpoint.h5"});
  const std::vector<char> bytes = read_bytes(file());
  write_checkpoint(file(), example());
  EXPECT_EQ(read_bytes(file()), bytes) << "the same state makes the same file";
  expect_no_times(file(), 20);
}

TEST_F(CheckpointTest, WithoutTensorsAndWithALongDescription) {
  const Checkpoint checkpoint{.description = "{\"text\": \"" + std::string(200000, 'x') + "\"}", .tensors = {}};
  write_checkpoint(file(), checkpoint);
  expect_equal(read_checkpoint(file()), checkpoint);
}

TEST_F(CheckpointTest, InARelativeFolder) {
  const fs::path before = fs::current_path();
  fs::current_path(temporary_.path());
  write_checkpoint("checkpoint.h5", example());
  fs::current_path(before);
  expect_equal(read_checkpoint(file()), example());
}

TEST_F(CheckpointTest, WrongContentIsRefused) {
  const auto refused = [&](const Checkpoint& checkpoint, const char* part) {
    expect_parts(message_of<InvalidArgument>([&] { write_checkpoint(file(), checkpoint); }), {file().string(), part});
    EXPECT_TRUE(files_in(temporary_.path()).empty());
  };
  for (const char* name : {"", "/a", "a/", "a//b", "a/./b", ".."}) {
    Checkpoint checkpoint = example();
    checkpoint.tensors[0].name = name;
    refused(checkpoint, "tensor name");
  }
  Checkpoint checkpoint = example();
  checkpoint.tensors[1].name = checkpoint.tensors[0].name;
  refused(checkpoint, "there twice");
  checkpoint = example();
  checkpoint.tensors[0].bytes.pop_back();
  refused(checkpoint, "1599 bytes, its shape needs 1600");
  checkpoint = example();
  checkpoint.description = "[]";
  refused(checkpoint, "JSON object");
}

TEST_F(CheckpointTest, Missing) { expect_parts(error_of_reading(), {"No such file"}); }

TEST_F(CheckpointTest, NotACheckpoint) {
  write_bytes(file(), std::string("hello, this is no checkpoint"));
  expect_parts(error_of_reading(), {"not an HDF5 file"});
  write_dataset(temporary_.path(), small_plan(4, 1, 4));
  fs::rename(temporary_.path() / "shard-00000-of-00001.h5", file());
  expect_parts(error_of_reading(), {"is a tutti-shard, not a tutti-checkpoint"});
}

TEST_F(CheckpointTest, AnotherVersion) {
  write_checkpoint(file(), example());
  const hid_t id = H5Fopen(file().c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  const hid_t attribute = H5Aopen(id, "schema_version", H5P_DEFAULT);
  const std::uint64_t version = 9;
  ASSERT_GE(H5Awrite(attribute, H5T_NATIVE_UINT64, &version), 0);
  H5Aclose(attribute);
  H5Fclose(id);
  expect_parts(error_of_reading(), {"schema version 9"});
}

// The product of these extents is 2^64 + 16, which wraps to 16.
TEST_F(CheckpointTest, ExtentsThatWrapAreRefused) {
  write_checkpoint(file(), {.description = "{}", .tensors = {}});
  {
    const h5::Session session;
    const h5::Id root(H5Fopen(file().c_str(), H5F_ACC_RDWR, H5P_DEFAULT), H5Fclose);
    ASSERT_GE(H5Ldelete(root.get(), "description", H5P_DEFAULT), 0);
    const std::array<hsize_t, 2> extent{(hsize_t{1} << 60) + 1, 16};
    const std::array<hsize_t, 2> small{16, 1};
    const std::array<hsize_t, 2> unlimited{H5S_UNLIMITED, H5S_UNLIMITED};
    const h5::Id space(H5Screate_simple(2, small.data(), unlimited.data()), H5Sclose);
    const std::array<hsize_t, 2> chunk{16, 1};
    const h5::Id properties(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
    ASSERT_GE(H5Pset_chunk(properties.get(), 2, chunk.data()), 0);
    const h5::Id dataset(
        H5Dcreate2(root.get(), "description", H5T_STD_U8LE, space.get(), H5P_DEFAULT, properties.get(), H5P_DEFAULT),
        H5Dclose);
    ASSERT_TRUE(dataset.valid());
    ASSERT_GE(H5Dset_extent(dataset.get(), extent.data()), 0);
    h5::write_attribute(dataset.get(), "dtype", std::string("u8"), file());
    h5::write_attribute(dataset.get(), "crc32c", std::uint64_t{0}, file());
  }
  expect_parts(error_of_reading(), {"'description' is larger than the file"});
}

TEST_F(CheckpointTest, DamagedTensorIsNamed) {
  const Checkpoint checkpoint = example();
  write_checkpoint(file(), checkpoint);
  flip_bit(file(), find_bytes(file(), checkpoint.tensors[0].bytes) + 1000);
  expect_parts(error_of_reading(), {"'tensors/parameters/fc1.weight'", "damaged"});
}

TEST_F(CheckpointTest, CutAnywhere) {
  write_checkpoint(file(), example());
  const std::vector<char> whole = read_bytes(file());
  for (std::size_t size = 0; size < whole.size(); size += 97) {
    write_bytes(file(), std::span(whole).first(size));
    const std::string message = error_of_reading();
    ASSERT_FALSE(HasFailure()) << size << " bytes: " << message;
  }
}

// Whatever byte is damaged (every seventh is tried): an error, or (in bytes that nobody reads) the same content.
TEST_F(CheckpointTest, AnyByte) {
  const Checkpoint checkpoint = example(2);
  write_checkpoint(file(), checkpoint);
  const auto size = static_cast<std::ptrdiff_t>(fs::file_size(file()));
  int unnoticed = 0;
  for (std::ptrdiff_t offset = 0; offset < size; offset += 7) {
    const int bit = static_cast<int>(offset / 7 % 8);
    flip_bit(file(), offset, bit);
    try {
      expect_equal(read_checkpoint(file()), checkpoint);
      ASSERT_FALSE(HasFailure()) << "byte " << offset;
      ++unnoticed;
    } catch (const DataError& error) {
      ASSERT_NE(std::string(error.what()).find(file().string()), std::string::npos) << error.what();
    }
    flip_bit(file(), offset, bit);
  }
  EXPECT_LT(unnoticed, size / 7 / 2) << "of " << size / 7;
}

TEST_F(CheckpointTest, FolderThatCannotBeWritten) {
  const fs::path missing = temporary_.path() / "missing" / "checkpoint.h5";
  expect_parts(message_of([&] { write_checkpoint(missing, example()); }),
               {missing.string(), "cannot be written", "No such file"});
  write_bytes(temporary_.path() / "plain", std::string("x"));
  const fs::path below = temporary_.path() / "plain" / "checkpoint.h5";
  expect_parts(message_of([&] { write_checkpoint(below, example()); }), {below.string(), "Not a directory"});
  fs::create_directory(file());
  expect_parts(message_of([&] { write_checkpoint(file(), example()); }), {file().string(), "directory"});
  EXPECT_EQ(files_in(temporary_.path()), (std::vector<std::string>{"checkpoint.h5", "plain"}));
}

TEST_F(CheckpointTest, FullDiskLeavesThePreviousOneWhole) {
  const Checkpoint previous = example();
  write_checkpoint(file(), previous);
  const std::string message = message_of([&] {
    const FileSizeLimit limit(100 << 10);
    write_checkpoint(file(), example(1 << 20));
  });
  expect_parts(message, {file().string(), "cannot be written", "File too large"});
  EXPECT_EQ(files_in(temporary_.path()), std::vector<std::string>{"checkpoint.h5"});
  expect_equal(read_checkpoint(file()), previous);
}

TEST_F(CheckpointTest, LeftoverOfAKilledProgramDoesNotMatter) {
  write_bytes(temporary_.path() / ".checkpoint.h5.tmp", std::string(1 << 20, 'x'));
  write_checkpoint(file(), example());
  expect_equal(read_checkpoint(file()), example());
  EXPECT_EQ(files_in(temporary_.path()), std::vector<std::string>{"checkpoint.h5"});
}

// A file system that really is full, where this process may mount one. The mount lives in a namespace of the child and
// ends with it.
TEST_F(CheckpointTest, FullFileSystemLeavesThePreviousOneWhole) {
  constexpr int kNoMount = 77;
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("none", temporary_.path().c_str(), "tmpfs", 0, "size=256k") != 0)
      ::_exit(kNoMount);
    try {
      write_checkpoint(file(), example());
      const std::string message = message_of([&] { write_checkpoint(file(), example(1 << 20)); });
      expect_parts(message, {file().string(), "No space left on device"});
      EXPECT_EQ(files_in(temporary_.path()), std::vector<std::string>{"checkpoint.h5"});
      expect_equal(read_checkpoint(file()), example());
    } catch (const std::exception& error) {
      ADD_FAILURE() << error.what();
    }
    ::_exit(HasFailure() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == kNoMount) GTEST_SKIP() << "this process may not mount a file system";
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace tutti::io::test
