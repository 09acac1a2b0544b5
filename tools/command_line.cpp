#include "tools/command_line.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <vector>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

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

/// The first of the environment's variables that is set, as a number.
int first_number(std::initializer_list<const char*> variables, int otherwise) {
  for (const char* variable : variables) {
    if (const char* value = std::getenv(variable)) return std::atoi(value);
  }
  return otherwise;
}

}  // namespace

std::size_t parse_size(std::string_view option, std::string_view text) {
  const auto fail = [&] {
    return InvalidArgument(
        tutti::text(option, ": '", text, "' is not a size; write bytes as digits with an optional K, M or G"));
  };
  std::uint64_t number = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (status != std::errc() || end == text.data()) throw fail();
  std::string_view suffix(end, static_cast<std::size_t>(text.data() + text.size() - end));
  int shift = 0;
  if (!suffix.empty()) {
    switch (suffix.front()) {
      case 'k':
      case 'K':
        shift = 10;
        break;
      case 'm':
      case 'M':
        shift = 20;
        break;
      case 'g':
      case 'G':
        shift = 30;
        break;
      default:
        break;
    }
    if (shift != 0) suffix.remove_prefix(1);
    if (!suffix.empty() && suffix != "B" && (shift == 0 || suffix != "iB")) throw fail();
  }
  if (number > (std::uint64_t{1} << 62 >> shift)) throw fail();
  return static_cast<std::size_t>(number << shift);
}

std::string format_size(std::size_t bytes) {
  constexpr std::size_t kKilo = 1024;
  std::string_view suffix = "";
  for (const std::string_view larger : {"K", "M", "G"}) {
    if (bytes < kKilo || bytes % kKilo != 0) break;
    bytes /= kKilo;
    suffix = larger;
  }
  return text(bytes, suffix);
}

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

int launched_rank() { return first_number({"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID"}, 0); }

int launched_ranks() { return first_number({"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"}, 1); }

std::filesystem::path program_path() { return std::filesystem::read_symlink("/proc/self/exe"); }

void finish_output() {
  errno = 0;
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return;
  if (errno == EBADF) return;
  throw Error(std::string("standard output cannot be written: ") + std::strerror(errno != 0 ? errno : EIO));
}

void print_error(std::string_view message) {
  std::string line(message);
  std::replace(line.begin(), line.end(), '\n', ' ');
  while (!line.empty() && line.back() == ' ') line.pop_back();
  std::fprintf(stderr, "tutti: error: %s\n", line.c_str());
}

}  // namespace tutti::tools
