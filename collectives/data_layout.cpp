// Addresses of blocks; see data_layout.hpp.
#include <tutti/collectives/data_layout.hpp>
#include <tutti/collectives/table.hpp>
#include <tutti/kernels/crc32c.hpp>

namespace tutti::detail {
namespace {

Segments cut(const Call& call, const Plan& plan, const Shape& shape, std::span<const std::size_t> offsets) {
  return {call.data_count, plan.algorithm->blocks(shape), plan.segments, has_bound_blocks(call.collective), offsets};
}

std::uint32_t way_of(const Plan& plan) noexcept {
  const int numbers[] = {plan.radix, plan.segments};
  return crc32c(std::as_bytes(std::span(numbers)), digest_of(*plan.algorithm));
}

}  // namespace

Signature signature(const Call& call, const Plan& plan, int row, std::uint64_t sequence,
                    std::uint64_t history) noexcept {
  return {.sequence = sequence,
          .count = call.data_count,
          .history = history,
          .way = way_of(plan),
          .variant = call.variant,
          .root = call.root,
          .collective = call.collective,
          .dtype = call.dtype,
          .op = call.stated_op.value_or(call.op),
          .algorithm = static_cast<std::uint8_t>(row)};
}

DataLayout::DataLayout(const Call& call, const Plan& plan, const Position& at)
    : call_(call),
      at_(at),
      blocks_(plan.algorithm->blocks(at.shape())),
      segments_(cut(call, plan, at.shape(), call.offsets)),
      input_segments_(cut(call, plan, at.shape(), call.input_offsets.empty() ? call.offsets : call.input_offsets)) {}

std::byte* DataLayout::address(Slot slot, std::size_t element) const noexcept {
  std::size_t origin = 0;
  void* base = nullptr;
  switch (slot) {
    case Slot::input:
      base = const_cast<void*>(call_.input.data);  // only read: the verifier proves that no schedule writes its input
      if (has_own_input(call_.collective)) origin = segments_.block_begin(at_.rank);
      break;
    case Slot::output:
      base = call_.output.data;
      if (has_own_output(call_.collective)) origin = segments_.block_begin(at_.rank);
      break;
    case Slot::scratch:
      base = scratch_;
      break;
  }
  return static_cast<std::byte*>(base) + (element - origin) * call_.element_bytes();
}

Parts DataLayout::parts(int segment, Slot slot, const Blocks& blocks) const noexcept {
  Parts parts{};
  int i = 0;
  for (const BlockRange range : blocks) {
    parts.range[i] = segments(slot).range(segment, range);
    parts.bytes[i] = bytes(parts.range[i]);
    ++i;
  }
  return parts;
}

DataLayout::Move DataLayout::move(int segment, const Copy& copy) const noexcept {
  const ElementRange elements = segments(copy.from).range(segment, copy.blocks);
  const ElementRange there = segments(copy.to).range(segment, {copy.blocks.first + copy.shift, copy.blocks.count});
  const std::byte* from = address(copy.from, elements);
  std::byte* to = address(copy.to, there);
  if (from == to) return {nullptr, nullptr, 0};
  return {from, to, bytes(elements)};
}

ElementRange DataLayout::result(int segment) const noexcept {
  if (call_.collective == Collective::reduce && at_.rank != at_.root) return {0, 0};
  const bool own_only = call_.collective == Collective::reduce_scatter;
  return segments_.range(segment, own_only ? BlockRange{at_.rank, 1} : BlockRange{0, blocks_});
}

}  // namespace tutti::detail
