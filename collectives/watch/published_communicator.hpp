// A communicator as its process shows it to others: which it is, how it waits, and its operations in the flight
// recorder.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include <tutti/collectives/call/call.hpp>
#include <tutti/collectives/watch/flight_log.hpp>

namespace tutti::detail {

class OwnBlock;

/// How an operation runs, for messages to people. By default as the engine for ranks of one node does.
struct ExecutionInfo {
  std::string_view name = "node memory";  ///< in memory that stays
  int radix = 0;
  int segments = 1;
  std::size_t element_bytes = 0;  ///< 0: those of the type
};

/// When the clock is read for the beginning of an operation.
enum class BeginTime : std::uint8_t {
  at_begin,
  when_it_waits,  ///< or when it ends, if that is before: a reading less for those that take no time to speak of
};

/// A wait without progress.
struct ShownWait {
  bool tests = false;  ///< looks now and then instead of waiting
  std::uint64_t sequence = 0;
  std::chrono::steady_clock::time_point since;
  std::chrono::steady_clock::time_point now;
  std::string label;
  bool anyone = false;
  std::set<int> awaited;
};

class PublishedCommunicator {
 public:
  /// Shows nothing: for builds that run in a simulator.
  PublishedCommunicator() = default;

  PublishedCommunicator(OwnBlock& own, std::uint64_t stamp, int rank, int size);
  ~PublishedCommunicator();
  PublishedCommunicator(const PublishedCommunicator&) = delete;
  PublishedCommunicator& operator=(const PublishedCommunicator&) = delete;

  bool is_shown() const noexcept { return own_ != nullptr; }

  /// The number of the communicator in its process, as others are shown it.
  std::uint32_t number() const noexcept { return serial_; }

  // ---- Collectives, by their sequence numbers

  /// What the flight recorder tells of such a call, whatever its number.
  FlightRecord flight_of(const Signature& call, const ExecutionInfo& how) noexcept;

  void begin(FlightRecord flight, std::uint64_t sequence, BeginTime timed) noexcept {
    flight.sequence = sequence;
    recent_[sequence % recent_.size()] = {sequence, recorder_.begin(flight, timed == BeginTime::at_begin)};
  }

  /// This rank takes no part in the operation, and has no record of it.
  void leave_out(std::uint64_t sequence) noexcept { recent_[sequence % recent_.size()] = {sequence, 0}; }

  /// The operation, which was recorded, turned out not to be made.
  void forget(std::uint64_t sequence) noexcept { recorder_.forget(number_of(sequence)); }

  /// Reads the clock for the beginning of one that began without; whether it had.
  bool begins_to_wait(std::uint64_t sequence) noexcept { return recorder_.set_begin(number_of(sequence)); }

  void end(std::uint64_t sequence, bool failed, bool at_once) noexcept {
    recorder_.end(number_of(sequence), failed, at_once);
  }

  // ---- Messages, by the numbers of their records

  std::uint64_t begin_message(std::uint8_t kind, int peer, DType dtype, std::uint64_t count) noexcept;
  FlightRecorder& recorder() noexcept { return recorder_; }

  // ---- What others see

  void set_begun(std::uint64_t sequence) noexcept {
    if (entry_ != nullptr) entry_->begun.store(sequence, std::memory_order_relaxed);
  }
  void set_failed() noexcept {
    show_nothing();
    set_state(CommunicatorEntry::failed);
  }
  void show(const ShownWait& wait) noexcept;
  void show_nothing() noexcept;

 private:
  std::uint64_t number_of(std::uint64_t sequence) const noexcept {
    const Recent& recent = recent_[sequence % recent_.size()];
    return recent.sequence == sequence ? recent.number : find(sequence);
  }
  std::uint64_t find(std::uint64_t sequence) const noexcept;
  std::uint8_t algorithm_number(std::string_view name) noexcept;
  void set_state(CommunicatorEntry::State state) noexcept {
    if (entry_ != nullptr) entry_->state.store(state, std::memory_order_relaxed);
  }

  OwnBlock* own_ = nullptr;
  FlightRecorder recorder_;
  std::uint32_t serial_ = 0;
  CommunicatorEntry* entry_ = nullptr;  // null also if there was no room for it

  struct Recent {
    std::uint64_t sequence = UINT64_MAX;
    std::uint64_t number = 0;  // of its record; 0: it has none
  };
  std::array<Recent, 64> recent_{};  // by sequence modulo size

  struct KnownAlgorithm {
    const char* name = nullptr;
    std::uint8_t number = 0;
  };
  std::array<KnownAlgorithm, 16> algorithms_{};  // by address
};

}  // namespace tutti::detail
