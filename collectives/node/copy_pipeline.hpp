// Moves the pieces of large data between the ranks of a node, chunk by chunk (work_split.hpp).
//
// Where all memory is mapped, the owners of pieces read and write it. Where it is not they read it in the other
// process, if that is possible; nobody writes there, because a rank that has failed may use its memory for anything.
// Other inputs are staged by their ranks, chunk by chunk. Results for outputs that are not mapped are taken by their
// ranks from the outputs of the owners, or from what these stage. Counters (rank_block.hpp) tell how far each rank is.
// A chunk is staged once everyone is done with the one that lay in its place.
//
// In reductions of two steps (work_split.hpp) ranks stage what their domains bring instead, and all of them do so.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <tutti/collectives/node/local_ranks.hpp>
#include <tutti/collectives/node/work_split.hpp>
#include <tutti/collectives/system/task.hpp>
#include <tutti/kernels/buffer.hpp>
#include <tutti/kernels/reduce.hpp>

namespace tutti::detail {

/// What a rank brings: its input, or of a broadcast the root's data.
inline ConstBuffer input_of(const Call& call, int rank) noexcept {
  if (call.collective != Collective::broadcast) return call.input;
  return rank == call.root ? ConstBuffer(call.output) : ConstBuffer();
}

/// Memory of the peer of that number cannot be read.
struct Unreadable {
  int number;
  int error;  ///< errno
};

/// The part of one rank in one collective. Used again for the next, which then needs no new memory.
class CopyPipeline {
 public:
  /// Begins with what the ranks posted under this number; `turn` is its own (LocalRanks::take_turn). Not all need have
  /// posted where the root alone decides how data are moved, because it has to stage them.
  /// \throws std::bad_alloc if memory of a peer cannot be mapped.
  void begin(LocalRanks& peers, const Call& call, std::uint64_t number, std::uint64_t turn, bool all_published);

  /// Of a collective that is not made: only lets its turn pass.
  void begin_nothing(LocalRanks& peers, std::uint64_t turn);

  /// Does what can be done now. \throws Unreadable
  Task::Progress advance();

  /// Whether this rank waits for `rank`.
  bool awaits(int rank) const noexcept;

 private:
  using Counter = std::atomic<std::uint64_t> Counters::*;
  static constexpr int kNobody = -1;

  /// A peer's data, as far as this rank uses them: where they are mapped here, or else where they are there.
  struct Reached {
    const std::byte* input = nullptr;
    std::byte* output = nullptr;
    std::uint64_t input_there = 0;
    std::uint64_t output_there = 0;
  };

  void reach_peers(bool all_published);
  bool goes_by_domain(bool map_inputs, bool map_outputs) const noexcept;
  void begin_chunks();
  bool peers_progressed() noexcept;
  bool fill();
  void stage_input(std::byte* to);
  void reduce_domain(std::byte* to);
  bool move();
  bool reduce_piece();
  bool reduce_part(const Piece& part);
  bool copy_pieces();
  bool take();
  bool is_over() const noexcept;
  bool is_deceived() const noexcept;

  bool is_self(int rank) const noexcept { return rank == peers_->number(); }
  bool is_among(Who who, int rank) const noexcept {
    return detail::is_among(who, rank, peers_->number(), root_, peers_->domains());
  }
  Counters& counters(int number) const noexcept { return peers_->rank_block(number).counters; }
  Counters& own() const noexcept { return counters(peers_->number()); }
  std::size_t slot(std::uint64_t chunk) const noexcept { return (first_ + chunk) % kStagedChunks; }
  std::uint64_t once_free(std::uint64_t chunk) const noexcept;
  bool have(Who who, Counter counter, std::uint64_t least) const noexcept;
  const Reached& reached(int rank) const noexcept { return reached_[static_cast<std::size_t>(rank)]; }
  bool read(int rank, std::uint64_t address, void* to, std::size_t bytes);
  const std::byte* source(int rank, const Piece& piece) const noexcept;
  void find_targets(const Piece& piece);
  bool streams() const noexcept;

  LocalRanks* peers_ = nullptr;
  std::uint64_t number_ = 0;
  std::uint64_t turn_ = 0;
  Collective collective_{};
  ConstBuffer input_;
  Buffer output_;
  DType dtype_{};
  ReduceOp op_{};
  int root_ = 0;

  Pattern pattern_;
  WorkSplit pieces_;
  bool has_two_steps_ = false;  // reductions, by domain
  std::vector<Reached> reached_;
  std::vector<ConstBuffer> inputs_;
  std::vector<std::byte*> targets_;
  std::vector<std::byte> read_parts_;  // a part of a piece, of every rank
  bool has_begun_ = false;             // its turn
  bool reads_staged_ = false;          // whether any input is staged
  bool writes_staged_ = false;         // whether results are
  bool reads_ = false;                 // whether any input is read in another process
  bool is_taken_from_ = false;         // whether ranks take results from the outputs of their owners
  bool stages_ = false;                // whether this rank's input has to be staged for the others
  bool takes_ = false;                 // whether this rank has to take results
  bool is_touched_ = false;            // whether others read its input or write its output
  bool touches_ = false;               // whether this rank reads the memory of others
  int gone_ = kNobody;                 // the rank whose process was not there when its memory was to be read
  std::uint64_t first_ = 0;            // number of the first chunk
  std::uint64_t filled_ = 0;
  std::uint64_t moved_ = 0;
  std::uint64_t taken_ = 0;
  std::uint64_t moved_by_all_ = 0;
};

}  // namespace tutti::detail
