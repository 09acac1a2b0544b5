// Allreduce among the ranks of a node by loads and stores in each other's memory.
//
// Before: every rank has n bytes of input, in memory that its node-mates can map (Communicator::allocate) or in any
// other. After: every rank has the result in its output, and nobody touches the memory of another any more.
//
// Small inputs are posted (board.hpp): every rank reads all of them and combines for itself, P n bytes. Larger ones are
// cut into a share for each rank, which reads that share of all inputs, combines it in one pass in rank order, and
// writes it to all outputs: 2n bytes read and written per rank where all memory is mapped, the fewest there are. What
// is not mapped is staged by its owner, chunk by chunk: 5n - 2n/P where nothing is.
//
// Bits: those of a combination of all ranks at once, from left to right, for every size and kind of memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include <tutti/collectives/node/node_group.hpp>
#include <tutti/collectives/operation.hpp>
#include <tutti/kernels/buffer.hpp>
#include <tutti/kernels/reduce.hpp>

namespace tutti::detail {

/// One allreduce of one rank. Knows nothing of MPI: it advances when it is told to, and never waits.
class DirectAllreduce {
 public:
  /// `header.call` is what all ranks must have in common, and `digest` one of it.
  DirectAllreduce(NodeMates& mates, ConstBuffer input, Buffer output, ReduceOp op, const Header& header,
                  std::uint64_t digest);

  /// Does what can be done now. \throws std::bad_alloc if memory of a mate cannot be mapped.
  Task::Progress advance();

  /// A mate that calls otherwise, of which advance() then does no more: its number.
  std::optional<int> differing() const noexcept { return differing_; }
  const Header& header_of(int number) const noexcept { return post_of(number).header; }

  /// Numbers of the mates that this rank waits for.
  std::vector<int> awaited() const;

 private:
  enum class Stage : std::uint8_t { posting, meeting, in_chunks, over };
  using Counter = std::atomic<std::uint64_t> Counters::*;

  bool is_small() const noexcept;
  void post();
  bool meet();
  void combine_posts();
  void map_mates();
  bool advance_chunks();
  bool mates_got_further() noexcept;
  bool fill();
  bool reduce();
  bool take();
  void finish();

  Post& post_of(int number) const noexcept { return mates_.board(number).posts[number_ % kPosts]; }
  Counters& counters(int number) const noexcept { return mates_.board(number).counters; }
  std::uint64_t base() const noexcept { return chunk_base(chunked_); }
  bool have_all(Counter counter, std::uint64_t least) const noexcept;
  bool is_free_slot(Counter counter, std::uint64_t index) const noexcept;

  /// Elements of a chunk, and of a rank's share of it.
  struct Range {
    std::size_t first;
    std::size_t count;
  };
  Range chunk(std::uint64_t index) const noexcept;
  Range share(Range of, int number) const noexcept;

  NodeMates& mates_;
  ConstBuffer input_;
  Buffer output_;
  ReduceOp op_;
  Header header_;
  std::uint64_t digest_;
  std::uint64_t number_;
  std::uint64_t chunked_ = 0;  // number among those that go in chunks
  Stage stage_ = Stage::posting;
  int met_ = 0;  // mates below this number have posted
  std::optional<int> differing_;

  NodeLists lists_;
  bool reads_staged_ = false;   // whether any input is staged
  bool writes_staged_ = false;  // whether any output is
  bool stages_input_ = false;   // whether this rank's input has to be staged for the others
  bool takes_ = false;          // whether this rank has to take results
  std::size_t chunk_elements_ = 0;
  std::uint64_t chunks_ = 0;
  std::uint64_t filled_ = 0;
  std::uint64_t reduced_ = 0;
  std::uint64_t taken_ = 0;
  std::uint64_t reduced_by_all_ = 0;
};

}  // namespace tutti::detail
