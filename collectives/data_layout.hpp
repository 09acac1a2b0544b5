// Where the blocks of a call lie: slots, segments and blocks turned into addresses.
#pragma once

#include <cstddef>

#include <tutti/collectives/call.hpp>
#include <tutti/collectives/choice.hpp>
#include <tutti/collectives/message_sizes.hpp>
#include <tutti/collectives/schedule.hpp>
#include <tutti/collectives/segments.hpp>

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

/// What ranks compare of `call` as `plan` runs it; `row` is the index of its algorithm in the table.
Signature signature(const Call& call, const Plan& plan, int row, std::uint64_t sequence,
                    std::uint64_t history) noexcept;

class DataLayout {
 public:
  /// `call`, which stays, as the rank at `at` runs it by `plan`.
  DataLayout(const Call& call, const Plan& plan, const Position& at);

  /// Memory for the scratch slot, call.data_bytes() long.
  void set_scratch(std::byte* scratch) noexcept { scratch_ = scratch; }

  int segment_count() const noexcept { return segments_.segments(); }
  const Segments& segments(Slot slot) const noexcept { return slot == Slot::input ? input_segments_ : segments_; }

  std::size_t bytes(const ElementRange& elements) const noexcept { return elements.count * call_.element_bytes(); }
  std::byte* address(Slot slot, std::size_t element) const noexcept;

  /// Null for no elements, whose place may lie outside of what the slot holds.
  std::byte* address(Slot slot, const ElementRange& elements) const noexcept {
    return elements.count == 0 ? nullptr : address(slot, elements.first);
  }

  /// Elements at `data` as operands of a reduction.
  Buffer buffer(std::byte* data, const ElementRange& elements) const noexcept {
    return {data, bytes(elements) / size_of(call_.dtype), call_.dtype};
  }

  Parts parts(int segment, Slot slot, const Blocks& blocks) const noexcept;

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
  const Call& call_;
  Position at_;
  int blocks_;
  Segments segments_;
  Segments input_segments_;  ///< the same, unless input and output are cut differently
  std::byte* scratch_ = nullptr;
};

}  // namespace tutti::detail
