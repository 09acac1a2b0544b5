// What a process shows of itself to whoever may look: its ranks, the operation it is in, whom it waits for, and a ring
// of its last operations.
//
// One block a process, in an anonymous file that the process keeps open: it can be read while the process is stopped,
// and is gone with it. The layout is fixed, and its version is written at its head. Only the owner writes, with plain
// stores of single fields; what must be read together has a number that is 0 or odd while it is written, so that a
// torn reading is noticed and left out. Readers are processes of the same user: local ranks, and `tutti ps`.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include <tutti/collectives/system/ticks.hpp>

namespace tutti::detail {

/// The file's name, by which it is found: a link /proc/PID/fd/N to "/memfd:tutti-rollcall (deleted)".
inline constexpr char kBlockName[] = "tutti-rollcall";

inline constexpr std::uint64_t kBlockMagic = 0x6C6C6F7269747474;  // any number that nothing else begins with
inline constexpr std::uint32_t kBlockVersion = 1;

/// Operations that are remembered, and with TUTTI_TRACE.
inline constexpr std::uint32_t kRecords = 1024;
inline constexpr std::uint32_t kTracedRecords = 1 << 17;

/// In place of a Collective in records: messages between two ranks.
inline constexpr std::uint8_t kSend = 250;
inline constexpr std::uint8_t kReceive = 251;

/// An operation. Times are ticks.
struct alignas(64) Record {
  static constexpr std::uint64_t kFailed = std::uint64_t{1} << 63;  ///< in `end`

  std::atomic<std::uint64_t> number;    ///< from 1 on, in the order of beginning; 0 while this is written
  std::atomic<std::uint64_t> begin;     ///< 0: not read from the clock yet
  std::atomic<std::uint64_t> end;       ///< 0: still running
  std::atomic<std::uint64_t> sequence;  ///< of a collective in its communicator; a message has none
  std::atomic<std::uint64_t> count;
  std::atomic<std::uint64_t> bytes;         ///< of all its blocks together
  std::atomic<std::uint32_t> communicator;  ///< serial number
  std::atomic<std::int32_t> peer;           ///< root; of a message the other rank, -1 for any
  std::atomic<std::uint32_t> what;          ///< Collective, DType, ReduceOp, algorithm, from the lowest byte up
  std::atomic<std::uint32_t> cut;           ///< radix, and in the upper half segments; what does not fit is 65535
};
static_assert(sizeof(Record) == 64);

/// How a process waits on a communicator: written while it makes no progress, so that it costs nothing while it does.
struct Wait {
  enum Mode : std::uint32_t {
    none,
    waits,  ///< inside a call that returns when the operation is complete
    tests,  ///< now and then, and the operation is not complete
  };
  static constexpr std::size_t kNamed = 32;
  static constexpr std::size_t kWords = 15;

  std::atomic<std::uint32_t> version;  ///< odd while this is written
  std::atomic<std::uint32_t> mode;
  std::atomic<std::uint64_t> sequence;  ///< of a collective; UINT64_MAX: in messages
  std::atomic<std::int64_t> since;      ///< no progress from then on: nanoseconds of the monotonic clock
  std::atomic<std::int64_t> looked;     ///< when the process last looked around
  std::atomic<std::uint32_t> anyone;    ///< whether any rank of the communicator would do
  std::atomic<std::uint32_t> awaited;   ///< ranks that it waits for
  std::array<std::atomic<std::int32_t>, kNamed> ranks;   ///< the lowest of them
  std::array<std::atomic<std::uint64_t>, kWords> label;  ///< the operation in words, NUL-padded
};

/// A communicator of the process.
struct alignas(64) CommunicatorEntry {
  enum State : std::uint32_t { usable, failed, freed };

  std::atomic<std::uint32_t> serial;  ///< from 1 on; 0: nothing is here, or it is being written
  std::atomic<std::uint32_t> state;
  std::atomic<std::uint64_t> stamp;  ///< the same on all its ranks
  std::atomic<std::int32_t> rank;
  std::atomic<std::int32_t> size;
  std::atomic<std::uint64_t> begun;  ///< collectives below this number have been begun
  Wait wait;
};

struct ControlBlock {
  static constexpr std::size_t kCommunicators = 64;
  static constexpr std::size_t kAlgorithms = 128;
  using Name = std::array<char, 64>;

  std::atomic<std::uint64_t> magic;  ///< written last
  std::uint32_t version;
  std::uint32_t record_count;  ///< a power of two; the records follow the block
  std::uint64_t start_time;    ///< of the process (/proc/PID/stat), by which it is known from one of its children
  std::int32_t process;        ///< as it sees itself
  std::int32_t parent;
  std::int32_t world_rank;
  std::int32_t world_size;
  TickSource tick_source;
  std::uint32_t unused;
  Moment made;        ///< when the block was
  Name host;          ///< NUL-terminated, as all names
  Name launcher_job;  ///< the launcher's name of the job; empty if it has none
  Name batch_job;     ///< the batch system's: job, or job.step
  Name program;

  std::atomic<std::uint32_t> finished;  ///< 1 once the process is in MPI_Finalize
  std::atomic<std::uint32_t> unlisted;  ///< communicators for which there was no room
  std::atomic<std::uint64_t> recorded;  ///< the last record's number
  std::atomic<std::uint32_t> way_count;
  std::array<std::array<char, 32>, kAlgorithms> algorithms;  ///< how operations run, by the number that records have
  std::array<CommunicatorEntry, kCommunicators> communicators;
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free && std::atomic<std::int32_t>::is_always_lock_free);

/// Where the records begin, and where the block ends with them.
inline constexpr std::size_t kRecordsOffset = (sizeof(ControlBlock) + 4095) / 4096 * 4096;
constexpr std::size_t block_bytes(std::uint32_t records) noexcept { return kRecordsOffset + records * sizeof(Record); }

}  // namespace tutti::detail
