// Limits of memory, as the kernel shows them in files; see available_memory.hpp.
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <optional>
#include <sstream>
#include <string_view>
#include <utility>

#include <tutti/collectives/system/available_memory.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/system_files.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::detail {
namespace {

/// One of the two interfaces of control groups: names of files, and of what memory.stat tells of page cache.
struct GroupVersion {
  const char* filesystem;
  const char* limit;
  const char* usage;
  const char* inactive;
  const char* active;
};
constexpr GroupVersion kVersion1 = {"cgroup", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file",
                                    "total_active_file"};
constexpr GroupVersion kVersion2 = {"cgroup2", "memory.max", "memory.current", "inactive_file", "active_file"};

/// A control group as a folder.
struct ControlGroup {
  const GroupVersion* version;
  std::string folder;
  std::string name;
  std::uint64_t identity;
};

/// The number that the file holds; nothing if there is no file, or a word in it ("max").
std::optional<std::uint64_t> read_number(const std::string& path) {
  std::string words;
  std::ifstream(path) >> words;
  return leading_number<std::uint64_t>(words);
}

/// The number behind `key` in a file of lines "key number".
std::optional<std::uint64_t> read_number(const std::string& path, std::string_view key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(key) || line.size() == key.size() || std::string_view(": ").find(line[key.size()]) > 1)
      continue;
    const std::size_t digits = line.find_first_of("0123456789", key.size());
    if (digits != std::string::npos) return leading_number<std::uint64_t>(std::string_view(line).substr(digits));
  }
  return std::nullopt;
}

bool has_item(std::string_view list, std::string_view item) {
  while (!list.empty()) {
    const std::size_t end = std::min(list.find(','), list.size());
    if (list.substr(0, end) == item) return true;
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return false;
}

/// The name of the process's group in the hierarchy that has the memory controller.
std::optional<std::string> own_group(const GroupVersion& version, const std::string& root) {
  std::ifstream file(root + "/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string_view controllers = std::string_view(line).substr(first + 1, second - first - 1);
    const bool is_it = &version == &kVersion1 ? has_item(controllers, "memory") : line.starts_with("0::");
    if (is_it) return line.substr(second + 1);
  }
  return std::nullopt;
}

/// mountinfo writes blanks and the like as three octal digits.
std::string unescaped(std::string_view path) {
  std::string out;
  for (std::size_t i = 0; i < path.size(); ++i) {
    const bool is_code = path[i] == '\\' && path.size() - i > 3;
    out +=
        is_code ? static_cast<char>((path[i + 1] - '0') * 64 + (path[i + 2] - '0') * 8 + (path[i + 3] - '0')) : path[i];
    if (is_code) i += 3;
  }
  return out;
}

struct Mount {
  std::string top;     ///< the group that is seen where it is mounted
  std::string folder;  ///< where that is
};

std::optional<Mount> find_mount(const GroupVersion& version, const std::string& root) {
  std::ifstream file(root + "/proc/self/mountinfo");
  for (std::string line; std::getline(file, line);) {
    const std::size_t dash = line.find(" - ");
    if (dash == std::string::npos) continue;
    std::istringstream kind(line.substr(dash + 3));
    std::string filesystem;
    std::string device;
    std::string options;
    kind >> filesystem >> device >> options;
    if (filesystem != version.filesystem || (&version == &kVersion1 && !has_item(options, "memory"))) continue;
    std::istringstream head(line);
    std::string skipped;
    Mount mount;
    head >> skipped >> skipped >> skipped >> mount.top >> mount.folder;
    return Mount{unescaped(mount.top), unescaped(mount.folder)};
  }
  return std::nullopt;
}

/// `name` as seen from the group `top`; "" for that itself, and for groups that are not below it.
std::string below(const std::string& top, const std::string& name) {
  if (name == "/" || name.starts_with("/..")) return {};
  if (top == "/") return name;
  return name.starts_with(top + '/') ? name.substr(top.size()) : std::string();
}

/// The process's group and those that hold it, as far as they are seen here.
void add_groups(std::vector<ControlGroup>& groups, const GroupVersion& version, const std::string& root) {
  const auto name = own_group(version, root);
  const auto mount = find_mount(version, root);
  if (!name || !mount) return;
  for (std::string rest = below(mount->top, *name);;) {
    const std::string folder = text(root, mount->folder, rest);
    struct stat status {};
    if (stat(folder.c_str(), &status) == 0) {
      // Groups that peers see under other names are the same.
      const std::uint64_t identity = (std::uint64_t{status.st_dev} << 40) ^ status.st_ino;
      groups.push_back({&version, folder, rest.empty() ? mount->top : rest, identity});
    }
    if (rest.empty()) return;
    rest.resize(rest.rfind('/'));
    // Version 1 could be told not to count what groups below hold.
    if (read_number(text(root, mount->folder, rest, "/memory.use_hierarchy")) == 0) return;
  }
}

std::vector<ControlGroup> find_groups(const std::string& root) {
  std::vector<ControlGroup> groups;
  add_groups(groups, kVersion1, root);
  add_groups(groups, kVersion2, root);
  return groups;
}

std::optional<MemoryLimit> limit_in(const ControlGroup& group) {
  constexpr std::uint64_t kNone = std::uint64_t{1} << 62;  // version 1 writes a number near 2^63
  const GroupVersion& version = *group.version;
  const auto limit = read_number(text(group.folder, "/", version.limit));
  const auto usage = read_number(text(group.folder, "/", version.usage));
  if (!limit || !usage || *limit >= kNone) return std::nullopt;
  const std::string stat = group.folder + "/memory.stat";
  const std::uint64_t cache =
      read_number(stat, version.inactive).value_or(0) + read_number(stat, version.active).value_or(0);
  const std::uint64_t used = *usage - std::min(*usage, cache);
  return MemoryLimit{.group = group.identity,
                     .available = *limit - std::min(*limit, used),
                     .where = text("in control group ", group.name, " (limit ", in_words(*limit), ")")};
}

std::uint64_t claimed_by(const std::vector<OtherClaim>& others, std::uint64_t group) {
  std::uint64_t bytes = 0;
  for (const OtherClaim& other : others) {
    const bool shares = group == 0 || std::find(other.groups.begin(), other.groups.end(), group) != other.groups.end();
    if (shares) bytes += other.bytes->load();
  }
  return bytes;
}

}  // namespace

