// What the tests of io share: a folder that goes away, small data sets with known content, and ways to damage files.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <tests/support/temporary_folder.hpp>
#include <tutti/io/dataset.hpp>
#include <tutti/io/dataset_writer.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti::io::test {

namespace fs = std::filesystem;
using tutti::test::TemporaryFolder;

inline std::vector<char> read_bytes(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void write_bytes(const fs::path& file, std::span<const char> bytes) {
  std::ofstream(file, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

/// The names of all files in a folder, hidden ones too, sorted.
inline std::vector<std::string> files_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

/// Three numbers that are different for every sample.
inline std::array<std::uint16_t, 3> pixels_of(std::uint64_t id) {
  return {static_cast<std::uint16_t>(id), static_cast<std::uint16_t>(id * 7 + 1),
          static_cast<std::uint16_t>(id ^ 0x5555)};
}

inline std::int64_t label_of(std::uint64_t id) { return static_cast<std::int64_t>(id * id % 5); }

/// Fields "image" u16 {1, 3} = pixels_of(id) and "label" i64 = label_of(id), five classes.
inline DatasetPlan small_plan(std::uint64_t samples, std::uint64_t shards, std::uint64_t chunk) {
  return {.name = "small",
          .fields = {{"image", DType::u16, {1, 3}}, {"label", DType::i64, {}}},
          .samples = samples,
          .shards = shards,
          .classes = 5,
          .chunk_samples = chunk};
}

inline void append(DatasetWriter& writer, std::uint64_t first, std::uint64_t count) {
  std::vector<std::uint16_t> images;
  std::vector<std::int64_t> labels;
  for (std::uint64_t id = first; id < first + count; ++id) {
    for (const std::uint16_t pixel : pixels_of(id)) images.push_back(pixel);
    labels.push_back(label_of(id));
  }
  const std::array<std::span<const std::byte>, 2> data{std::as_bytes(std::span(images)),
                                                       std::as_bytes(std::span(labels))};
  writer.append(count, data);
}

inline void write_dataset(const fs::path& folder, const DatasetPlan& plan) {
  DatasetWriter writer(folder, plan);
  append(writer, 0, plan.samples);
  writer.finish();
}

/// Where `needle` occurs first in the file; npos-like -1 if it does not.
inline std::ptrdiff_t find_bytes(const fs::path& file, std::span<const std::byte> needle) {
  const std::vector<char> content = read_bytes(file);
  const auto* first = reinterpret_cast<const char*>(needle.data());
  const auto found = std::search(content.begin(), content.end(), first, first + needle.size());
  return found == content.end() ? -1 : found - content.begin();
}

/// Flips one bit of the byte at `offset`.
inline void flip_bit(const fs::path& file, std::ptrdiff_t offset, int bit = 0) {
  std::fstream stream(file, std::ios::binary | std::ios::in | std::ios::out);
  stream.seekg(offset);
  const int byte = stream.get();
  stream.seekp(offset);
  stream.put(static_cast<char>(byte ^ (1 << bit)));
}

/// Damages the first pixel of a sample of a small data set, wherever in the file it lies.
inline void damage_sample(const fs::path& file, std::uint64_t id) {
  const auto pixels = pixels_of(id);
  const std::ptrdiff_t offset = find_bytes(file, std::as_bytes(std::span(pixels)));
  ASSERT_GE(offset, 0);
  flip_bit(file, offset);
}

/// The message of the error of type E that `call` throws; a test failure, and an empty text, if it throws none.
template <class E = DataError>
std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const E& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << "not one line: " << error.what();
    return error.what();
  } catch (const std::exception& error) {
    ADD_FAILURE() << "another error: " << error.what();
    return {};
  }
  ADD_FAILURE() << "no error";
  return {};
}

/// Expects every part in `text`.
inline void expect_parts(const std::string& text, const std::vector<std::string>& parts) {
  for (const std::string& part : parts)
    EXPECT_NE(text.find(part), std::string::npos) << "'" << part << "' is not in: " << text;
}

/// Standard input is a file, until this goes.
class StandardInput {
 public:
  explicit StandardInput(const fs::path& file) : StandardInput(::open(file.c_str(), O_RDONLY)) {}
  ~StandardInput() {
    ::dup2(before_, STDIN_FILENO);
    ::close(before_);
  }
  StandardInput(const StandardInput&) = delete;
  StandardInput& operator=(const StandardInput&) = delete;

 protected:
  explicit StandardInput(int descriptor) : before_(::dup(STDIN_FILENO)) {
    ::dup2(descriptor, STDIN_FILENO);
    ::close(descriptor);
  }

 private:
  int before_;
};

/// Standard input is a pipe that holds `content`, which fits into it, until this goes.
class PipedInput : public StandardInput {
 public:
  explicit PipedInput(const std::string& content) : StandardInput(pipe_of(content)) {}

 private:
  static int pipe_of(const std::string& content) {
    int ends[2] = {-1, -1};
    EXPECT_EQ(::pipe(ends), 0);
    EXPECT_EQ(::write(ends[1], content.data(), content.size()), static_cast<ssize_t>(content.size()));
    ::close(ends[1]);
    return ends[0];
  }
};

/// While it lives no file of this process can grow beyond `bytes`, as on a disk that is full: writes fail instead of a
/// signal.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(std::size_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit before_ = {};
  void (*handler_)(int);
};

}  // namespace tutti::io::test
