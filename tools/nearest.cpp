// Finding names that are nearly right; see nearest.hpp.
#include "tools/nearest.hpp"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <vector>

namespace tutti::tools {
namespace {

/// Levenshtein's distance: insertions, deletions and replacements.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string nearest(std::string_view text, std::span<const std::string> known) {
  std::string best;
  const std::size_t letters = text.size() - std::min(text.size(), text.find_first_not_of('-'));
  std::size_t fewest = std::max<std::size_t>(1, (letters + 1) / 3) + 1;
  for (const auto& name : known) {
    const std::size_t distance = edit_distance(text, name);
    if (distance < fewest) {
      fewest = distance;
      best = name;
    }
  }
  return best;
}

}  // namespace tutti::tools
