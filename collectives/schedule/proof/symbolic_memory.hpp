// The memory of one rank in a symbolic replay: instead of elements a block holds the list of contributions it was made
// from, in order. For the verifier's own sources.
#pragma once

#include <algorithm>
#include <cstdint>
#include <tuple>
#include <vector>

#include <tutti/collectives/schedule/schedule.hpp>

namespace tutti::detail {

/// One contribution: block `block` of the input of `rank`.
struct Atom {
  std::int16_t rank;
  std::int16_t block;
  friend bool operator==(const Atom&, const Atom&) = default;
  friend bool operator<(const Atom& a, const Atom& b) { return std::tie(a.rank, a.block) < std::tie(b.rank, b.block); }
};
using Value = std::vector<Atom>;

/// Which contributions are followed: all of them, or with many ranks those to a few blocks, since every block of a
/// schedule is treated alike but for its place.
class Sample {
 public:
  explicit Sample(int blocks) {
    if (blocks <= kAll) return;
    for (const int b : {0, 1, blocks / 2, blocks - 1}) followed_.push_back(b);
  }
  bool follows(int block) const {
    return followed_.empty() || std::find(followed_.begin(), followed_.end(), block) != followed_.end();
  }

 private:
  static constexpr int kAll = 300;
  std::vector<int> followed_;
};

/// What a collective gives the rank is there from the start; everything else has to be written before it is read.
class SymbolicMemory {
 public:
  /// Of the rank at `at`, with `blocks` blocks in every slot; `sample` tells which contributions are followed.
  SymbolicMemory(const Algorithm& algorithm, const Position& at, int blocks, bool in_place, const Sample& sample);

  /// What a place holds. \throws Refuted if the slot does not hold this block, or nothing has been written there.
  const Value& read(Slot slot, int block);

  /// \throws Refuted if the slot does not hold this block, or is the input.
  void write(Slot slot, int block, Value value);

  /// The final value of a place that the collective defines.
  const Value& result(int block) { return cell(Slot::output, block).value; }

  /// What a rank in a barrier has heard of, itself included.
  Value& heard() { return heard_; }

  /// Whether two places are the same memory.
  bool same(Slot a, Slot b) const noexcept { return a == b || (in_place_ && a != Slot::scratch && b != Slot::scratch); }

 private:
  struct Cell {
    bool written = false;
    Value value;
  };

  Cell& cell(Slot slot, int block);
  void check(Slot slot, int block) const;

  const Algorithm& algorithm_;
  Position at_;
  bool in_place_;
  bool has_scratch_;
  std::vector<Cell> slots_[3];
  Value heard_;
};

}  // namespace tutti::detail
