// How long ranks take for something that they do together, again and again.
#pragma once

#include <cstdint>
#include <vector>

#include <tutti/collectives/communicator.hpp>

namespace tutti::tools {

/// When this rank began and ended, once for each time.
class Spans {
 public:
  template <class Body>
  void time(Body body) {
    begins_.push_back(now());
    body();
    ends_.push_back(now());
  }

  /// Once without this rank.
  void skip();

  bool empty() const { return begins_.empty(); }
  void clear();

  /// Microseconds of each time, valid on rank 0; at least one rank took part in each. Collective.
  ///
  /// On one node, whose processes share a clock, from the first rank's begin to the last one's end. The longest of the
  /// ranks' own times would be less where ranks share cores or do not wait for each other: a rank that begins late
  /// finds its data there and ends at once. Nodes share no clock: over several it is the longest of the own times.
  std::vector<double> microseconds(const Communicator& comm) const;

 private:
  static std::int64_t now();  ///< nanoseconds

  std::vector<std::int64_t> begins_;
  std::vector<std::int64_t> ends_;
};

}  // namespace tutti::tools
