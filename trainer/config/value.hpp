// One value of a configuration: checked against its row of the table of keys, and stored. `origin` begins every
// message.
#pragma once

#include <filesystem>
#include <string>

#include <toml++/toml.h>

#include <tutti/trainer/config/config.hpp>

namespace tutti::trainer {

/// Stores `node` in `config`. \throws ConfigError: of another type, or out of range.
void assign(Config& config, const Key& key, const toml::node& node, const std::string& origin);

/// A value given as bare text, by option or environment: TOML's notation, but text needs no quotes. \throws ConfigError
void assign_text(Config& config, const Key& key, const std::string& value, const std::string& origin);

/// A number that is not 0 as it is `written`, and is 0 as a double, is not what was meant. \throws ConfigError
void require_representable(const Config& config, const Key& key, const std::string& written, const std::string& origin);

/// How a number that was written as elsewhere is written here, as a clause; empty if nobody can tell.
std::string spelling_hint(std::string value);

/// Makes the path that `key` holds absolute, as seen from `base`: a file's folder, so that a configuration means the
/// same from every working directory. `~` and `$NAME` are expanded as a shell does; `$$` is a dollar sign.
/// \throws ConfigError
void resolve_path(Config& config, const Key& key, const std::filesystem::path& base, const std::string& origin);

}  // namespace tutti::trainer
