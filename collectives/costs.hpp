// What messages and bytes cost on the two levels of a machine: the constants that algorithms are selected by.
#pragma once

#include <tutti/kernels/cpp20.hpp>

#include <cstdint>
#include <string_view>

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

/// Between the ranks of one node over the MPI library's shared memory, between nodes by an RDMA network, and between
/// nodes by TCP. Orders of magnitude of current machines: they decide which algorithm runs, never what is right.
inline constexpr TransportCosts kSharedMemoryCosts = {.name = "shared memory",
                                                      .latency = 0.3e-6,
                                                      .overhead = 0.2e-6,
                                                      .gap = 0.4e-6,
                                                      .byte = 1.5e-10,
                                                      .distance = 0.0,
                                                      .reduce = 0.8e-10,
                                                      .copy = 0.8e-10,
                                                      .overlaps = false};
inline constexpr TransportCosts kRdmaCosts = {.name = "RDMA",
                                              .latency = 1.5e-6,
                                              .overhead = 0.4e-6,
                                              .gap = 0.5e-6,
                                              .byte = 0.8e-10,
                                              .distance = 0.07,
                                              .reduce = 0.8e-10,
                                              .copy = 0.8e-10,
                                              .overlaps = true};

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

enum class NetworkClass : std::uint8_t {
  rdma,  ///< devices that move messages without the kernel: InfiniBand, RoCE, Omni-Path, Slingshot
  tcp,   ///< anything else
};

/// "rdma", "tcp".
std::string_view name(NetworkClass network) noexcept;

/// Built-in constants.
const TransportCosts& built_in_costs(NetworkClass network) noexcept;

}  // namespace tutti
#pragma GCC visibility pop
