// How calls run, remembered so that one like another before is neither checked nor planned again.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include <tutti/collectives/call/call.hpp>
#include <tutti/collectives/schedule/compiled_schedule.hpp>

namespace tutti::detail {

/// How a call that has been found right runs by a schedule.
struct SchedulePlan {
  std::shared_ptr<const CompiledSchedule> schedule;
  int segments = 1;
  int row = 0;               ///< of the algorithm in its table
  std::uint32_t digest = 0;  ///< of the algorithm, radix and segments: what signatures compare
};

/// All that the check of a call and the choice of its way depend on, but for whether input and output overlap. Calls
/// that name an algorithm, have a function or a count of every rank's own depend on more.
struct CallKey {
  const void* table;
  std::size_t data_count;
  std::size_t input_count;
  std::size_t output_count;
  std::size_t segment_bytes;
  std::uint64_t root_and_radix;
  std::uint64_t kinds;  ///< collective, operator, types, spaces, and which buffers there are; a byte each, or a bit

  /// `of_table` is that of the algorithms. A stage of another operation runs otherwise than the same call as a whole.
  CallKey(const void* of_table, const Call& call, bool is_stage) noexcept
      : table(of_table),
        data_count(call.data_count),
        input_count(call.input.count),
        output_count(call.output.count),
        segment_bytes(call.options.segment_bytes),
        root_and_radix(
            joined(static_cast<std::uint32_t>(call.root), static_cast<std::uint32_t>(call.options.radix), 32)),
        kinds(is_stage ? 1 : 0) {
    kinds = joined(kinds, call.input.data != nullptr ? 1 : 0, 1);
    kinds = joined(kinds, call.output.data != nullptr ? 1 : 0, 1);
    kinds = joined(kinds, static_cast<std::uint64_t>(call.input.space), 3);
    kinds = joined(kinds, static_cast<std::uint64_t>(call.output.space), 3);
    for (const DType dtype : {call.dtype, call.input.dtype, call.output.dtype}) {
      kinds = joined(kinds, static_cast<std::uint64_t>(dtype), 8);
    }
    kinds = joined(kinds, static_cast<std::uint64_t>(call.op), 8);
    kinds = joined(kinds, static_cast<std::uint64_t>(call.collective), 8);
  }

  static bool describes(const Call& call) noexcept {
    // Which rule a call has follows from the rest of it.
    return (call.options.algorithm.empty() || call.rule != nullptr) && !call.function && !call.is_uneven();
  }

  friend bool operator==(const CallKey&, const CallKey&) = default;

 private:
  static std::uint64_t joined(std::uint64_t high, std::uint64_t low, int bits) noexcept { return high << bits | low; }
};

/// What was found of recent kinds of calls, of one rank in a group.
template <class Found>
class PlanCache {
 public:
  /// Null if it is not known.
  const Found* find(const CallKey& kind) const noexcept {
    const std::optional<Known>& known = recent_[place_of(kind)];
    return known && known->kind == kind ? &known->found : nullptr;
  }

  /// What is returned stays until another kind takes its place.
  const Found& remember(const CallKey& kind, const Found& found) {
    return recent_[place_of(kind)].emplace(kind, found).found;
  }

 private:
  struct Known {
    CallKey kind;
    Found found;
    Known(const CallKey& k, const Found& f) : kind(k), found(f) {}
  };

  // Roots that follow each other have places that do.
  std::size_t place_of(const CallKey& kind) const noexcept {
    const std::size_t key = kind.data_count * 31 + kind.segment_bytes * 7 + (kind.root_and_radix & UINT32_MAX) * 3 +
                            (kind.kinds & UINT8_MAX);
    return ((key * 0x9E3779B97F4A7C15U >> 32) + (kind.root_and_radix >> 32)) % recent_.size();
  }

  std::array<std::optional<Known>, 64> recent_;
};

}  // namespace tutti::detail
