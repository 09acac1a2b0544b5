// Who moves what when ranks of a node make a collective by loads and stores: a pure function of the call, the ranks and
// their NUMA domains, and whose memory the others can map.
//
// The data are cut into chunks, and each chunk into pieces. A piece has an owner, the rank that moves it: it reads the
// piece from the inputs of its sources, and writes it to the outputs of its targets. How pieces are cut depends on
// where their sources and targets are:
//
//   shares  every rank owns an equal share of the chunk: where any rank may read any input and write any output
//   blocks  a chunk is a range of every block; a piece is that of one block
//   whole   the piece is the chunk: every rank reads it for itself
//
// Where NUMA domains matter (domains.hpp) and all is mapped, shares are cut among the ranks of each domain, which write
// to those of their domain only; what crosses from one to another is then as much as ranks that were domains would
// move. Reductions have two steps: a rank reduces what its domain brings to its pieces and to those of its peers,
// stages that, and then reduces, for its own pieces, what its peers have staged.
//
// Where a rank's input can neither be mapped nor read in its process it stages the pieces that others read. Where an
// output cannot be mapped, ranks pull, that is, write only to their own outputs: of collectives cut into shares, which
// are reduced first, they take the result from where its owners have it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <tutti/collectives/call/call.hpp>
#include <tutti/collectives/node/domains.hpp>
#include <tutti/collectives/node/rank_block.hpp>

namespace tutti::detail {

/// Some of the ranks, as one of them sees it.
enum class Who : std::uint8_t {
  nobody,
  self,
  root,
  all,
  all_but_root,
  // Where domains matter:
  domain,
  domain_but_root,
  peers,
  roots_domain
};

constexpr bool is_among(Who who, int rank, int self, int root) noexcept {
  return who == Who::all || (who == Who::root && rank == root) || (who == Who::self && rank == self) ||
         (who == Who::all_but_root && rank != root);
}

inline bool is_among(Who who, int rank, int self, int root, const Domains& domains) noexcept {
  switch (who) {
    case Who::domain:
      return domains.share_domain(rank, self);
    case Who::domain_but_root:
      return domains.share_domain(rank, self) && rank != root;
    case Who::peers:
      return domains.are_peers(rank, self);
    case Who::roots_domain:
      return domains.share_domain(rank, root);
    default:
      return is_among(who, rank, self, root);
  }
}

enum class Cut : std::uint8_t { shares, blocks, whole };

struct Pattern {
  Cut cut = Cut::whole;
  Who owners = Who::nobody;
  Who sources = Who::nobody;  ///< of an owner's pieces
  Who targets = Who::nobody;
  friend bool operator==(const Pattern&, const Pattern&) = default;
};

/// That in which ranks write to no output but their own: what small data use, which are posted, and data whose outputs
/// not all can map. Shares are cut where ranks would otherwise all reduce the same.
constexpr Pattern pulling_pattern(Collective collective) noexcept {
  switch (collective) {
    case Collective::allreduce:
      return {Cut::whole, Who::all, Who::all, Who::self};
    case Collective::reduce:
      return {Cut::whole, Who::root, Who::all, Who::self};
    case Collective::broadcast:
      return {Cut::whole, Who::all_but_root, Who::root, Who::self};
    case Collective::all_gather:
    case Collective::all_to_all:
    case Collective::reduce_scatter:
      return {Cut::blocks, Who::all, Who::all, Who::self};
    case Collective::gather:
      return {Cut::blocks, Who::root, Who::all, Who::self};
    case Collective::scatter:
      return {Cut::blocks, Who::all, Who::root, Who::self};
    case Collective::barrier:
      break;
  }
  return {};
}

/// The fastest for large data. `mapped_outputs`: others can map the output of every rank that has one; `mapped_root`:
/// the input of the root too, where it has one of interest.
Pattern pattern_of(Collective collective, bool mapped_outputs, bool mapped_root) noexcept;

/// The fastest where domains matter and all memory is mapped; without owners if they make no difference. What a
/// reduction's `sources` bring is what they have reduced.
Pattern domain_pattern_of(Collective collective) noexcept;

/// Elements: where they lie in the owner's source and target, and where they are staged.
struct Piece {
  std::size_t input;
  std::size_t output;
  std::size_t count;
  std::size_t staged;

  /// `n` elements from `first` on.
  Piece part(std::size_t first, std::size_t n) const noexcept {
    return {.input = input + first, .output = output + first, .count = n, .staged = staged + first};
  }
};

class WorkSplit {
 public:
  WorkSplit() = default;

  /// The data of a call, in one chunk and whole.
  WorkSplit(const Call& call, int ranks);

  /// Cuts them as the pattern says: in chunks that fit into what ranks stage, in such of which results are in the
  /// caches when they are taken from their owners' outputs, in larger ones, in one; or, in two steps, in such of which
  /// what a rank reduces first fits into what it stages. Shares are those of the ranks of a domain if `domains`, which
  /// stay, matter.
  enum class Chunks : std::uint8_t { staged, taken, mapped, single, reduced };
  void cut(Cut cut, Chunks chunks, const Domains* domains = nullptr);

  std::uint64_t chunks() const noexcept { return chunks_; }

  /// Of the largest input.
  std::size_t input_bytes() const noexcept { return (whole_input_ ? count_ : longest_block_) * element_; }

  /// Of those that a rank reads of each input, where it writes to its own output only.
  std::size_t read_bytes() const noexcept {
    return (whole_output_ && whole_input_ ? count_ : longest_block_) * element_;
  }

  std::size_t all_bytes() const noexcept { return count_ * element_; }

  /// The piece that `owner` reads from `source`.
  Piece piece(int owner, int source, std::uint64_t chunk) const noexcept;

 private:
  int parts_of_shares() const noexcept { return domains_ == nullptr ? ranks_ : domains_->ranks_each(); }
  std::size_t offset(int block) const noexcept;
  std::size_t length(int block) const noexcept { return offset(block + 1) - offset(block); }

  Cut cut_ = Cut::whole;
  bool whole_input_ = true;   // an input holds all blocks, or that of its rank alone
  bool whole_output_ = true;  // so does an output
  int ranks_ = 1;
  const Domains* domains_ = nullptr;  // where they matter
  std::size_t element_ = 1;
  std::size_t count_ = 0;  // in all blocks together
  std::size_t longest_block_ = 0;
  std::vector<std::size_t> offsets_;  // of blocks of any size; empty where all have the same
  std::size_t chunk_elements_ = 1;    // of a chunk, or of a block's part of it
  std::uint64_t chunks_ = 0;
};

}  // namespace tutti::detail
