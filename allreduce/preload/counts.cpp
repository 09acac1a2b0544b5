// Counting; see counts.hpp.
#include "allreduce/preload/counts.hpp"

#include <unistd.h>

#include <atomic>
#include <cstdio>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::preload {
namespace {

struct SharedTally {
  std::atomic<std::uint64_t> calls = 0;
  std::atomic<std::uint64_t> bytes = 0;

  void add(std::uint64_t more_calls, std::uint64_t more_bytes) noexcept {
    calls.fetch_add(more_calls, std::memory_order_relaxed);
    bytes.fetch_add(more_bytes, std::memory_order_relaxed);
  }
};

// Of the process: an interposed function has no argument that could carry it.
std::array<SharedTally, kOperations> all_served;
std::array<SharedTally, kOperations> all_passed;
std::array<std::atomic<std::uint64_t>, kOperations> all_started;
std::atomic<std::uint64_t> communicators_served = 0;
std::atomic<std::uint64_t> communicators_passed = 0;
std::atomic<bool> counting = false;
std::atomic<bool> tells = false;
int own_rank = 0;
pid_t own_process = 0;

std::string line(std::size_t i) {
  const std::uint64_t served = all_served[i].calls;
  const std::uint64_t passed = all_passed[i].calls;
  const std::uint64_t started = all_started[i];
  if (served + passed + started == 0) return {};
  return text("tutti preload: rank ", own_rank, ": ", kNames[i], ": served ", served, " (", all_served[i].bytes.load(),
              " bytes), passed ", passed, " (", all_passed[i].bytes.load(), " bytes), non-blocking or persistent ",
              started, "\n");
}

/// For programs that end without MPI_Finalize: after all that they do at their end, in which they may call it.
[[gnu::destructor]] void print_last() { print_report(); }

}  // namespace

void set_report(Report report, int rank) {
  own_rank = rank;
  own_process = getpid();
  counting = report == Report::all || (report == Report::first && rank == 0);
  tells = counting.load();
}

bool counts() noexcept { return counting.load(std::memory_order_relaxed); }

void count_passed(Operation operation, std::uint64_t bytes) noexcept { all_passed[index(operation)].add(1, bytes); }

void count_started(Operation operation) noexcept {
  all_started[index(operation)].fetch_add(1, std::memory_order_relaxed);
}

void count_communicator(bool served) noexcept {
  (served ? communicators_served : communicators_passed).fetch_add(1, std::memory_order_relaxed);
}

void add_counts(const Counts& counts) noexcept {
  for (std::size_t i = 0; i < kOperations; ++i) {
    all_served[i].add(counts.served[i].calls, counts.served[i].bytes);
    all_passed[i].add(counts.passed[i].calls, counts.passed[i].bytes);
  }
}

void print_report() noexcept {
  if (getpid() != own_process || !tells.exchange(false)) return;  // a child of the program's has nothing to tell
  std::string lines;
  for (std::size_t i = 0; i < kOperations; ++i) lines += line(i);
  lines += text("tutti preload: rank ", own_rank, ": communicators: served ", communicators_served.load(), ", passed ",
                communicators_passed.load(), "\n");
  std::fputs(lines.c_str(), stderr);
}

}  // namespace tutti::preload
