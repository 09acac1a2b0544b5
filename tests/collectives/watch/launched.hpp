// Ranks that a test starts, looks at from outside, and ends.
#pragma once

#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/paths.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tutti::test {

using Environment = std::map<std::string, std::string>;

/// A command, which is ended with this object if it has not ended before. Its output goes to a file.
class Running {
 public:
  Running(std::vector<std::string> command, const std::string& output, const Environment& more = {}) {
    std::vector<std::string> environment;
    for (char** entry = environ; *entry != nullptr; ++entry) {
      const std::string said = *entry;
      if (more.count(said.substr(0, said.find('='))) == 0) environment.push_back(said);
    }
    for (const auto& [name, value] : more) environment.push_back(std::string(name).append("=").append(value));
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
    if (posix_spawn(&process_, command.front().c_str(), &actions, nullptr, pointers(command).data(),
                    pointers(environment).data()) != 0) {
      process_ = -1;
    }
    posix_spawn_file_actions_destroy(&actions);
  }
  ~Running() {
    if (process_ > 0) kill(process_, SIGTERM);  // mpirun then ends its ranks
    if (!wait_for(std::chrono::seconds(10)) && process_ > 0) {
      kill(process_, SIGKILL);
      waitpid(process_, nullptr, 0);
    }
  }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

  pid_t process() const { return process_; }

  /// Whether it ends in time; then its exit status is known.
  bool wait_for(std::chrono::milliseconds limit) {
    const auto end = std::chrono::steady_clock::now() + limit;
    int status = 0;
    while (process_ > 0 && waitpid(process_, &status, WNOHANG) == 0) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    if (process_ > 0) status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    process_ = -1;
    return true;
  }
  int status() const { return status_; }

 private:
  static std::vector<char*> pointers(std::vector<std::string>& words) {
    std::vector<char*> all;
    all.reserve(words.size() + 1);
    for (std::string& word : words) all.push_back(word.data());
    all.push_back(nullptr);
    return all;
  }

  pid_t process_ = -1;
  int status_ = -1;
};

/// Asks again until it is so, for at most so long.
inline bool comes_true(const std::function<bool()>& is_so, std::chrono::milliseconds limit = std::chrono::seconds(30)) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!is_so()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return true;
}

/// watch_ranks under mpirun, which does not end the others when one dies. Temporary files of MPI lie in the folder too.
class Ranks {
 public:
  /// Each rank is started by `wrapper`, if there is one.
  Ranks(int count, std::vector<std::string> scenario, Environment environment = {},
        const std::vector<std::string>& wrapper = {})
      : count_(count) {
    mkdir((folder() + "/tmp").c_str(), 0700);
    environment.emplace("TMPDIR", folder() + "/tmp");
    std::vector<std::string> command = {test::kMpirun, "--enable-recovery", "-n", std::to_string(count)};
    command.insert(command.end(), wrapper.begin(), wrapper.end());
    command.insert(command.end(), {test::kWatchRanks, folder()});
    command.insert(command.end(), scenario.begin(), scenario.end());
    running_ = std::make_unique<Running>(std::move(command), folder() + "/out", environment);
  }

  std::string folder() const { return folder_.path().string(); }
  std::string output() const { return read_file(folder() + "/out"); }
  Running& mpirun() { return *running_; }

  /// What rank `rank` has said: lines.
  std::vector<std::string> said(int rank) const {
    std::ifstream file(folder() + '/' + std::to_string(rank));
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    return lines;
  }

  bool all_run() const {
    return comes_true([&] {
      for (int rank = 0; rank < count_; ++rank) {
        if (said(rank).size() < 2) return false;
      }
      return true;
    });
  }

  pid_t process_of(int rank) const { return std::stoi(said(rank).at(0).substr(std::string("process ").size())); }

  /// What mpirun has started, in the order of ranks.
  std::vector<pid_t> children() const {
    const std::string mpirun = std::to_string(running_->process());
    std::ifstream file("/proc/" + mpirun + "/task/" + mpirun + "/children");
    std::vector<pid_t> all;
    for (pid_t child = 0; file >> child;) all.push_back(child);
    std::sort(all.begin(), all.end());
    return all;
  }

  void go() const { write_file(folder() + "/go", ""); }

 private:
  TemporaryFolder folder_;
  int count_;
  std::unique_ptr<Running> running_;  // ended before its folder is removed
};

/// Runs `tutti` and returns what it printed; its exit status in `status`.
inline std::string run_tutti(std::vector<std::string> arguments, int& status) {
  const TemporaryFolder folder;
  const std::string output = (folder.path() / "out").string();
  arguments.insert(arguments.begin(), test::kTutti);
  Running running(std::move(arguments), output);
  running.wait_for(std::chrono::seconds(30));
  status = running.status();
  return read_file(output);
}

}  // namespace tutti::test
