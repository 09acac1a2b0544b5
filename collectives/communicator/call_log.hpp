// The calls of a communicator on one rank: their numbers, and what ranks compare of them.
#pragma once

#include <array>
#include <cstdint>

#include <tutti/collectives/call/call.hpp>
#include <tutti/collectives/node/node_plan.hpp>
#include <tutti/collectives/watch/published_communicator.hpp>

namespace tutti::detail {

class CallLog {
 public:
  /// Calls are also shown and recorded by `published`, which stays.
  explicit CallLog(PublishedCommunicator& published) noexcept;
  CallLog(const CallLog&) = delete;
  CallLog& operator=(const CallLog&) = delete;

  /// Numbers of the next `count` operations: the first of them. Every rank takes the same in the same order.
  std::uint64_t take(int count = 1) noexcept {
    const std::uint64_t first = next_;
    next_ += static_cast<std::uint64_t>(count);
    published_.set_begun(next_);
    return first;
  }
  bool has_begun(std::uint64_t sequence) const noexcept { return sequence < next_; }

  /// The last operation that was started, without its number and history, and a digest of all; the same on every rank,
  /// or their calls differ.
  const Signature& last_call() const noexcept { return last_call_; }
  std::uint64_t history() const noexcept { return history_; }

  /// Remembers a call: whether all ranks make it at this place in their order, and whether all of them make it at all.
  /// `how` it runs, and when the clock is read for it, are for the flight recorder. Returns the digest of the call, or
  /// 0 where ranks do not compare calls.
  std::uint64_t record(const Header& header, bool in_order, bool of_all, const ExecutionInfo& how = {},
                       BeginTime timed = BeginTime::at_begin) noexcept;

  /// The same of a call of a known kind, which all ranks make at this place. Returns what ranks tell each other about
  /// it, which stays for 63 operations more; null where they do not compare calls.
  const KeptHeader* record(const CachedNodePlan& kind, std::uint64_t sequence, BeginTime timed) noexcept;

  /// A number for a kind of calls.
  std::uint64_t number_kind() noexcept { return ++kinds_; }

  /// Ranks compare what they call, unless what that costs is measured: then this is set on all of them, between
  /// operations, and calls that differ go unnoticed.
  bool compares() const noexcept { return compares_; }
  void set_compares(bool compares) noexcept { compares_ = compares; }

  /// What ranks compare of the calls before; a call that all ranks find not to have been made is forgotten.
  struct Mark {
    Signature last;
    std::uint64_t last_kind;
    std::uint64_t history;
  };
  Mark mark() const noexcept { return {last_call_, last_kind_, history_}; }
  void forget_since(const Mark& mark) noexcept {
    last_call_ = mark.last;
    last_kind_ = mark.last_kind;
    history_ = mark.history;
  }

  /// What ranks compare of operation `sequence`; null of a stage, a message, or a call of long ago.
  const Header* find(std::uint64_t sequence) const noexcept;

 private:
  PublishedCommunicator& published_;
  std::uint64_t next_ = 0;
  bool compares_ = true;
  std::uint64_t history_ = 0;
  Signature last_call_{};
  std::uint64_t last_kind_ = 0;          // its number, or 0
  std::uint64_t kinds_ = 0;              // that have a number
  std::array<KeptHeader, 64> recent_{};  // the last operations, by sequence modulo size
};

}  // namespace tutti::detail
