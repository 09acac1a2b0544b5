// What a control block says, read at one time and in plain values: for people, JSON and timelines.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include <tutti/collectives/system/process_stat.hpp>
#include <tutti/collectives/watch/block_view.hpp>

namespace tutti::detail {

inline std::string text_of(const ControlBlock::Name& name) { return {name.data(), strnlen(name.data(), name.size())}; }

/// An operation that was recorded.
struct OperationView {
  std::uint64_t number = 0;
  std::int64_t begin_ns = 0;  ///< of the process's monotonic clock
  std::optional<std::int64_t> end_ns = {};
  bool failed = false;
  bool is_message = false;
  std::string kind = {};  ///< "allreduce", "send"
  std::uint64_t sequence = 0;
  std::uint32_t communicator = 0;
  std::uint64_t count = 0;
  std::uint64_t bytes = 0;
  std::string dtype = {};  ///< empty where there are no data
  std::string op = {};     ///< empty where nothing is reduced
  std::optional<int> root = {};
  std::optional<int> peer = {};  ///< of a message; -1: any
  std::string algorithm = {};
  int radix = 0;
  int segments = 0;
};

/// "allreduce #7 (sum f32 x 1000)", "send to rank 2 (f32 x 10)".
std::string describe(const OperationView& operation);

enum class WaitMode : std::uint8_t { none, waits, tests };

struct CommunicatorView {
  std::uint32_t serial = 0;
  std::uint64_t stamp = 0;
  int rank = 0;
  int size = 1;
  bool failed = false;
  bool freed = false;
  std::uint64_t begun = 0;  ///< collectives below this number have been begun

  // How the process waits, if it does.
  WaitMode mode = WaitMode::none;
  std::string label = {};       ///< the operation in words
  std::uint64_t sequence = 0;   ///< UINT64_MAX: messages
  double waited_s = 0;          ///< without progress
  double looked_s = 0;          ///< since it last looked around
  bool anyone = false;          ///< any rank would do
  int awaited = 0;              ///< ranks that it waits for
  std::vector<int> ranks = {};  ///< the lowest of them
};

/// A process, without its operations.
struct ProcessView {
  std::string host = {};
  pid_t process = 0;  ///< where it was seen
  pid_t parent = 0;
  char state = '?';  ///< as ProcessStat's
  std::string program = {};
  std::string launcher_job = {};
  std::string batch_job = {};
  int world_rank = 0;
  int world_size = 1;
  bool finished = false;
  std::uint32_t unlisted = 0;  ///< communicators that had no room
  std::vector<CommunicatorView> communicators = {};

  std::string last;        ///< the operation that was begun last, in words; empty if none was
  bool last_runs = false;  ///< or is complete
  double last_s = 0;       ///< since it began, or ended
};

/// `stat` of the process, which is called `process` here.
ProcessView view_process(const BlockView& view, pid_t process, const ProcessStat& stat);

/// The communicators that the block still has, in the order in which they were made.
std::vector<CommunicatorView> view_communicators(const ControlBlock& block);

/// The operations that the block still has, oldest first.
std::vector<OperationView> view_operations(const ControlBlock& block, const Record* records);

/// How many operations came before them.
std::uint64_t dropped_operations(const ControlBlock& block);

}  // namespace tutti::detail
