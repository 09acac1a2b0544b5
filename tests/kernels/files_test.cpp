// Files that are whole or not there, and the small ones of the kernel.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <filesystem>
#include <iterator>
#include <optional>
#include <span>
#include <string>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/system_files.hpp>
#include <tutti/kernels/whole_file.hpp>

#include "tests/support/temporary_folder.hpp"

namespace tutti {
namespace {

namespace fs = std::filesystem;
using test::TemporaryFolder;

std::ptrdiff_t files_in(const fs::path& folder) { return std::distance(fs::directory_iterator(folder), {}); }

std::string refusal(const std::string& file) {
  try {
    write_whole_file(file, "new");
  } catch (const DataError& error) {
    return error.what();
  }
  return "written";
}

TEST(WholeFile, ReplacesWhatIsThereWhenItIsPublished) {
  const TemporaryFolder folder;
  const std::string file = folder.path() / "data";
  write_whole_file(file, "old");
  WholeFile whole(file);
  whole.append("ne");
  whole.append("w");
  EXPECT_EQ(read_whole_file(file), "old");
  whole.publish();
  EXPECT_EQ(read_whole_file(file), "new");
  EXPECT_EQ(files_in(folder.path()), 1);
}

TEST(WholeFile, LeavesNothingWhenItIsGivenUp) {
  const TemporaryFolder folder;
  {
    WholeFile whole(folder.path() / "data");
    whole.append("half");
    EXPECT_EQ(files_in(folder.path()), 1);
  }
  EXPECT_EQ(files_in(folder.path()), 0);
}

TEST(WholeFile, OfOneWriterOverwritesWhatAKilledOneLeft) {
  const TemporaryFolder folder;
  const std::string file = folder.path() / "data";
  test::write_file(folder.path() / ".data.tmp", "left by a killed program");
  WholeFile whole(file, Writers::one);
  EXPECT_EQ(whole.path(), (folder.path() / ".data.tmp").string());
  whole.write(2, std::as_bytes(std::span("cd", 2)));
  whole.write(0, std::as_bytes(std::span("ab", 2)));
  whole.finish(4);
  whole.publish();
  EXPECT_EQ(read_whole_file(file), "abcd");
  EXPECT_EQ(files_in(folder.path()), 1);
}

// A pipe, which a broken version may replace without harm to others, as it may not /dev/null.
TEST(WholeFile, WritesWhatIsNoRegularFileInPlace) {
  const TemporaryFolder folder;
  const std::string pipe = folder.path() / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const int reader = ::open(pipe.c_str(), O_RDONLY | O_NONBLOCK);
  ASSERT_GE(reader, 0);
  write_whole_file(pipe, "passed on");
  std::array<char, 32> read{};
  EXPECT_EQ(::read(reader, read.data(), read.size()), 9);
  EXPECT_STREQ(read.data(), "passed on");
  ::close(reader);
  EXPECT_TRUE(fs::is_fifo(pipe));
  EXPECT_EQ(files_in(folder.path()), 1);
}

TEST(WholeFile, NamesFileAndCause) {
  EXPECT_EQ(refusal("/nonexistent/data"), "/nonexistent/data: cannot be written: No such file or directory");
  const TemporaryFolder folder;
  EXPECT_EQ(refusal(folder.path()),
            folder.path().string() + ": cannot be renamed from its temporary name: Is a directory");
  EXPECT_EQ(files_in(folder.path()), 0);
}

TEST(SystemFiles, LinesNumbersAndValues) {
  const TemporaryFolder folder;
  const std::string file = folder.path() / "info";
  test::write_file(file, "3000 max\nname\t: a b\nnames : c\n");
  EXPECT_EQ(first_line(file), "3000 max");
  EXPECT_EQ(first_line(folder.path() / "none"), "");
  EXPECT_EQ(leading_number<int>(first_line(file)), 3000);
  EXPECT_EQ(leading_number<int>("max"), std::nullopt);
  EXPECT_EQ(leading_number<unsigned>("-1"), std::nullopt);
  EXPECT_EQ(value_in_file(file, "name"), "a b");
  EXPECT_EQ(value_in_file(file, "price"), std::nullopt);
}

}  // namespace
}  // namespace tutti
