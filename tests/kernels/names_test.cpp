// Names that are not known, and those that may have been meant.
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tutti/kernels/names.hpp>

namespace tutti {
namespace {

const std::vector<std::string> kKnown = {"train", "perf", "report"};

TEST(Names, FindsTyposAndLeavesStrangersAlone) {
  EXPECT_EQ(nearest_name("prf", kKnown), "perf");
  EXPECT_EQ(nearest_name("reprot", kKnown), "report");
  EXPECT_EQ(nearest_name("trian", kKnown), "train");
  EXPECT_EQ(nearest_name("pull", kKnown), "");
  EXPECT_EQ(nearest_name("xyzzy", kKnown), "");
}

TEST(Names, UnknownOnesAreToldWithTheNearOneOrWithAll) {
  EXPECT_EQ(unknown_name("command", "prf", kKnown), "unknown command 'prf'; did you mean 'perf'?");
  EXPECT_EQ(unknown_name("command", "pull", kKnown), "unknown command 'pull'; known are train, perf, report");
}

TEST(Names, OfRows) {
  constexpr std::pair<std::string_view, int> kRows[] = {{"one", 1}, {"three", 3}};
  const auto name_of = &std::pair<std::string_view, int>::first;
  EXPECT_EQ(find_named(kRows, "number", "three", name_of).second, 3);
  EXPECT_EQ(&find_named(kRows, "number", "one", name_of), &kRows[0]);
  try {
    find_named(kRows, "number", "tree", name_of);
    FAIL() << "'tree' was found";
  } catch (const InvalidArgument& error) {
    EXPECT_STREQ(error.what(), "unknown number 'tree'; did you mean 'three'?");
  }
}

}  // namespace
}  // namespace tutti
