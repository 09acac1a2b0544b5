// Bucket reduce-scatter and all-gather; see bucket.hpp.
#include <tutti/collectives/schedule/algorithms/bucket.hpp>
#include <tutti/collectives/schedule/algorithms/two_way_ring.hpp>

namespace tutti {
namespace {

/// A dimension of the torus as a rank sees it: the ranks of its row, each with the run of blocks of all ranks that
/// differ from it in lower dimensions only.
class Row {
 public:
  Row(const Torus& torus, int rank, int dimension) noexcept
      : side_(torus.side(dimension)),
        run_(torus.stride(dimension)),
        own_(torus.coordinate(rank, dimension)),
        first_(rank - rank % (run_ * side_)),
        right_(torus.moved(rank, dimension, 1)),
        left_(torus.moved(rank, dimension, -1)) {}

  TwoWayHops hops() const noexcept { return TwoWayHops(side_); }
  int right() const noexcept { return right_; }
  int left() const noexcept { return left_; }

  /// The run of the rank `steps` to the right, -side < steps < side.
  Blocks blocks(int steps) const noexcept { return {first_ + wrap(own_ + steps, side_) * run_, run_}; }

 private:
  int side_;
  int run_;
  int own_;
  int first_;
  int right_;
  int left_;
};

int bucket_rounds(const Shape& shape) noexcept {
  const Torus torus = bucket_torus(shape);
  int rounds = 0;
  for (int d = 0; d < torus.dimensions(); ++d) rounds += TwoWayHops(torus.side(d)).right;
  return rounds;
}

void bucket_all_gather_round(const Position& at, int index, Round& round) {
  const Torus torus = bucket_torus(at.shape());
  if (index == 0) round.copies.push_back({Slot::input, Slot::output, {at.rank, 1}});
  int dimension = 0;
  for (; index >= TwoWayHops(torus.side(dimension)).right; ++dimension)
    index -= TwoWayHops(torus.side(dimension)).right;
  const Row row(torus, at.rank, dimension);
  round.sends.push_back({row.right(), Slot::output, row.blocks(-index)});
  round.receives.push_back({row.left(), Slot::output, row.blocks(-index - 1)});
  if (index >= row.hops().left) return;
  round.sends.push_back({row.left(), Slot::output, row.blocks(index)});
  round.receives.push_back({row.right(), Slot::output, row.blocks(index + 1)});
}

// Both chains of a run end at its rank in the last round of a dimension, so the shorter one begins later. Sums stay in
// scratch until the last of them is the own block.
void bucket_reduce_scatter_round(const Position& at, int index, Round& round) {
  const Torus torus = bucket_torus(at.shape());
  int dimension = torus.dimensions() - 1;
  for (; index >= TwoWayHops(torus.side(dimension)).right; --dimension)
    index -= TwoWayHops(torus.side(dimension)).right;
  const Row row(torus, at.rank, dimension);
  const TwoWayHops hops = row.hops();
  const Slot own = dimension == torus.dimensions() - 1 ? Slot::input : Slot::scratch;
  const Slot to = dimension == 0 && index == hops.right - 1 ? Slot::output : Slot::scratch;
  const int to_go = hops.right - index;
  round.sends.push_back({row.right(), index == 0 ? own : Slot::scratch, row.blocks(to_go)});
  round.receives.push_back({row.left(), to, row.blocks(to_go - 1), Reduction::incoming_left, own});
  if (to_go > hops.left) return;
  round.sends.push_back({row.left(), to_go == hops.left ? own : Slot::scratch, row.blocks(-to_go)});
  round.receives.push_back({row.right(), to, row.blocks(-to_go + 1), Reduction::incoming_right, own});
}

}  // namespace

Torus bucket_torus(const Shape& shape) noexcept {
  return shape.torus ? shape.torus.refined(1) : Torus::most_even(shape.size);
}

const Algorithm kBucketReduceScatter = {.name = "bucket",
                                        .collective = Collective::reduce_scatter,
                                        .single_block = false,
                                        .blocks = block_per_rank,
                                        .rounds = bucket_rounds,
                                        .round = bucket_reduce_scatter_round,
                                        .needs_scratch = scratch_everywhere};

const Algorithm kBucketAllGather = {.name = "bucket",
                                    .collective = Collective::all_gather,
                                    .single_block = false,
                                    .blocks = block_per_rank,
                                    .rounds = bucket_rounds,
                                    .round = bucket_all_gather_round,
                                    .needs_scratch = no_scratch};

}  // namespace tutti
