// Tori; see network.hpp.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>

#include <tutti/collectives/network.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti {
namespace {

constexpr int kMostNodes = 1 << 20;

/// The part before the first `separator`, which is taken from `rest` together with it; all if there is none.
std::string_view take(std::string_view& rest, char separator) noexcept {
  const std::size_t end = std::min(rest.find(separator), rest.size());
  const std::string_view part = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return part;
}

template <class T>
bool read(std::string_view text, T& value) noexcept {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

[[noreturn]] void refuse(std::string_view part, const char* wanted) {
  throw InvalidArgument(text("network item '", part, "' is not ", wanted));
}

}  // namespace

Torus Torus::most_even(int nodes) noexcept {
  // The largest divisor up to the cube root, then the largest of what is left up to its square root.
  const auto divisor_up_to = [](int number, double limit) {
    int divisor = static_cast<int>(std::floor(limit + 1e-9));
    while (number % divisor != 0) --divisor;
    return divisor;
  };
  const int first = divisor_up_to(nodes, std::cbrt(nodes));
  const int second = divisor_up_to(nodes / first, std::sqrt(nodes / first));
  std::array sides = {first, second, nodes / first / second};
  std::sort(sides.begin(), sides.end());
  Torus torus;
  for (const int side : sides) {
    if (side > 1) torus.add_side(side);
  }
  return torus;
}

Torus Torus::parse(std::string_view sides) {
  constexpr const char* kWanted = "1 to 6 sides such as 8x8x4, of at most 2^20 nodes";
  Torus torus;
  std::string_view rest = sides;
  std::int64_t nodes = 1;
  do {
    int side = 0;
    if (torus.dimensions_ == kMostSides || !read(take(rest, 'x'), side)) refuse(sides, kWanted);
    nodes *= side;
    if (side < 1 || nodes > kMostNodes) refuse(sides, kWanted);
    torus.add_side(side);
  } while (!rest.empty());
  if (sides.back() == 'x') refuse(sides, kWanted);
  return torus;
}

int Torus::nodes() const noexcept { return stride(dimensions_); }

int Torus::longest_side() const noexcept { return *std::max_element(sides_.begin(), sides_.end()); }

int Torus::stride(int dimension) const noexcept {
  int stride = 1;
  for (int d = 0; d < dimension; ++d) stride *= side(d);
  return stride;
}

int Torus::moved(int node, int dimension, int steps) const noexcept {
  const int length = side(dimension);
  const int step = stride(dimension);
  const int at = node / step % length;
  return node + ((at + steps + length) % length - at) * step;
}

Torus Torus::refined(int first) const noexcept {
  Torus torus;
  if (first > 1) torus.add_side(first);
  for (int d = 0; d < dimensions_; ++d) {
    if (side(d) > 1) torus.add_side(side(d));
  }
  return torus;
}

std::string Torus::text() const {
  std::string out;
  for (int d = 0; d < dimensions_; ++d) out += tutti::text(d == 0 ? "" : "x", side(d));
  return out;
}

NetworkDescription parse_network(std::string_view description) {
  NetworkDescription network;
  std::string_view rest = description;
  while (!rest.empty()) {
    const std::string_view part = take(rest, ',');
    std::string_view value = part;
    const std::string_view key = take(value, ':');
    if (key == "torus") {
      network.torus = Torus::parse(value);
    } else if (key == "ports") {
      if (!read(value, network.ports) || network.ports < 1) refuse(part, "a number of links such as ports:2");
    } else if (key == "hop") {
      if (!read(value, network.hop) || !(network.hop >= 0 && std::isfinite(network.hop)))
        refuse(part, "a number of seconds such as hop:1e-7");
    } else {
      throw InvalidArgument(text("unknown network item '", part, "'; use torus:8x8x4[,ports:2][,hop:1e-7]"));
    }
  }
  if (!network) refuse(description, "a description with a torus, such as torus:8x8x4");
  return network;
}

std::string to_text(const NetworkDescription& network) {
  if (!network) return {};
  std::string out = "torus:" + network.torus.text();
  if (network.ports != 0) out += text(",ports:", network.ports);
  if (network.hop != 0) out += text(",hop:", network.hop);
  return out;
}

}  // namespace tutti
