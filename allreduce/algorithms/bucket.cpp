// Bucket allreduce over all links of a torus at once: reduce-scatter along the rows of one dimension after another,
// then all-gather back (Sack and Gropp, TOPC 2015; collectives/schedule/algorithms/bucket.hpp tells of tori).
//
// On d dimensions the data are cut into 2d parts, one for each dimension to begin with and direction to go in. In a
// stage of s-1 rounds, s the longest side, part p works in dimension (p + stage) mod d, so that no two parts share a
// link; in shorter rows it rests for some. 2d(s-1) rounds of up to 2d messages, 2(P-1)/P n bytes per rank, of which a
// link carries a 2d-th each way.
//
// Not the bucket reduce-scatter followed by the bucket all-gather, which work in one dimension at a time: they take
// fewer rounds and messages, but leave the links of the other dimensions idle.
//
// Order of reduction: not the canonical one.
#include <tutti/allreduce/algorithms/algorithms.hpp>
#include <tutti/collectives/schedule/algorithms/bucket.hpp>

namespace tutti {
namespace {

int bucket_allreduce_blocks(const Shape& shape) noexcept { return 2 * bucket_torus(shape).dimensions() * shape.size; }

int bucket_allreduce_rounds(const Shape& shape) noexcept {
  const Torus torus = bucket_torus(shape);
  return 2 * torus.dimensions() * (torus.longest_side() - 1);
}

/// The part that goes round the rows of a dimension in one direction in a stage. Its blocks are numbered by the ranks'
/// coordinates, in the order in which it visits dimensions.
class Part {
 public:
  /// `direction` is 1 or -1.
  Part(const Torus& torus, const Position& at, int dimension, int direction, int stage) noexcept
      : side_(torus.side(dimension)), direction_(direction), at_(torus.coordinate(at.rank, dimension)), run_(at.size) {
    const int dimensions = torus.dimensions();
    const int begins_in = wrap(dimension - stage, dimensions);
    first_ = (direction > 0 ? begins_in : dimensions + begins_in) * at.size;
    for (int s = 0; s < stage; ++s) {
      const int before = wrap(begins_in + s, dimensions);
      run_ /= torus.side(before);
      first_ += torus.coordinate(at.rank, before) * run_;
    }
    run_ /= side_;
  }

  /// The blocks of the rank of this row from which the part has come `steps` steps, 0 <= steps <= side.
  BlockRange from(int steps) const noexcept { return {first_ + wrap(at_ - direction_ * steps, side_) * run_, run_}; }

 private:
  int side_;
  int direction_;
  int at_;
  int first_ = 0;
  int run_;
};

void bucket_allreduce_round(const Position& at, int index, Round& round) {
  const Torus torus = bucket_torus(at.shape());
  const int dimensions = torus.dimensions();
  const int length = torus.longest_side() - 1;
  const int turn = index / length;
  const int step = index % length;
  const bool reducing = turn < dimensions;
  const int stage = reducing ? turn : 2 * dimensions - 1 - turn;
  const Slot own = reducing && stage == 0 ? Slot::input : Slot::output;
  const Slot from = step == 0 ? own : Slot::output;
  const Reduction reduction = reducing ? Reduction::incoming_left : Reduction::copy;
  const int sent = reducing ? step + 1 : step;

  for (int d = 0; d < dimensions; ++d) {
    if (step >= torus.side(d) - 1) continue;
    const Part rightward(torus, at, d, 1, stage);
    const Part leftward(torus, at, d, -1, stage);
    const int right = torus.moved(at.rank, d, 1);
    const int left = torus.moved(at.rank, d, -1);
    if (right == left) {
      round.sends.push_back({right, from, {rightward.from(sent), leftward.from(sent)}});
      round.receives.push_back(
          {right, Slot::output, {rightward.from(sent + 1), leftward.from(sent + 1)}, reduction, own});
    } else {
      round.sends.push_back({right, from, rightward.from(sent)});
      round.sends.push_back({left, from, leftward.from(sent)});
      round.receives.push_back({left, Slot::output, rightward.from(sent + 1), reduction, own});
      round.receives.push_back({right, Slot::output, leftward.from(sent + 1), reduction, own});
    }
  }
}

}  // namespace

const Algorithm kBucketAllreduce = {.name = "bucket",
                                    .collective = Collective::allreduce,
                                    .single_block = false,
                                    .blocks = bucket_allreduce_blocks,
                                    .rounds = bucket_allreduce_rounds,
                                    .round = bucket_allreduce_round,
                                    .needs_scratch = no_scratch};

}  // namespace tutti
