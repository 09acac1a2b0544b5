// The sections of the table of keys that have files of their own.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include <tutti/trainer/config/config.hpp>

namespace tutti::trainer {

using Slot = Key::Slot;
using Keys = std::vector<Key>;

inline std::vector<std::string_view> list(std::span<const std::string_view> names) {
  return {names.begin(), names.end()};
}

/// learning_keys.cpp
Keys optimizer_keys();
Keys schedule_keys();
Keys group_keys();

}  // namespace tutti::trainer
