#include "tools/report/gnuplot.hpp"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::tools {
namespace {

struct CloseFile {
  void operator()(std::FILE* file) const noexcept { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

/// A nameless temporary file. Files rather than pipes: neither side can block the other, whatever the amounts.
File temporary_file() {
  File file(std::tmpfile());
  if (!file) throw DataError(text("report: cannot make a temporary file: ", std::strerror(errno)));
  return file;
}

std::string contents(std::FILE* file) {
  std::rewind(file);
  std::string all;
  std::array<char, 65536> part{};
  for (std::size_t n = 0; (n = std::fread(part.data(), 1, part.size(), file)) > 0;) all.append(part.data(), n);
  return all;
}

/// The exit status of `child`, or -1 if it had to be killed after `limit`.
int wait_for(pid_t child, std::chrono::milliseconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  int status = 0;
  for (;;) {
    const pid_t done = waitpid(child, &status, WNOHANG);
    if (done == child || (done < 0 && errno != EINTR)) return status;
    if (std::chrono::steady_clock::now() >= end) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  kill(child, SIGKILL);
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return -1;
}

int spawn(pid_t& child, const char* program, std::FILE* in, std::FILE* out, std::FILE* err) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, fileno(in), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, fileno(out), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, fileno(err), STDERR_FILENO);
  std::string name = program;
  std::string dash = "-";
  std::array<char*, 3> arguments = {name.data(), dash.data(), nullptr};
  const int failed = posix_spawnp(&child, program, &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  return failed;
}

}  // namespace

GnuplotResult run_gnuplot(const std::string& script, std::chrono::milliseconds limit) {
  const File in = temporary_file();
  const File out = temporary_file();
  const File err = temporary_file();
  std::fwrite(script.data(), 1, script.size(), in.get());
  if (std::fflush(in.get()) != 0) return {.output = {}, .problem = "its script could not be written", .missing = false};
  std::rewind(in.get());

  const char* named = std::getenv("TUTTI_GNUPLOT");
  const char* program = named != nullptr ? named : "gnuplot";
  pid_t child = 0;
  if (const int failed = spawn(child, program, in.get(), out.get(), err.get()); failed != 0) {
    if (failed == ENOENT) return {.output = {}, .problem = "gnuplot is not installed", .missing = true};
    return {.output = {}, .problem = text("gnuplot cannot be started: ", std::strerror(failed)), .missing = false};
  }
  const int status = wait_for(child, limit);
  if (status == -1)
    return {.output = {}, .problem = text("gnuplot did not end within ", limit.count(), " ms"), .missing = false};
  if (status != 0) {
    const std::string said = contents(err.get());
    const auto begin = said.find_first_not_of(" \n\t");
    const std::string line =
        begin == std::string::npos ? "" : ": " + said.substr(begin, said.find('\n', begin) - begin);
    return {.output = {}, .problem = "gnuplot failed" + line, .missing = false};
  }
  return {.output = contents(out.get()), .problem = {}, .missing = false};
}

}  // namespace tutti::tools