std::vector<MemoryLimit> memory_limits(const std::string& root) {
  std::vector<MemoryLimit> limits;
  if (const auto kib = read_number(root + "/proc/meminfo", "MemAvailable")) {
    limits.push_back({.available = *kib * 1024, .where = "on this machine (MemAvailable)"});
  }
  for (const ControlGroup& group : find_groups(root)) {
    if (auto limit = limit_in(group)) limits.push_back(std::move(*limit));
  }
  return limits;
}

MemoryGroups memory_groups(const std::string& root) {
  const std::vector<ControlGroup> found = find_groups(root);
  MemoryGroups groups{};
  const std::size_t count = std::min(found.size(), groups.size());
  // Of too many those that more processes share.
  std::transform(found.end() - static_cast<std::ptrdiff_t>(count), found.end(), groups.begin(),
                 [](const ControlGroup& group) { return group.identity; });
  return groups;
}

MemoryClaim::MemoryClaim(std::size_t bytes, Claims claims)
    : claims_(std::move(claims)), asked_(bytes), rest_(bytes), looked_at_(bytes) {
  // What is refused by itself must not stand in the way of others.
  if (asked_ >= kLookFrom) look(Beside::nobody);
  if (claims_.own == nullptr) return;
  claims_.own->fetch_add(rest_);
  try {
    if (asked_ >= kLookFrom) look(Beside::others);
  } catch (...) {
    claims_.own->fetch_sub(rest_);
    throw;
  }
}

MemoryClaim::~MemoryClaim() {
  if (claims_.own != nullptr) claims_.own->fetch_sub(rest_);
}

void MemoryClaim::took(std::size_t bytes) {
  constexpr std::size_t kLookEvery = std::size_t{64} << 20;
  rest_ -= bytes;
  if (claims_.own != nullptr) claims_.own->fetch_sub(bytes);
  if (rest_ == 0 || looked_at_ - rest_ < kLookEvery) return;
  looked_at_ = rest_;
  look(Beside::others);
}

void MemoryClaim::look(Beside beside) const {
  std::uint64_t least = UINT64_MAX;
  std::string refusal;
  for (const MemoryLimit& limit : memory_limits(claims_.root)) {
    const std::uint64_t others = beside == Beside::others ? claimed_by(claims_.others, limit.group) : 0;
    const std::uint64_t left = limit.available - std::min(limit.available, others);
    if (rest_ <= left || left >= least) continue;
    least = left;
    refusal = text(in_words(asked_), " of memory asked for",
                   rest_ < asked_ ? text(", ", in_words(rest_), " of it still to come") : "",
                   others > 0 ? text(", and ", in_words(others), " by other ranks at the same time") : "", "; ",
                   in_words(limit.available), " available ", limit.where);
  }
  if (!refusal.empty()) throw OutOfMemory(refusal);
}

void require_memory(std::size_t bytes) { const MemoryClaim claim(bytes, {}); }

std::string in_words(std::uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  auto number = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; number >= 1024; ++unit) number /= 1024;
  return text(std::round(number * 100) / 100, " ", kUnits[unit]);
}

}  // namespace tutti::detail
