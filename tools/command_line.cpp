#include "tools/command_line.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>

#include <tutti/kernels/byte_size.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::tools {
namespace {

/// The first of the environment's variables that is set, as a number.
int first_number(std::initializer_list<const char*> variables, int otherwise) {
  for (const char* variable : variables) {
    if (const char* value = std::getenv(variable)) return std::atoi(value);
  }
  return otherwise;
}

}  // namespace

std::size_t parse_size(std::string_view option, std::string_view text) {
  const std::optional<std::size_t> bytes = byte_size_from_text(text);
  if (bytes) return *bytes;
  throw InvalidArgument(
      tutti::text(option, ": '", text, "' is not a size; write bytes as digits with an optional K, M or G"));
}

std::string format_size(std::size_t bytes) { return byte_size_text(bytes); }

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
