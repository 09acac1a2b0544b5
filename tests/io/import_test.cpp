// What all importers have in common, with sources made for it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <tutti/io/files.hpp>
#include <tutti/io/import.hpp>
#include <tutti/io/loader.hpp>

#include "tests/io/support.hpp"

namespace tutti::io::test {
namespace {

struct Made {
  std::uint64_t says = 23;        // samples, if it says so at all
  std::uint64_t has = 23;         // samples
  bool knows = true;              // how many
  std::size_t classes = 0;        // stated
  std::int64_t wrong_label = -1;  // of sample 11, if not below 0
  std::vector<std::string> class_names = {};
};

// The samples of small_plan(), a few at a time.
class MadeSource final : public SampleSource {
 public:
  explicit MadeSource(const Made& made) : made_(made), labels_(made.classes) {}

  const std::vector<Field>& fields() const override { return fields_; }
  std::optional<std::uint64_t> samples() const override {
    return made_.knows ? std::optional(made_.says) : std::nullopt;
  }
  const ClassLabels* labels() const override { return &labels_; }
  std::vector<std::string> class_names() const override { return made_.class_names; }
  void skip_to(std::uint64_t first) override { next_ = first; }

  std::uint64_t read(std::uint64_t most, SampleBlock& block) override {
    const std::uint64_t last = std::min({next_ + most, next_ + 4, made_.has});
    const std::uint64_t first = next_;
    for (; next_ < last; ++next_) {
      const auto pixels = pixels_of(next_);
      const std::int64_t label = next_ == 11 && made_.wrong_label >= 0 ? made_.wrong_label : label_of(next_);
      labels_.see(label, [&] { return "made: sample " + std::to_string(next_); });
      const auto add = [](std::vector<std::byte>& to, const auto& value) {
        const auto bytes = std::as_bytes(std::span(&value, 1));
        to.insert(to.end(), bytes.begin(), bytes.end());
      };
      add(block.data[0], pixels);
      add(block.data[1], label);
    }
    block.samples += last - first;
    return last - first;
  }

  std::uint64_t bytes_read() const override { return next_ * 14; }
  std::optional<std::uint64_t> bytes_total() const override { return std::nullopt; }

 private:
  Made made_;
  ClassLabels labels_;
  std::uint64_t next_ = 0;
  std::vector<Field> fields_{{"image", DType::u16, {1, 3}}, {"label", DType::i64, {}}};
};

class ImportTest : public testing::Test {
 protected:
  fs::path path(const char* name) const { return temporary_.path() / name; }

  void run_import(const Made& made, const char* folder, bool replace = false) {
    ImportOptions options{.folder = path(folder), .name = "small", .shards = 3, .chunk_samples = 4};
    options.replace = replace;
    import_samples([&] { return std::make_unique<MadeSource>(made); }, options);
  }

  // All files of two folders, byte by byte.
  void expect_equal(const char* a, const char* b) {
    ASSERT_EQ(files_in(path(a)), files_in(path(b)));
    for (const std::string& name : files_in(path(a)))
      EXPECT_EQ(read_bytes(path(a) / name), read_bytes(path(b) / name)) << name;
  }

  TemporaryFolder temporary_;
};

TEST_F(ImportTest, ClassesThatAreFoundGiveTheBytesOfThoseThatAreStated) {
  run_import({}, "found");
  run_import({.classes = 5}, "stated");
  write_dataset(path("written"), small_plan(23, 3, 4));
  EXPECT_EQ(Dataset(path("found")).classes(), 5U);
  expect_equal("found", "stated");
  expect_equal("found", "written");
}

TEST_F(ImportTest, ASourceThatDoesNotKnowItsNumberOfSamplesGivesTheSameBytes) {
  run_import({}, "known");
  run_import({.knows = false}, "unknown");
  expect_equal("known", "unknown");
}

TEST_F(ImportTest, NamesOfClassesAreKept) {
  run_import({.classes = 5, .class_names = {"a", "b", "c", "d", "e"}}, "set");
  EXPECT_EQ(Dataset(path("set")).class_names(), (std::vector<std::string>{"a", "b", "c", "d", "e"}));
  expect_parts(message_of<InvalidArgument>([&] { run_import({.classes = 5, .class_names = {"a"}}, "other"); }),
               {"1 names of 5 classes"});
  expect_parts(message_of<InvalidArgument>([&] {
                 run_import({.classes = 5, .class_names = {"a", "b", "c", "d", "\xe4"}}, "other");
               }),
               {"'\\xe4'", "UTF-8"});
}

TEST_F(ImportTest, AnErrorLeavesWhatWasThere) {
  run_import({}, "set");
  const auto before = files_in(path("set"));
  const std::uint32_t fingerprint = Dataset(path("set")).fingerprint();
  const std::vector<std::pair<Made, std::string>> cases{
      {{.has = 20}, "ends after 20 samples instead of 23"},
      {{.says = 20}, "more than 20 samples"},
      {{.has = 0, .knows = false}, "no samples"},
      {{.wrong_label = 20000}, "made: sample 11: label 20000 would make 20001 classes"},
      {{.knows = false, .wrong_label = 20000}, "made: sample 11: label 20000 would make"},
      {{.classes = 3}, "label 4 is not in 0 .. 2"},
  };
  for (const auto& [made, part] : cases) {
    expect_parts(message_of([&, &made = made] { run_import(made, "set", true); }), {part});
    EXPECT_EQ(files_in(path("set")), before) << part;
    EXPECT_EQ(Dataset(path("set")).fingerprint(), fingerprint) << part;
  }
  expect_parts(message_of([&] { run_import({.knows = false}, "set"); }), {"already holds a data set"});
  message_of([&] { run_import({.has = 20}, "new"); });
  EXPECT_FALSE(fs::exists(path("new")));
}

// Its spool is one file of the folder.
TEST_F(ImportTest, AnImportFromAPipeHasTheFolderForItself) {
  run_import({}, "set");
  const FolderLock lock(path("set"));
  expect_parts(message_of([&] { run_import({.knows = false}, "set", true); }), {"the folder is in use by"});
}

}  // namespace
}  // namespace tutti::io::test
