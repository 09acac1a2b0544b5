// Spans of the program in timelines; see flight_recorder.hpp.
#include <tutti/collectives/flight_recorder.hpp>
#include <tutti/collectives/system/ticks.hpp>
#include <tutti/collectives/watch/program_spans.hpp>

namespace tutti {

TraceSpan::TraceSpan(const char* name) noexcept
    : name_(name), begin_ns_(detail::ProgramSpans::get().are_kept() ? detail::monotonic_ns() : 0) {}

TraceSpan::~TraceSpan() {
  if (begin_ns_ != 0) detail::ProgramSpans::get().add({name_, begin_ns_, detail::monotonic_ns()});
}

}  // namespace tutti
