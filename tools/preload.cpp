// `tutti preload`: becomes an MPI program whose collectives tutti serves.
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

#include "tools/command_line.hpp"
#include "tools/commands.hpp"

namespace tutti::tools {
namespace {

/// The library lies beside this program in a build, and where libraries lie in an installation.
std::filesystem::path find_preload() {
  const auto here = program_path().parent_path();
  auto beside = here / TUTTI_PRELOAD_NAME;
  if (std::filesystem::exists(beside)) return beside;
  const auto installed = here / TUTTI_PRELOAD_INSTALLED / TUTTI_PRELOAD_NAME;
  if (std::filesystem::exists(installed)) return std::filesystem::canonical(installed);
  throw DataError(text("preload: ", beside.string(), " is not there, nor is ", installed.lexically_normal().string(),
                       ": this build has no preload (configure with -DTUTTI_PRELOAD=ON and build tutti_mpi)"));
}

}  // namespace

void add_preload_command(CLI::App& app) {
  auto* command = app.add_subcommand(
      "preload",
      "Run an MPI program with its collectives served by tutti: mpirun -n N tutti preload PROGRAM [ARGUMENT...]");
  command->callback([] { throw InvalidArgument("preload: name the program to run"); });
}

void exec_preloaded(char** program) {
  const std::string library = find_preload().string();
  const char* const others = std::getenv("LD_PRELOAD");
  const bool alone = others == nullptr || *others == '\0';
  setenv("LD_PRELOAD", alone ? library.c_str() : (library + ":" + others).c_str(), 1);
  execvp(*program, program);
  throw DataError(text("preload: cannot start ", *program, ": ", std::strerror(errno)));
}

}  // namespace tutti::tools
