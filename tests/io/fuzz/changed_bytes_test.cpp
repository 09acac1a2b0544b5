// Every reader reads right files, and what becomes of them when bytes are changed, cut off, repeated and mixed: a small
// draw of what libFuzzer does, without clang.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "tests/io/fuzz/memory_file.hpp"
#include "tests/io/fuzz/targets.hpp"

namespace tutti::io::fuzz {
namespace {

constexpr unsigned kSeed = 20261130;
constexpr int kFiles = 400;  // per reader

std::size_t below(std::mt19937& random, std::size_t limit) { return limit == 0 ? 0 : random() % limit; }

// One change. Numbers at the edges are put where lengths may be.
void change(std::string& file, const std::string& other, std::mt19937& random) {
  const std::size_t at = below(random, file.size());
  switch (random() % 7) {
    case 0:
      if (!file.empty()) file[at] = static_cast<char>(file[at] ^ (1 << (random() % 8)));
      break;
    case 1:
      if (!file.empty()) file[at] = static_cast<char>(random());
      break;
    case 2:
      file.resize(at);
      break;
    case 3:
      file.insert(at, file.substr(at, 1 + below(random, 16)));
      break;
    case 4: {
      const std::string edge(1 + random() % 8, random() % 2 == 0 ? '\xff' : '\0');
      file.replace(at, edge.size(), edge);
      break;
    }
    case 5:
      file.erase(at, 1 + below(random, 8));
      break;
    default:
      file = file.substr(0, at) + other.substr(below(random, other.size()));
      break;
  }
}

class ChangedBytes : public testing::TestWithParam<const char*> {};

TEST_P(ChangedBytes, AreReadOrRefused) {
  const Target target = find(GetParam()).value();
  const std::vector<std::string> seeds = target.seeds();
  ASSERT_FALSE(seeds.empty());
  for (std::size_t i = 0; i < seeds.size(); ++i) {
    const MemoryFile file(bytes_of(seeds[i]));
    EXPECT_NO_THROW(target.read(file.path())) << "seed " << i;
  }
  std::mt19937 random(kSeed);
  for (int i = 0; i < kFiles; ++i) {
    std::string file = seeds[below(random, seeds.size())];
    const std::string& other = seeds[below(random, seeds.size())];
    for (int changes = 1 + static_cast<int>(random() % 4); changes > 0; --changes) change(file, other, random);
    SCOPED_TRACE("seed " + std::to_string(kSeed) + ", file " + std::to_string(i));
    ASSERT_NO_THROW(run(target, bytes_of(file)));
  }
}

std::vector<const char*> names() {
  std::vector<const char*> names;
  for (const Target& target : targets()) names.push_back(target.name);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Readers, ChangedBytes, testing::ValuesIn(names()),
                         [](const auto& tested) { return std::string(tested.param); });

}  // namespace
}  // namespace tutti::io::fuzz
