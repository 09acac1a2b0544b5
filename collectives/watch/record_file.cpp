// Writing the flight record; see record_file.hpp.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include <tutti/collectives/flight_recorder.hpp>
#include <tutti/collectives/watch/own_block.hpp>
#include <tutti/collectives/watch/record_file.hpp>
#include <tutti/kernels/clock.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>
#include <tutti/kernels/whole_file.hpp>

namespace tutti::detail {
namespace {

constexpr int kTimeDigits = 9;

std::string wait_as_json(const CommunicatorView& view) {
  std::string ranks;
  for (const int rank : view.ranks) ranks += text(ranks.empty() ? "" : ", ", rank);
  JsonWriter wait;
  wait.add("operation", view.label).add_raw("waited_s", fixed(view.waited_s, kTimeDigits));
  wait.add("tests", view.mode == WaitMode::tests).add("any_rank", view.anyone).add("awaited", view.awaited);
  return wait.add_raw("ranks", text('[', ranks, ']')).str();
}

std::string communicator_as_json(const CommunicatorView& view) {
  std::array<char, 20> stamp{};
  std::snprintf(stamp.data(), stamp.size(), "%016llx", static_cast<unsigned long long>(view.stamp));
  const char* const state = view.failed ? "failed" : view.freed ? "freed" : "usable";
  JsonWriter object;
  object.add("id", view.serial).add("stamp", stamp.data()).add("rank", view.rank).add("ranks", view.size);
  object.add("state", state).add("begun", view.begun);
  if (view.mode != WaitMode::none) object.add_raw("wait", wait_as_json(view));
  return object.str();
}

std::string operation_as_json(const OperationView& view, std::int64_t zero_ns) {
  const auto seconds = [&](std::int64_t ns) { return fixed(static_cast<double>(ns - zero_ns) * 1e-9, kTimeDigits); };
  JsonWriter object;
  object.add("number", view.number).add("kind", view.kind);
  object.add_raw("begin_s", seconds(view.begin_ns)).add_raw("end_s", view.end_ns ? seconds(*view.end_ns) : "null");
  return add_details(object, view).str();
}

template <class Items, class Write>
std::string array_of(const Items& items, Write write) {
  std::string out;
  for (const auto& item : items) out += text(out.empty() ? "\n  " : ",\n  ", write(item));
  return text('[', out, ']');
}

}  // namespace

JsonWriter& add_details(JsonWriter& object, const OperationView& view) {
  object.add("communicator", view.communicator);
  if (!view.is_message) object.add("sequence", view.sequence);
  if (view.peer) object.add("peer", *view.peer);
  object.add("count", view.count).add("dtype", view.dtype);
  if (!view.op.empty()) object.add("op", view.op);
  if (view.root) object.add("root", *view.root);
  object.add("bytes", view.bytes);
  if (!view.is_message) object.add("algorithm", view.algorithm).add("radix", view.radix).add("segments", view.segments);
  return object.add("state", view.failed ? "failed" : view.end_ns ? "complete" : "running");
}

std::string record_as_json(const ControlBlock& block, const Record* records, std::string_view why) {
  const std::vector<OperationView> operations = view_operations(block, records);
  JsonWriter object;
  object.add("format", "tutti flight record 1").add("host", text_of(block.host)).add("pid", block.process);
  object.add("rank", block.world_rank).add("ranks", block.world_size).add("program", text_of(block.program));
  object.add("launcher_job", text_of(block.launcher_job)).add("batch_job", text_of(block.batch_job));
  object.add("written", now_in_utc());
  if (!why.empty()) object.add("why", why);
  object.add_raw("epoch_s", fixed(static_cast<double>(block.made.realtime_ns) * 1e-9, 6));
  object.add_raw("communicators", array_of(view_communicators(block), communicator_as_json));
  object.add("dropped", dropped_operations(block));
  object.add_raw("operations", array_of(operations, [&](const OperationView& operation) {
                   return operation_as_json(operation, block.made.monotonic_ns);
                 }));
  return object.str() + '\n';
}

std::string record_path(const ControlBlock& block) {
  const char* const said = std::getenv("TUTTI_FLIGHT_RECORD");
  if (said == nullptr || *said == '\0') return {};
  std::error_code none;
  if (std::filesystem::is_directory(said, none)) return text(said, "/tutti-record-", block.world_rank, ".json");
  std::string path;
  for (const char* at = said; *at != '\0'; ++at) {
    if (*at != '%' || at[1] == '\0') {
      path += *at;
      continue;
    }
    switch (*++at) {
      case 'r':
        path += text(block.world_rank);
        break;
      case 'h':
        path += block.host.data();
        break;
      case 'p':
        path += text(block.process);
        break;
      case 'j':
        path += block.launcher_job[0] != '\0' ? block.launcher_job.data() : block.batch_job.data();
        break;
      case '%':
        path += '%';
        break;
      default:
        path += text('%', *at);
    }
  }
  return path;
}

void write_record_on_error(std::string_view why) noexcept {
  try {
    OwnBlock& own = OwnBlock::get();
    const std::string path = record_path(own.block());
    if (!path.empty()) write_whole_file(path, record_as_json(own.block(), own.records(), why));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "tutti: warning: the flight record was not written: %s\n", error.what());
  }
}

}  // namespace tutti::detail

namespace tutti {

void write_flight_record(const std::string& path) {
  detail::OwnBlock* const own = detail::OwnBlock::find();
  if (own == nullptr) throw InvalidArgument("write_flight_record: this process has made no communicator yet");
  write_whole_file(path, detail::record_as_json(own->block(), own->records()));
}

}  // namespace tutti
