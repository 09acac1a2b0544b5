// How a data set travels from node to node: by which algorithm, in pieces of how many bytes, and how long that takes.
//
//   chain              node i passes every piece on to node i+1, while the next one arrives
//   tree               a broadcast of tutti's per piece: knomial or double_tree, whichever is predicted faster
//   scatter_allgather  that broadcast of tutti's per piece
//
// n bytes in pieces of b go down a chain of p nodes in (ceil(n/b) + p - 2) (a + b c) seconds, with a seconds per
// message and c per byte; it is the shortest with b = sqrt(n a / ((p - 2) c)). A broadcast takes what the cost model
// says of one piece, times the pieces.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <tutti/collectives/communicator.hpp>

namespace tutti::tools::data {

struct StagePlan {
  std::string algorithm;       ///< chain, tree or scatter_allgather; copy: one node
  std::string broadcast = {};  ///< tutti's algorithm; empty: none
  std::uint64_t piece_bytes = 0;
  double seconds = 0;     ///< predicted, without reading and writing
  double link_share = 0;  ///< of the bytes, over the busiest link of a node in one direction

  /// "chain", "tree (double_tree)".
  std::string name() const;
};

inline constexpr std::uint64_t kLeastPiece = std::uint64_t{64} << 10;
inline constexpr std::uint64_t kLargestPiece = std::uint64_t{16} << 20;

/// The power of two of bytes, within bounds, that is nearest to what makes a chain fastest.
std::uint64_t chain_piece(std::uint64_t bytes, int nodes, const TransportCosts& costs);
double chain_seconds(std::uint64_t bytes, int nodes, std::uint64_t piece, const TransportCosts& costs);

/// One plan per algorithm, or that of `algorithm` alone unless it is "auto": the fastest first, or the chain if it is
/// as good. The same on all ranks. `piece_bytes`: a power of two, or 0: chosen.
std::vector<StagePlan> plan_staging(const Communicator& movers, std::uint64_t bytes, const std::string& algorithm,
                                    std::uint64_t piece_bytes);

}  // namespace tutti::tools::data
