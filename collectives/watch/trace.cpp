// Events of a timeline; see trace.hpp.
#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include <tutti/collectives/system/json_writer.hpp>
#include <tutti/collectives/transport/bounded_mpi.hpp>
#include <tutti/collectives/watch/own_block.hpp>
#include <tutti/collectives/watch/process_view.hpp>
#include <tutti/collectives/watch/record_file.hpp>
#include <tutti/collectives/watch/trace.hpp>
#include <tutti/kernels/text.hpp>
#include <tutti/kernels/whole_file.hpp>

namespace tutti::detail {
namespace {

/// Lanes in which events of a communicator lie that do not overlap.
class Lanes {
 public:
  std::size_t take(std::uint32_t communicator, std::int64_t begin_ns, std::int64_t end_ns) {
    const auto is_free = [&](const Lane& lane) { return lane.communicator == communicator && lane.end <= begin_ns; };
    auto lane = std::find_if(lanes_.begin(), lanes_.end(), is_free);
    if (lane == lanes_.end()) lane = lanes_.insert(lane, {communicator, 0});
    lane->end = end_ns;
    return static_cast<std::size_t>(lane - lanes_.begin());
  }

  std::size_t count() const noexcept { return lanes_.size(); }

  /// "communicator 1", and "communicator 1, beside" for what overlaps that.
  std::string name(std::size_t lane) const {
    const auto same = [&](const Lane& other) { return other.communicator == lanes_[lane].communicator; };
    const bool beside = std::any_of(lanes_.begin(), lanes_.begin() + static_cast<std::ptrdiff_t>(lane), same);
    return text("communicator ", lanes_[lane].communicator, beside ? ", beside" : "");
  }

 private:
  struct Lane {
    std::uint32_t communicator;
    std::int64_t end;
  };
  std::vector<Lane> lanes_;
};

std::string microseconds(std::int64_t ns) { return fixed(static_cast<double>(ns) * 1e-3, 3); }

/// What a viewer writes beside events: those of a rank, or of one of its lanes.
std::string metadata(const ControlBlock& block, const char* name, const char* key, const std::string& value,
                     std::optional<std::size_t> lane = std::nullopt) {
  JsonWriter object;
  object.add("name", name).add("ph", "M").add("pid", block.world_rank);
  if (lane) object.add("tid", *lane);
  return object.add_raw("args", text("{\"", key, "\": ", value, "}")).str();
}

std::string process_events(const ControlBlock& block, std::uint64_t dropped) {
  std::string label = text("rank ", block.world_rank, " (pid ", block.process, " on ", text_of(block.host), ")");
  if (dropped > 0) label += text(", without its first ", dropped, " operations");
  return metadata(block, "process_name", "name", json_string(label)) + ",\n" +
         metadata(block, "process_sort_index", "sort_index", text(block.world_rank));
}

}  // namespace

std::string trace_events(const ControlBlock& block, const Record* records, const Alignment& alignment,
                         std::int64_t zero_ns, std::span<const ProgramSpan> spans) {
  std::vector<OperationView> operations = view_operations(block, records);
  const std::int64_t now = monotonic_ns();
  std::string events = process_events(block, dropped_operations(block));
  std::stable_sort(operations.begin(), operations.end(),
                   [](const OperationView& a, const OperationView& b) { return a.begin_ns < b.begin_ns; });
  Lanes lanes;
  for (const OperationView& view : operations) {
    const std::int64_t end = view.end_ns.value_or(now);
    // Where no timeline was asked for when the process began, the clock is read once for a call that is over at once:
    // when it was is known, and not how long it took.
    const bool timed = end > view.begin_ns;
    JsonWriter event;
    event.add("name", view.kind).add("cat", view.is_message ? "message" : "collective").add("ph", timed ? "X" : "i");
    event.add_raw("ts", microseconds(alignment.aligned(view.begin_ns) - zero_ns));
    if (timed) {
      event.add_raw("dur", microseconds(end - view.begin_ns));
    } else {
      event.add("s", "t");
    }
    event.add("pid", block.world_rank).add("tid", lanes.take(view.communicator, view.begin_ns, end));
    JsonWriter details;
    event.add_raw("args", add_details(details, view).str());
    events += ",\n" + event.str();
  }
  for (std::size_t lane = 0; lane < lanes.count(); ++lane) {
    events += ",\n" + metadata(block, "thread_name", "name", json_string(lanes.name(lane)), lane);
    events += ",\n" + metadata(block, "thread_sort_index", "sort_index", text(lane + 1), lane);
  }
  if (spans.empty()) return events;
  const std::size_t lane = lanes.count();
  for (const ProgramSpan& span : spans) {
    JsonWriter event;
    event.add("name", span.name).add("cat", "program").add("ph", "X");
    event.add_raw("ts", microseconds(alignment.aligned(span.begin_ns) - zero_ns));
    event.add_raw("dur", microseconds(span.end_ns - span.begin_ns));
    event.add("pid", block.world_rank).add("tid", lane);
    events += ",\n" + event.str();
  }
  events += ",\n" + metadata(block, "thread_name", "name", json_string("program"), lane);
  return events + ",\n" + metadata(block, "thread_sort_index", "sort_index", "0", lane);
}

constexpr std::string_view kHead = "{\"displayTimeUnit\": \"ns\", \"traceEvents\": [\n";
constexpr std::string_view kTail = "\n]}\n";

std::string trace_file(std::string_view events) { return text(kHead, events, kTail); }

void write_merged_trace(BoundedMpi& ranks, const std::string& path, Alignment alignment) {
  ranks.barrier();
  ranks.postpone_limit(std::chrono::seconds(2) * ranks.size());
  OwnBlock& own = OwnBlock::get();
  alignment.add(measure_clock_offset(ranks));
  const std::vector<std::int64_t> made = ranks.all_gather(alignment.aligned(own.block().made.monotonic_ns));
  const std::int64_t zero = *std::min_element(made.begin(), made.end());
  const std::string events = trace_events(own.block(), own.records(), alignment, zero, ProgramSpans::get().all());
  const std::vector<std::int64_t> sizes = ranks.all_gather(static_cast<std::int64_t>(events.size()));
  if (ranks.rank() != 0) {
    ranks.send(0, events);
    return;
  }
  WholeFile file(path);
  file.append(kHead);
  file.append(events);
  for (int rank = 1; rank < ranks.size(); ++rank) {
    file.append(",\n");
    file.append(ranks.receive(rank, static_cast<std::size_t>(sizes[static_cast<std::size_t>(rank)])));
  }
  file.append(kTail);
  file.publish();
}

}  // namespace tutti::detail
