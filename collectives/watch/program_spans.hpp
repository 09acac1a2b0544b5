// Stretches of time of the program's own work, for timelines of this process (TraceSpan of flight_recorder.hpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

namespace tutti::detail {

struct ProgramSpan {
  const char* name;  ///< of a text that stays
  std::int64_t begin_ns;
  std::int64_t end_ns;
};

/// Those of this process. From any thread.
class ProgramSpans {
 public:
  static ProgramSpans& get();

  /// Whether TUTTI_TRACE asks for a timeline, as found at the first call.
  bool are_kept() const noexcept { return are_kept_; }

  /// Keeps a span; beyond kMost, nothing.
  void add(const ProgramSpan& span) noexcept;

  std::vector<ProgramSpan> all() const;

 private:
  static constexpr std::size_t kMost = std::size_t{1} << 20;

  ProgramSpans();

  const bool are_kept_;
  mutable std::mutex mutex_;
  std::vector<ProgramSpan> spans_;
};

}  // namespace tutti::detail
