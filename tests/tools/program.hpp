// Running the program `tutti` as a user runs it.
#pragma once

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/paths.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tools_test {

namespace test = tutti::test;

using tutti::test::read_file;
using tutti::test::TemporaryFolder;

struct Outcome {
  int status = -1;  ///< exit status; -1: it had to be killed
  std::string out;
  std::string err;
};

constexpr auto kLimit = std::chrono::seconds(60);

inline int wait_for(pid_t child) {
  const auto end = std::chrono::steady_clock::now() + kLimit;
  int status = 0;
  while (waitpid(child, &status, WNOHANG) == 0) {
    if (std::chrono::steady_clock::now() > end) {
      kill(child, SIGKILL);
      waitpid(child, &status, 0);
      return -1;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

inline Outcome run(std::vector<std::string> command) {
  const TemporaryFolder folder;
  const auto out = folder.path() / "out";
  const auto err = folder.path() / "err";
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, out.c_str(), O_WRONLY | O_CREAT, 0600);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, err.c_str(), O_WRONLY | O_CREAT, 0600);
  std::vector<char*> arguments;
  arguments.reserve(command.size() + 1);
  for (auto& argument : command) arguments.push_back(argument.data());
  arguments.push_back(nullptr);
  pid_t child = 0;
  const int failed = posix_spawn(&child, command.front().c_str(), &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) return {};
  Outcome outcome;
  outcome.status = wait_for(child);
  outcome.out = read_file(out);
  outcome.err = read_file(err);
  return outcome;
}

inline Outcome tutti(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), test::kTutti);
  return run(std::move(arguments));
}

inline Outcome on_ranks(int ranks, std::vector<std::string> arguments) {
  const std::vector<std::string> launch = {test::kMpirun, "-n", std::to_string(ranks), test::kTutti};
  arguments.insert(arguments.begin(), launch.begin(), launch.end());
  return run(std::move(arguments));
}

inline std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) ++n;
  return n;
}

inline bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace tools_test
