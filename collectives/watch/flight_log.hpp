// The last operations of this process, in a ring that others may read at any time.
//
// An operation costs a line of the cache that is written, and one or two readings of the clock. No lock, no memory, no
// system call.
#pragma once

#include <atomic>
#include <cstdint>

#include <tutti/collectives/watch/control_block.hpp>

namespace tutti::detail {

/// What is recorded of an operation when it begins.
struct FlightRecord {
  std::uint64_t sequence = 0;  ///< UINT64_MAX of messages
  std::uint64_t count = 0;
  std::uint64_t bytes = 0;
  std::uint32_t communicator = 0;
  std::int32_t peer = 0;
  std::uint8_t collective = 0;
  std::uint8_t dtype = 0;
  std::uint8_t op = 0;
  std::uint8_t algorithm = 0;
  std::uint16_t radix = 0;
  std::uint16_t segments = 0;
};

class FlightRecorder {
 public:
  /// Records nothing.
  FlightRecorder() = default;

  /// `concurrent`: several threads may be in operations at one time. `precise`: the clock is read for every beginning
  /// and every end, for a timeline.
  FlightRecorder(ControlBlock& block, Record* records, bool concurrent, bool precise) noexcept
      : block_(&block), records_(records), mask_(block.record_count - 1), concurrent_(concurrent), precise_(precise) {}

  bool records() const noexcept { return block_ != nullptr; }
  std::uint64_t ticks() const noexcept { return read_ticks(block_->tick_source); }

  /// Records that an operation begins, and returns its number, 0 if nothing is recorded. Without `timed` its beginning
  /// is read from the clock by set_begin(), or else by end(), unless all are precise.
  std::uint64_t begin(const FlightRecord& flight, bool timed = true) noexcept {
    if (!records()) return 0;
    const std::uint64_t number = take_number();
    Record& record = at(number);
    if (concurrent_ && record.number.load(std::memory_order_relaxed) > number) return 0;  // overtaken by a whole round
    const auto put = [](auto& field, auto value) { field.store(value, std::memory_order_relaxed); };
    put(record.number, std::uint64_t{0});
    std::atomic_thread_fence(std::memory_order_release);
    put(record.begin, timed || precise_ ? ticks() : 0);
    put(record.end, std::uint64_t{0});
    put(record.sequence, flight.sequence);
    put(record.count, flight.count);
    put(record.bytes, flight.bytes);
    put(record.communicator, flight.communicator);
    put(record.peer, flight.peer);
    put(record.what, flight.collective | std::uint32_t{flight.dtype} << 8 | std::uint32_t{flight.op} << 16 |
                         std::uint32_t{flight.algorithm} << 24);
    put(record.cut, flight.radix | std::uint32_t{flight.segments} << 16);
    record.number.store(number, std::memory_order_release);
    return number;
  }

  /// Reads the clock for an operation that has begun without; whether it had.
  bool set_begin(std::uint64_t number) noexcept {
    if (!is_here(number) || at(number).begin.load(std::memory_order_relaxed) != 0) return false;
    at(number).begin.store(ticks(), std::memory_order_relaxed);
    return true;
  }

  /// The operation is over. `at_once`: so soon after its beginning that this is not read from the clock again.
  void end(std::uint64_t number, bool failed, bool at_once = false) noexcept {
    if (!is_here(number)) return;
    Record& record = at(number);
    std::uint64_t begun = record.begin.load(std::memory_order_relaxed);
    const std::uint64_t now = at_once && !precise_ && begun != 0 ? begun : ticks();
    if (begun == 0) record.begin.store(now, std::memory_order_relaxed);
    record.end.store(now | (failed ? Record::kFailed : 0), std::memory_order_release);
  }

  /// The operation was not made, by any rank: there is no record of it.
  void forget(std::uint64_t number) noexcept {
    if (is_here(number)) at(number).number.store(0, std::memory_order_relaxed);
  }

  /// The other rank of a message that any could send.
  void set_peer(std::uint64_t number, std::int32_t peer) noexcept {
    if (is_here(number)) at(number).peer.store(peer, std::memory_order_relaxed);
  }

  /// Whether record `number` is that of the operation: later ones may have taken its place.
  bool is_of(std::uint64_t number, std::uint32_t communicator, std::uint64_t sequence) const noexcept {
    return is_here(number) && at(number).communicator.load(std::memory_order_relaxed) == communicator &&
           at(number).sequence.load(std::memory_order_relaxed) == sequence;
  }

  /// The number of the operation's record; 0 if it is not there any more.
  std::uint64_t find(std::uint32_t communicator, std::uint64_t sequence) const noexcept;

 private:
  Record& at(std::uint64_t number) const noexcept { return records_[number & mask_]; }
  bool is_here(std::uint64_t number) const noexcept {
    return number != 0 && at(number).number.load(std::memory_order_relaxed) == number;
  }

  std::uint64_t take_number() noexcept {
    if (concurrent_) return block_->recorded.fetch_add(1, std::memory_order_relaxed) + 1;
    const std::uint64_t number = block_->recorded.load(std::memory_order_relaxed) + 1;
    block_->recorded.store(number, std::memory_order_relaxed);
    return number;
  }

  ControlBlock* block_ = nullptr;
  Record* records_ = nullptr;
  std::uint64_t mask_ = 0;
  bool concurrent_ = true;
  bool precise_ = false;
};

}  // namespace tutti::detail
