// Addresses of blocks; see data_layout.hpp.
#include <tutti/collectives/call/data_layout.hpp>

namespace tutti::detail {
namespace {

Segments cut(const Call& call, const SchedulePlan& plan, std::span<const std::size_t> offsets) {
  return {call.data_count, plan.schedule->blocks(), plan.segments, has_bound_blocks(call.collective), offsets};
}

}  // namespace

Signature signature(const Call& call, const SchedulePlan& plan, std::uint64_t sequence,
                    std::uint64_t history) noexcept {
  return {.sequence = sequence,
          .count = call.data_count,
          .history = history,
          .plan = plan.digest,
          .variant = call.variant,
          .root = call.root,
          .collective = call.collective,
          .dtype = call.dtype,
          .op = call.stated_op.value_or(call.op),
          .algorithm = static_cast<std::uint8_t>(plan.row)};
}

// Input is only read: the verifier proves that no schedule writes it.
DataLayout::DataLayout(const Call& call, const SchedulePlan& plan, std::byte* scratch)
    : call_(call),
      at_(plan.schedule->at()),
      blocks_(plan.schedule->blocks()),
      element_bytes_(call.element_bytes()),
      units_(call.function ? element_bytes_ / size_of(call.dtype) : 1),
      segments_(cut(call, plan, call.offsets)),
      input_segments_(call.input_offsets.empty() ? segments_ : cut(call, plan, call.input_offsets)),
      places_{{static_cast<std::byte*>(const_cast<void*>(call.input.data)),
               has_own_input(call.collective) ? segments_.block_begin(at_.rank) : 0},
              {static_cast<std::byte*>(call.output.data),
               has_own_output(call.collective) ? segments_.block_begin(at_.rank) : 0},
              {scratch, 0}} {}

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
