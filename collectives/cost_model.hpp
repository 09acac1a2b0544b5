// What a schedule costs: rounds, messages and bytes, counted from the schedule itself, and the time they take.
//
// The model is that of the collectives' literature with an overhead per message (LogGP: Alexandrov et al., SPAA 1995):
// a round takes a latency; every message keeps the processor busy, in which time the bytes of those before it move;
// bytes take their time on the link of the busiest rank, which sends and receives at once; what is reduced or copied
// locally takes time per byte.
#pragma once

#include <tutti/kernels/cpp20.hpp>

#include <cstddef>
#include <string_view>
#include <vector>

#include <tutti/collectives/schedule.hpp>

#pragma GCC visibility push(default)
namespace tutti {

/// Constants of a class of transport. Seconds, and seconds per byte.
struct TransportCosts {
  std::string_view name;  ///< of a text that stays
  double latency;         ///< from the end of a send to the arrival at the receiver, without the bytes
  double overhead;        ///< of the processor for the first message of a round, at either end
  double gap;             ///< of the processor at both ends together, for each further message of a round
  double byte;            ///< on the link of a rank, in each direction
  double distance;        ///< part of `byte` by which a byte gets dearer each time the distance between ranks doubles
  double reduce;          ///< per byte of a result and operand
  double copy;            ///< per byte copied locally
  bool overlaps;          ///< whether bytes move while the processor does something else
};

/// Between the ranks of one node over the MPI library's shared memory, between nodes by a fabric, and between nodes by
/// TCP. Orders of magnitude of current machines: they decide which algorithm runs, never what is right.
inline constexpr TransportCosts kSharedMemoryCosts = {.name = "shared memory",
                                                      .latency = 0.3e-6,
                                                      .overhead = 0.2e-6,
                                                      .gap = 0.4e-6,
                                                      .byte = 1.5e-10,
                                                      .distance = 0.0,
                                                      .reduce = 0.8e-10,
                                                      .copy = 0.8e-10,
                                                      .overlaps = false};
inline constexpr TransportCosts kNetworkCosts = {.name = "network",
                                                 .latency = 1.5e-6,
                                                 .overhead = 0.4e-6,
                                                 .gap = 0.5e-6,
                                                 .byte = 0.8e-10,
                                                 .distance = 0.07,
                                                 .reduce = 0.8e-10,
                                                 .copy = 0.8e-10,
                                                 .overlaps = true};

/// Where ranks are.
struct Surroundings {
  int ranks_per_node = 1;           ///< ranks 0 to ranks_per_node-1 on the first node, and so on; they share its links
  double node_byte = 0;             ///< seconds per byte between two of them
  NetworkDescription network = {};  ///< of as many nodes as that makes, or unknown
};

/// Hosts joined by Ethernet of 1 to 10 Gbit/s. What is reduced is first copied out of the MPI library's buffers.
inline constexpr TransportCosts kTcpCosts = {.name = "TCP",
                                             .latency = 25e-6,
                                             .overhead = 15e-6,
                                             .gap = 10e-6,
                                             .byte = 1e-9,
                                             .distance = 0.07,
                                             .reduce = 4e-10,
                                             .copy = 0.8e-10,
                                             .overlaps = true};

/// Costs on the two levels of a machine.
struct LevelCosts {
  TransportCosts node;     ///< between ranks of one node
  TransportCosts network;  ///< between nodes
};

/// What one pass of all data through a schedule asks for. Fractions are of the data in all blocks.
struct Profile {
  int rounds = 0;
  int depth = 0;  ///< messages that wait for each other in a row
  int blocks = 1;

  struct Load {
    double messages = 0;   ///< sent or received, whichever are more
    double greetings = 0;  ///< of those, the first to or from their peer
    double own = 0;        ///< fraction sent or received by the rank itself, whichever is more
    double moved = 0;      ///< fraction sent or received by all ranks of a node over its link, whichever is more; in a
                           ///< network that is known, over the busiest link of all
    double carried = 0;    ///< the same, times log2 of how many ranks apart, on a circle; 0 if the network is known
    double inside = 0;     ///< fraction exchanged with ranks of the same node
    double reduced = 0;    ///< fraction combined
    double copied = 0;     ///< fraction copied locally
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
Profile profile(const Algorithm& algorithm, const Shape& shape, const Surroundings& where = {});

/// Where the time goes, in seconds.
struct Prediction {
  double latency = 0;   ///< messages that wait for each other, and segments for the ones before
  double overhead = 0;  ///< of messages, where bytes do not hide it
  double moving = 0;    ///< bytes on the busiest link
  double local = 0;     ///< reducing and copying

  constexpr double total() const noexcept { return latency + overhead + moving + local; }
};

/// The time that `bytes` of data in all blocks take in `segments` segments, `spacing` rounds apart.
/// `node_byte`: per byte inside a node.
Prediction predict(const Profile& profile, std::size_t bytes, int segments, int spacing, const TransportCosts& costs,
                   double node_byte = 0) noexcept;

}  // namespace tutti
#pragma GCC visibility pop
