// Drawing a few of many cases, so that a test that would try all of them takes seconds: all are tried by `./run test
// --all`.
#pragma once

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include <tutti/kernels/philox.hpp>

namespace tutti::test {

/// What cases are drawn by: the environment's TUTTI_TEST_SEED, which `./run test` sets and prints, or 1. The same on
/// every rank of a node.
inline std::uint64_t draw_seed() {
  const char* const seed = std::getenv("TUTTI_TEST_SEED");
  return seed == nullptr ? 1 : std::strtoull(seed, nullptr, 10);
}

/// Whether nothing is to be left out: TUTTI_TEST_ALL is 1.
inline bool tries_all() {
  const char* const all = std::getenv("TUTTI_TEST_ALL");
  return all != nullptr && std::strcmp(all, "1") == 0;
}

/// `count` of the cases, in their order; all of them if tries_all(), or there are no more. `what` makes the draws of
/// one seed differ.
template <class Case>
std::vector<Case> drawn(std::vector<Case> cases, std::size_t count, std::uint64_t what) {
  if (tries_all()) return cases;
  for (std::uint64_t i = 0; cases.size() > count; ++i)
    cases.erase(cases.begin() + static_cast<std::ptrdiff_t>(random_u64(draw_seed(), what, i) % cases.size()));
  return cases;
}

}  // namespace tutti::test
