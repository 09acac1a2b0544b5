// How many calls and bytes were served and passed, and the lines at the end that tell.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "allreduce/preload/operations.hpp"
#include "allreduce/preload/settings.hpp"

namespace tutti::preload {

struct Tally {
  std::uint64_t calls = 0;
  std::uint64_t bytes =
      0;  ///< of the data that all ranks know of: in a broadcast its buffer, in an all-gather all blocks
};

/// Of a communicator, which one thread at a time uses.
struct Counts {
  std::array<Tally, kOperations> served;
  std::array<Tally, kOperations> passed;
};

/// Whether to count at all, and who tells: before any thread but the first can call.
void set_report(Report report, int rank);
bool counts() noexcept;

/// Counts what passes without a communicator of tutti's.
void count_passed(Operation operation, std::uint64_t bytes) noexcept;

/// Counts a non-blocking or persistent form, which passes.
void count_started(Operation operation) noexcept;

/// Counts a communicator that the program made: whether its calls may be served.
void count_communicator(bool served) noexcept;

/// Adds those of a communicator that is freed.
void add_counts(const Counts& counts) noexcept;

/// Prints what was counted on standard error, once, if this rank is to tell.
void print_report() noexcept;

}  // namespace tutti::preload
