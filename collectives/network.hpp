// What is known of the network that joins the nodes: a torus, as a user describes it and as algorithms are laid out on
// it.
#pragma once

#include <tutti/kernels/cpp20.hpp>

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#pragma GCC visibility push(default)
namespace tutti {

/// A grid of nodes whose rows are rings. Node i is at (i mod s_0, i / s_0 mod s_1, ...) for sides s_0, s_1, ....
class Torus {
 public:
  static constexpr int kMostSides = 6;

  /// No torus: no sides.
  constexpr Torus() = default;

  /// The torus of so many nodes whose at most three sides are the most even, rising; sides of 1 are left out.
  static Torus most_even(int nodes) noexcept;

  /// "8x8x4". \throws InvalidArgument if it is not 1 to 6 sides of at least 1, or has more than 2^20 nodes.
  static Torus parse(std::string_view sides);

  constexpr int dimensions() const noexcept { return dimensions_; }
  constexpr int side(int dimension) const noexcept { return sides_[static_cast<std::size_t>(dimension)]; }
  constexpr explicit operator bool() const noexcept { return dimensions_ > 0; }

  int nodes() const noexcept;
  int longest_side() const noexcept;

  /// How far apart numbers are whose nodes are neighbours in `dimension`.
  int stride(int dimension) const noexcept;
  int coordinate(int node, int dimension) const noexcept { return node / stride(dimension) % side(dimension); }

  /// The node `steps` further in a dimension, -side < steps < side.
  int moved(int node, int dimension, int steps) const noexcept;

  /// The same without sides of 1, and with `first` nodes in the place of each, in a dimension before the others.
  Torus refined(int first) const noexcept;

  std::string text() const;
  friend constexpr bool operator==(const Torus&, const Torus&) = default;

 private:
  void add_side(int side) noexcept { sides_[static_cast<std::size_t>(dimensions_++)] = side; }

  std::array<int, kMostSides + 1> sides_ = {};  // 0 behind the last
  int dimensions_ = 0;
};

/// What is known of the network between nodes. By default nothing.
struct NetworkDescription {
  Torus torus =
      {};  ///< nodes in the order of their lowest ranks; messages go the shorter way, one dimension after another
  int ports = 0;   ///< links that a node can fill at once, each way, with what it sends and passes on; 0: all
  double hop = 0;  ///< seconds by which each further link delays a message

  explicit operator bool() const noexcept { return static_cast<bool>(torus); }
  friend bool operator==(const NetworkDescription&, const NetworkDescription&) = default;
};

/// "torus:8x8x4", and after it ",ports:2" and ",hop:1e-7" where they are known.
/// \throws InvalidArgument naming the part that is wrong.
NetworkDescription parse_network(std::string_view description);

/// What parse_network() reads back; empty if nothing is known.
std::string to_text(const NetworkDescription& network);

}  // namespace tutti
#pragma GCC visibility pop
