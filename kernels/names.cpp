// Finding names that are nearly right; see names.hpp.
#include <numeric>

#include <tutti/kernels/names.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti {

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

std::string nearest_name(std::string_view wanted, std::span<const std::string> known) {
  std::string best;
  const std::size_t letters = wanted.size() - std::min(wanted.size(), wanted.find_first_not_of('-'));
  std::size_t fewest = std::max<std::size_t>(1, (letters + 1) / 3) + 1;
  for (const auto& name : known) {
    const std::size_t distance = edit_distance(wanted, name);
    if (distance < fewest) {
      fewest = distance;
      best = name;
    }
  }
  return best;
}

std::string listed(std::span<const std::string> names) {
  std::string list;
  for (const std::string& name : names) list += text(list.empty() ? "" : ", ", name);
  return list;
}

std::string did_you_mean(std::string_view wanted, std::span<const std::string> known) {
  const std::string near = nearest_name(wanted, known);
  return near.empty() ? near : text("; did you mean '", near, "'?");
}

std::string unknown_name(std::string_view what, std::string_view wanted, std::span<const std::string> known) {
  const std::string suggestion = did_you_mean(wanted, known);
  return text("unknown ", what, " '", wanted, "'",
              suggestion.empty() ? text("; known are ", listed(known)) : suggestion);
}

}  // namespace tutti
