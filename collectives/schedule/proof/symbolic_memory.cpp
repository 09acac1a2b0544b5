// The memory of one rank in a symbolic replay; see symbolic_memory.hpp.
#include <utility>

#include <tutti/collectives/schedule/proof/refutation.hpp>
#include <tutti/collectives/schedule/proof/symbolic_memory.hpp>

namespace tutti::detail {
namespace {

const char* name(Slot slot) {
  constexpr const char* kNames[] = {"input", "output", "scratch"};
  return kNames[static_cast<int>(slot)];
}

}  // namespace

SymbolicMemory::SymbolicMemory(const Algorithm& algorithm, const Position& at, int blocks, bool in_place,
                               const Sample& sample)
    : algorithm_(algorithm),
      at_(at),
      in_place_(in_place),
      has_scratch_(algorithm.needs_scratch(at)),
      heard_{{static_cast<std::int16_t>(at.rank), 0}} {
  for (auto& slot : slots_) slot.resize(static_cast<std::size_t>(blocks));
  const Collective collective = algorithm.collective;
  const bool only_root = collective == Collective::broadcast || collective == Collective::scatter;
  for (int b = 0; b < blocks; ++b) {
    if (only_root && at.rank != at.root) break;
    if (has_own_input(collective) && b != at.rank) continue;
    Cell& held = cell(collective == Collective::broadcast ? Slot::output : Slot::input, b);
    held.written = true;
    if (sample.follows(b)) held.value = {{static_cast<std::int16_t>(at.rank), static_cast<std::int16_t>(b)}};
  }
}

const Value& SymbolicMemory::read(Slot slot, int block) {
  check(slot, block);
  const Cell& held = cell(slot, block);
  if (!held.written) refute("rank ", at_.rank, " reads block ", block, " of ", name(slot), " before it is written");
  return held.value;
}

void SymbolicMemory::write(Slot slot, int block, Value value) {
  check(slot, block);
  if (slot == Slot::input) refute("rank ", at_.rank, " writes its input");
  cell(slot, block) = {true, std::move(value)};
}

SymbolicMemory::Cell& SymbolicMemory::cell(Slot slot, int block) {
  if (in_place_ && slot == Slot::input) slot = Slot::output;
  return slots_[static_cast<std::size_t>(slot)][static_cast<std::size_t>(block)];
}

void SymbolicMemory::check(Slot slot, int block) const {
  const Collective collective = algorithm_.collective;
  const bool is_root = at_.rank == at_.root;
  bool missing = false;
  bool own_only = false;
  switch (slot) {
    case Slot::input:
      missing = collective == Collective::broadcast || (collective == Collective::scatter && !is_root);
      own_only = has_own_input(collective);
      break;
    case Slot::output:
      missing = (collective == Collective::reduce || collective == Collective::gather) && !is_root;
      own_only = has_own_output(collective);
      break;
    case Slot::scratch:
      missing = !has_scratch_;
      break;
  }
  if (missing || (own_only && block != at_.rank) || block < 0 || static_cast<std::size_t>(block) >= slots_[0].size()) {
    refute("rank ", at_.rank, " has no block ", block, " in ", name(slot));
  }
}

}  // namespace tutti::detail
