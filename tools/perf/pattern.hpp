// Inputs whose results are known exactly, and the check against them.
//
// Element i of what rank r contributes in iteration k is a small integer, a function of r and of the position (i + 17
// k) mod 251. The integers are small enough that every partial result, in whatever order the ranks are reduced, is a
// whole number that the element type holds exactly. So the result is compared bit by bit, and since the period 251 is
// prime and moves on with every iteration, a block that is misplaced, missing, counted twice or left over from the call
// before is seen.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <tutti/kernels/buffer.hpp>
#include <tutti/kernels/reduce.hpp>

namespace tutti::tools {

class Pattern {
 public:
  /// Contributions to a reduction by `op` over `ranks` ranks. \throws InvalidArgument if `op` does not go with `dtype`.
  static Pattern for_reduction(DType dtype, ReduceOp op, int ranks);

  /// Data to be moved: differs between ranks at every position (for up to 113 ranks).
  static Pattern for_movement(DType dtype, int ranks);

  /// Fills `out` with elements [first, first + out.count) of what `rank` contributes in `iteration`.
  void fill(Buffer out, int rank, std::size_t first, int iteration) const;

  /// How many elements of `got` differ from elements [first, first + got.count) of what `rank` contributed in
  /// `iteration`.
  std::size_t count_wrong(ConstBuffer got, int rank, std::size_t first, int iteration) const;

  /// The same against the reduction over all ranks; only after for_reduction().
  std::size_t count_wrong_result(ConstBuffer got, std::size_t first, int iteration) const;

 private:
  using Tile = std::vector<std::byte>;  ///< several periods in a row, so that copies and comparisons are long

  Pattern(DType dtype, int ranks) : dtype_(dtype), contributions_(static_cast<std::size_t>(ranks)) {}
  std::size_t compare(ConstBuffer got, const Tile& tile, std::size_t first, int iteration) const;

  DType dtype_;
  std::vector<Tile> contributions_;
  Tile result_;
};

}  // namespace tutti::tools
