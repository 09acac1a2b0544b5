// What the tests of importers share: import and read back, and errors that leave an earlier data set alone.
#pragma once

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <zlib.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <tutti/io/dataset.hpp>
#include <tutti/io/import.hpp>
#include <tutti/io/loader.hpp>

#include "tests/io/support.hpp"

namespace tutti::io::test {

inline std::string gzipped(const std::string& content) {
  z_stream stream = {};
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&stream, content.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
  stream.avail_in = static_cast<uInt>(content.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

/// The bytes of a number in the order of this machine, which is little-endian.
template <class T>
std::string raw(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof(value)};
}

template <class T>
std::string raw(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

/// A folder for the files of a format, and the data set that is made from them.
class ImporterTest : public testing::Test {
 protected:
  using Make = std::function<std::unique_ptr<SampleSource>()>;

  ImporterTest() {
    options_.folder = path("set");
    options_.shards = 2;
    options_.replace = true;
  }

  fs::path path(const std::string& name) const { return temporary_.path() / name; }
  fs::path write(const std::string& name, const std::string& content) const { return temporary_.write(name, content); }

  Dataset import(const Make& make) {
    import_samples(make, options_);
    return Dataset(options_.folder);
  }

  /// All samples of a field, in order.
  static std::string content(const Dataset& dataset, const std::string& field) {
    Loader loader(dataset, {.global_batch = dataset.size()});
    const auto batch = loader.next();
    const auto& data = batch->data[dataset.field(field)];
    return {reinterpret_cast<const char*>(data.data()), data.size()};
  }

  static std::vector<std::int64_t> labels(const Dataset& dataset) {
    const std::string bytes = content(dataset, "label");
    std::vector<std::int64_t> values(bytes.size() / 8);
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }

  /// The error of an import, which takes little memory whatever a file claims and leaves what was there.
  template <class E = DataError>
  std::string error(const Make& make) {
    if (!fs::exists(options_.folder)) write_dataset(options_.folder, small_plan(6, 2, 2));
    const std::uint32_t before = Dataset(options_.folder).fingerprint();
    const auto files = files_in(options_.folder);
    std::size_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    rlimit limit = {};
    ::getrlimit(RLIMIT_AS, &limit);
    const rlimit tight{pages * 4096 + (std::size_t{200} << 20), limit.rlim_max};
    ::setrlimit(RLIMIT_AS, &tight);
    std::string message = message_of<E>([&] { import_samples(make, options_); });
    ::setrlimit(RLIMIT_AS, &limit);
    EXPECT_EQ(files_in(options_.folder), files);
    EXPECT_EQ(Dataset(options_.folder).fingerprint(), before);
    return message;
  }

  /// The samples from `first` on, as a rank reads them to which they fall.
  static std::string read_from(SampleSource& source, std::uint64_t first, std::size_t field) {
    source.skip_to(first);
    SampleBlock block(source.fields().size());
    while (source.read(3, block) > 0) continue;
    return {reinterpret_cast<const char*>(block.data[field].data()), block.data[field].size()};
  }

  TemporaryFolder temporary_;
  ImportOptions options_;
};

/// Runs a program of the system's Python, which has the packages of Debian; false if it or one of its packages is
/// missing, which `needs` lists.
inline bool run_python(const std::string& needs, const std::string& program, const fs::path& folder) {
  const fs::path script = folder / "make.py";
  const std::string python = "/usr/bin/python3";
  if (std::system((python + " -c 'import " + needs + "' >/dev/null 2>&1").c_str()) != 0) return false;
  std::ofstream(script) << program;
  EXPECT_EQ(std::system(("cd '" + folder.string() + "' && " + python + " make.py").c_str()), 0);
  return true;
}

}  // namespace tutti::io::test
