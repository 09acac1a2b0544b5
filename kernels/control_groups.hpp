// What the kernel grants a process by control groups.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace tutti {

/// Folders of this process's control group of `controller` and of those above it, innermost first; version 2, and
/// version 1 where the controller is. `root` stands for "/".
std::vector<std::filesystem::path> control_groups(const std::filesystem::path& root, const std::string& controller);

/// The least quota of processor time among them, in processors; nothing where there is none.
std::optional<double> processor_quota(const std::filesystem::path& root = "/");

}  // namespace tutti
