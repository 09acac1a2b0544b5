// What a schedule costs: rounds, messages and bytes, counted from the schedule itself, and the time they take.
//
// The model is that of the collectives' literature with an overhead per message (LogGP: Alexandrov et al., SPAA 1995):
// a round takes a latency; every message keeps the processor busy, in which time the bytes of those before it move;
// bytes take their time on the link of the busiest rank, which sends and receives at once; what is reduced or copied
// locally takes time per byte.
#pragma once

#include <tutti/kernels/cpp20.hpp>

#include <cstddef>
#include <vector>

#include <tutti/collectives/costs.hpp>
#include <tutti/collectives/network.hpp>
#include <tutti/collectives/schedule/schedule.hpp>

namespace tutti {

/// Where ranks are.
struct CostContext {
  int ranks_per_node = 1;           ///< ranks 0 to ranks_per_node-1 on the first node, and so on; they share its links
  double node_byte = 0;             ///< seconds per byte between two of them
  NetworkDescription network = {};  ///< of as many nodes as that makes, or unknown
};

/// What one pass of all data through a schedule asks for. Fractions are of the data in all blocks.
struct Profile {
  int rounds = 0;
  int depth = 0;  ///< messages that wait for each other in a row
  int blocks = 1;

  struct Load {
    double messages = 0;        ///< sent or received, whichever are more
    double first_messages = 0;  ///< of those, the first to or from their peer
    double own = 0;             ///< fraction sent or received by the rank itself, whichever is more
    double moved = 0;    ///< fraction sent or received by all ranks of a node over its link, whichever is more; in a
                         ///< network that is known, over the busiest link of all
    double carried = 0;  ///< the same, times log2 of how many ranks apart, on a circle; 0 if the network is known
    double inside = 0;   ///< fraction exchanged with ranks of the same node
    double reduced = 0;  ///< fraction reduced
    double copied = 0;   ///< fraction copied locally
    friend bool operator==(const Load&, const Load&) = default;
  };

  /// Rounds in which the busiest rank does the same. Of parts that take rounds in turn half of what they do is taken to
  /// be done at once: they wait for other messages, but have ranks and their links in common.
  struct Rounds {
    Load load;
    double count = 0;
  };
  std::vector<Rounds> path;  ///< of a single segment

  /// What the busiest rank does in all rounds together: it limits how fast segments follow one another.
  Load rank;
  double detours = 0;    ///< seconds that messages in a row spend on further links than the first
  bool scratch = false;  ///< whether any rank needs the scratch slot
};

/// Counts a schedule on shape.size >= 2 ranks with root 0; above 128 ranks from a few of them, but for the links of a
/// network that is known and can be followed (link_use.hpp).
Profile profile(const Algorithm& algorithm, const Shape& shape, const CostContext& where = {});

/// Where the time goes, in seconds.
struct Prediction {
  double latency = 0;   ///< messages that wait for each other, and segments for the ones before
  double overhead = 0;  ///< of messages, where bytes do not hide it
  double transfer = 0;  ///< bytes on the busiest link
  double local = 0;     ///< reducing and copying

  constexpr double total() const noexcept { return latency + overhead + transfer + local; }
};

/// The time that `bytes` of data in all blocks take in `segments` segments, `spacing` rounds apart.
/// `node_byte`: per byte inside a node.
Prediction predict(const Profile& profile, std::size_t bytes, int segments, int spacing, const TransportCosts& costs,
                   double node_byte = 0) noexcept;

}  // namespace tutti
