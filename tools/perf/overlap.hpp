// How much of a started collective hides behind computation.
#pragma once

#include <cstddef>
#include <functional>

#include <tutti/collectives/communicator.hpp>

namespace tutti::tools {

/// The share of the shorter of two times that a run of both together saves: 1 if it takes no longer than the longer of
/// them, 0 if it takes their sum or more. All in one unit; 0 if a time is not positive.
double overlap_of(double communication, double computation, double both);

/// Computation of a length that is set beforehand: a fixed number of steps in registers, in pieces, so that it takes
/// longer if the core is shared, as a program's own would.
class Computation {
 public:
  /// Finds out how fast this rank computes. Takes some milliseconds.
  Computation();

  /// About `microseconds` of an undisturbed core, in pieces of about `interval` microseconds (a last one is not cut
  /// short: all are equally long). Both are positive.
  void set_length(double microseconds, double interval);

  std::size_t pieces() const noexcept { return pieces_; }

  /// Computes, and calls `between` after every piece but the last.
  void run(const std::function<void()>& between) const;

 private:
  double steps_per_microsecond_;
  std::size_t pieces_ = 1;
  std::size_t steps_per_piece_ = 1;
};

}  // namespace tutti::tools
