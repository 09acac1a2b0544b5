// Keeping the program's spans; see program_spans.hpp.
#include <cstdlib>
#include <new>

#include <tutti/collectives/watch/program_spans.hpp>

namespace tutti::detail {

ProgramSpans& ProgramSpans::get() {
  static auto* const the_spans = new ProgramSpans;  // used until the process ends
  return *the_spans;
}

ProgramSpans::ProgramSpans()
    : are_kept_([] {
        const char* const wanted = std::getenv("TUTTI_TRACE");
        return wanted != nullptr && *wanted != '\0';
      }()) {}

void ProgramSpans::add(const ProgramSpan& span) noexcept {
  const std::lock_guard lock(mutex_);
  if (spans_.size() >= kMost) return;
  try {
    spans_.push_back(span);
  } catch (const std::bad_alloc&) {  // a timeline is no reason to fail
  }
}

std::vector<ProgramSpan> ProgramSpans::all() const {
  const std::lock_guard lock(mutex_);
  return spans_;
}

}  // namespace tutti::detail
