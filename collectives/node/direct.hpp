// Collectives among the ranks of a node by loads and stores in each other's memory.
//
// Before: every rank has its input, and memory for its output, that its node-mates can map (Communicator::allocate) or
// cannot. After: every rank has its output, and nobody touches the memory of another any more.
//
// Every rank posts what it brings (board.hpp). Small data are in the post, and every rank takes from the posts what its
// output needs: one that needs nothing waits for nobody. For large data the ranks learn from each other's posts whose
// memory can be mapped, and move pieces of them (pieces.hpp). Of an allreduce of n bytes each rank reads and writes 2n
// bytes where all memory is mapped, the fewest there are, and 5n - 2n/P where nothing is.
//
// Bits: those of a combination of all ranks at once, from left to right, for every size and kind of memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include <tutti/collectives/node/node_mates.hpp>
#include <tutti/collectives/node/pieces.hpp>
#include <tutti/collectives/operation.hpp>
#include <tutti/kernels/buffer.hpp>
#include <tutti/kernels/reduce.hpp>

namespace tutti::detail {

/// Whether all ranks have to agree that a collective is made here.
enum class Consent : std::uint8_t { given, asked, refused };

/// One collective of one rank. Knows nothing of MPI: it advances when it is told to, and never waits.
class DirectCollective {
 public:
  /// `header.call` is what all ranks must have in common, and `digest` one of it. A call of which any rank refuses
  /// consent is complete with nothing done; the others must have asked.
  DirectCollective(NodeMates& mates, const Call& call, const Header& header, std::uint64_t digest,
                   Consent consent = Consent::given);

  /// Does what can be done now. \throws std::bad_alloc if memory of a mate cannot be mapped.
  Task::Progress advance();

  /// Once it is complete: whether a rank refused.
  bool refused() const noexcept { return consent_ == Consent::refused; }

  /// A mate that calls otherwise, of which advance() then does no more: its number.
  std::optional<int> differing() const noexcept { return differing_; }
  const Header& header_of(int number) const noexcept { return post_of(number).header; }

  /// Numbers of the mates that this rank waits for.
  std::vector<int> awaited() const;

 private:
  enum class Stage : std::uint8_t { posting, meeting, moving, over };
  using Counter = std::atomic<std::uint64_t> Counters::*;

  Who met_before() const noexcept;
  void post();
  bool meet();
  void take_from_posts();
  void map_mates();
  void begin_chunks();
  bool advance_chunks();
  bool mates_got_further() noexcept;
  bool fill();
  bool move();
  void combine_piece();
  void copy_pieces();
  bool take();
  bool is_over() const noexcept;
  void finish();

  bool is_self(int rank) const noexcept { return rank == mates_.number(); }
  bool is_among(Who who, int rank) const noexcept;
  Post& post_of(int number) const noexcept { return mates_.board(number).posts[number_ % kPosts]; }
  Counters& counters(int number) const noexcept { return mates_.board(number).counters; }
  Counters& own() const noexcept { return counters(mates_.number()); }
  std::size_t slot(std::uint64_t chunk) const noexcept { return (first_ + chunk) % kStagedChunks; }
  std::uint64_t once_free(std::uint64_t chunk) const noexcept;
  bool have(Who who, Counter counter, std::uint64_t least) const noexcept;
  const std::byte* source(int rank, const Piece& piece) const noexcept;
  void find_targets(const Piece& piece);
  bool streams() const noexcept;

  NodeMates& mates_;
  ConstBuffer input_;
  Buffer output_;
  Collective collective_;
  DType dtype_;
  ReduceOp op_;
  int root_;
  Header header_;
  std::uint64_t digest_;
  std::uint64_t number_;
  std::uint64_t turn_ = 0;
  Stage stage_ = Stage::posting;
  Consent consent_;
  int met_ = 0;  // mates below this number have posted, as far as they are waited for
  std::optional<int> differing_;

  Pattern pattern_;
  Pieces pieces_;
  NodeLists lists_;
  bool has_lists_ = false;
  bool is_small_ = true;        // so that its data are in the posts
  bool has_begun_ = false;      // its turn
  bool reads_staged_ = false;   // whether any input is staged
  bool writes_staged_ = false;  // whether results are
  bool stages_ = false;         // whether this rank's input has to be staged for the others
  bool takes_ = false;          // whether this rank has to take results
  bool is_touched_ = false;     // whether others read or write this rank's memory
  std::uint64_t first_ = 0;     // number of the first chunk
  std::uint64_t filled_ = 0;
  std::uint64_t moved_ = 0;
  std::uint64_t taken_ = 0;
  std::uint64_t moved_by_all_ = 0;
};

}  // namespace tutti::detail
