// The rooms of trainer/ include each other in one direction: no file includes a room above its own.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "tests/support/paths.hpp"
#include "tests/trainer/support.hpp"

namespace tutti::trainer::test {

namespace {

/// As trainer/README.md lists them: lowest first.
constexpr std::array<std::string_view, 8> kRooms{"tables",     "memory",   "models", "network",
                                                 "optimizers", "exchange", "config", "run"};

std::size_t height(const std::string& room) {
  return static_cast<std::size_t>(std::find(kRooms.begin(), kRooms.end(), room) - kRooms.begin());
}

TEST(Rooms, IncludeOnlyTheirOwnAndLowerOnes) {
  const fs::path trainer = fs::path(tutti::test::kSourceDir) / "trainer";
  const std::string prefix = "#include <tutti/trainer/";
  std::size_t includes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(trainer)) {
    const std::string extension = entry.path().extension().string();
    if (extension != ".hpp" && extension != ".cpp") continue;
    const std::string room = entry.path().parent_path().filename().string();
    ASSERT_LT(height(room), kRooms.size()) << entry.path() << ": is in no room";
    const std::string source = read_file(entry.path());
    for (auto at = source.find(prefix); at != std::string::npos; at = source.find(prefix, at + 1)) {
      const auto name = at + prefix.size();
      const std::string included = source.substr(name, source.find_first_of("/>", name) - name);
      EXPECT_LE(height(included), height(room)) << entry.path() << ": includes a file of the room " << included;
      ++includes;
    }
  }
  EXPECT_GT(includes, 40U);
}

}  // namespace

}  // namespace tutti::trainer::test
