// Finding a key by the name a user wrote, and what may have been meant where there is none.
#pragma once

#include <string>
#include <string_view>

#include <tutti/trainer/config/config.hpp>

namespace tutti::trainer {

/// Whether keys begin with `name` and a dot.
bool is_section(const std::string& name);

/// Of "section.key": what stands before the dot, and behind it. A name without a dot is both.
std::string_view section_of(std::string_view name);
std::string_view tail_of(std::string_view name);

/// The row of `name`. \throws ConfigError that begins with `origin` and names the nearest key, or what there is.
const Key& find_key(const std::string& name, const std::string& origin);

/// The list of tables [[name]]; null if there is none.
const ListedTables* find_listed_tables(std::string_view name);

/// The row of a key of such a table. \throws ConfigError that begins with `origin` and lists them.
const Key& find_listed_key(const ListedTables& list, const std::string& name, const std::string& origin);

}  // namespace tutti::trainer
