// Where the blocks of a call lie: slots, segments and blocks turned into addresses.
#pragma once

#include <cstddef>

#include <tutti/collectives/call/call.hpp>
#include <tutti/collectives/call/plan_cache.hpp>
#include <tutti/collectives/schedule/message_sizes.hpp>
#include <tutti/collectives/schedule/schedule.hpp>
#include <tutti/collectives/schedule/segments.hpp>

namespace tutti::detail {

/// The ranges of a message's blocks in one segment. Both travel in one message if that is small, otherwise each in its
/// own.
struct Parts {
  ElementRange range[2];
  std::size_t bytes[2];

  std::size_t total() const noexcept { return bytes[0] + bytes[1]; }
  bool is_single() const noexcept { return bytes[0] == 0 || bytes[1] == 0; }
  bool is_packed() const noexcept { return !is_single() && total() <= kPackedBytes; }
  bool is_split() const noexcept { return !is_single() && !is_packed(); }
};

/// What ranks compare of `call` as it runs by `plan`.
Signature signature(const Call& call, const SchedulePlan& plan, std::uint64_t sequence, std::uint64_t history) noexcept;

class DataLayout {
 public:
  /// Of `call`, which stays, as it runs by `plan`. `scratch` is memory for the scratch slot, call.data_bytes() long, if
  /// the schedule needs any.
  DataLayout(const Call& call, const SchedulePlan& plan, std::byte* scratch);

  int segment_count() const noexcept { return segments_.segments(); }
  const Segments& segments(Slot slot) const noexcept { return slot == Slot::input ? input_segments_ : segments_; }

  std::size_t bytes(const ElementRange& elements) const noexcept { return elements.count * element_bytes_; }
  std::byte* address(Slot slot, std::size_t element) const noexcept {
    const Place& place = places_[static_cast<std::size_t>(slot)];
    return place.base + (element - place.origin) * element_bytes_;
  }

  /// Null for no elements, whose place may lie outside of what the slot holds.
  std::byte* address(Slot slot, const ElementRange& elements) const noexcept {
    return elements.count == 0 ? nullptr : address(slot, elements.first);
  }

  /// Elements at `data` as operands of a reduction.
  Buffer buffer(std::byte* data, const ElementRange& elements) const noexcept {
    return {data, elements.count * units_, call_.dtype};
  }

  Parts parts(int segment, Slot slot, const Blocks& blocks) const noexcept {
    Parts parts{};
    int i = 0;
    for (const BlockRange range : blocks) {
      parts.range[i] = segments(slot).range(segment, range);
      parts.bytes[i] = bytes(parts.range[i]);
      ++i;
    }
    return parts;
  }

  /// Where `copy` takes a segment from and to; both null if nothing has to be done.
  struct Move {
    const std::byte* from;
    std::byte* to;
    std::size_t bytes;
  };
  Move move(int segment, const Copy& copy) const noexcept;

  /// What a segment of a reduction leaves in this rank's output; no elements if the result is elsewhere.
  ElementRange result(int segment) const noexcept;

 private:
  /// A slot: `base` is where element `origin` lies.
  struct Place {
    std::byte* base;
    std::size_t origin;
  };

  const Call& call_;
  const Position& at_;  // of the schedule, which stays
  int blocks_;
  std::size_t element_bytes_;
  std::size_t units_;  // of the call's dtype in an element
  Segments segments_;
  Segments input_segments_;  // the same, unless input and output are cut differently
  Place places_[3];          // by slot
};

}  // namespace tutti::detail
