#include <tutti/trainer/config/key_search.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <optional>
#include <vector>

#include <tutti/kernels/text.hpp>

namespace tutti::trainer {

bool is_section(const std::string& name) {
  const auto table = key_table();
  return std::any_of(table.begin(), table.end(), [&](const Key& key) { return key.name.starts_with(name + "."); });
}

std::string_view section_of(std::string_view name) { return name.substr(0, name.find('.')); }
std::string_view tail_of(std::string_view name) {
  const auto dot = name.find('.');
  return dot == std::string_view::npos ? name : name.substr(dot + 1);
}

namespace {

/// Levenshtein's distance: insertions, deletions and replacements that make `a` into `b`.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

/// "lr" of "learning_rate".
std::string initials(std::string_view name) {
  std::string letters;
  for (std::size_t i = 0; i < name.size(); ++i)
    if (i == 0 || name[i - 1] == '_') letters += name[i];
  return letters;
}

/// How far a wrong name is from a key; nothing if it is so far that the key cannot have been meant.
std::optional<std::size_t> distance(const std::string& name, const Key& key) {
  if (initials(tail_of(key.name)) == tail_of(name) && section_of(key.name) == section_of(name)) return 1;
  const std::size_t sections = edit_distance(section_of(name), section_of(key.name));
  const std::size_t tails = edit_distance(tail_of(name), tail_of(key.name));
  const bool near_section = sections <= 1 + section_of(name).size() / 3;
  if (tails > tail_of(name).size() / 3 + (sections == 0 ? 1 : 0)) return std::nullopt;
  if (!near_section && tails > 0) return std::nullopt;
  return 2 * tails + sections;  // a right key in a wrong section is nearer than a wrong key in a right one
}

/// What the user may have meant, as a clause.
std::string suggestion(const std::string& name) {
  const Key* nearest = nullptr;
  std::size_t least = 0;
  std::string in_section;
  std::string sections;
  std::string_view last_section;
  for (const Key& key : key_table()) {
    const auto far = distance(name, key);
    if (far && (nearest == nullptr || *far < least)) {
      nearest = &key;
      least = *far;
    }
    if (section_of(key.name) == section_of(name))
      in_section += fmt::format("{}{}", in_section.empty() ? "" : ", ", tail_of(key.name));
    if (section_of(key.name) != last_section)
      sections += fmt::format("{}{}", sections.empty() ? "" : ", ", section_of(key.name));
    last_section = section_of(key.name);
  }
  if (nearest != nullptr) return fmt::format("did you mean '{}'?", nearest->name);
  if (!in_section.empty()) return fmt::format("section {} has {}", section_of(name), in_section);
  return fmt::format("there are the sections {}", sections);
}

}  // namespace

const ListedTables* find_listed_tables(std::string_view name) {
  const auto lists = listed_tables();
  const auto found =
      std::find_if(lists.begin(), lists.end(), [&](const ListedTables& list) { return list.name == name; });
  return found == lists.end() ? nullptr : &*found;
}

const Key& find_listed_key(const ListedTables& list, const std::string& name, const std::string& origin) {
  std::string known;
  for (const Key& key : list.keys()) {
    const std::string_view tail = tail_of(tail_of(key.name));
    if (tail == name) return key;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", tail);
  }
  throw ConfigError(fmt::format("{}: unknown key '{}' of [[{}]], which has {}", printable(origin), printable(name),
                                list.name, known));
}

const Key& find_key(const std::string& name, const std::string& origin) {
  for (const ListedTables& list : listed_tables())
    if (name == list.name || (name.starts_with(list.name) && name[list.name.size()] == '.'))
      throw ConfigError(fmt::format("{}: {} is a table [[{}]] of a file", printable(origin), list.what, list.name));
  const auto table = key_table();
  const auto found = std::find_if(table.begin(), table.end(), [&](const Key& key) { return key.name == name; });
  if (found != table.end()) return *found;
  throw ConfigError(fmt::format("{}: unknown key '{}'; {}", printable(origin), printable(name), suggestion(name)));
}

}  // namespace tutti::trainer
