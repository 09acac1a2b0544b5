// Drawing schedules; see drawing.hpp.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

#include "tools/explain/drawing.hpp"

namespace tutti::tools {
namespace {

constexpr double kLeft = 70;
constexpr double kTop = 84;
constexpr double kColumn = 120;

struct Message {
  int round;
  int from;
  int to;
  int blocks;
  bool combined;
};

std::vector<Message> messages_of(const Algorithm& algorithm, const Shape& shape, int rounds) {
  std::vector<Message> messages;
  Round plan;
  for (int round = 0; round < rounds; ++round) {
    for (int rank = 0; rank < shape.size; ++rank) {
      plan.clear();
      algorithm.round(position_of(rank, shape), round, plan);
      for (const Receive& receive : plan.receives) {
        messages.push_back({round, receive.peer, rank, receive.blocks.count(), receive.combine != Combine::copy});
      }
    }
  }
  return messages;
}

std::string blocks_text(int blocks) { return blocks == 1 ? "1 block" : fmt::format("{} blocks", blocks); }

}  // namespace

std::string draw_schedule(const Algorithm& algorithm, const Shape& shape) {
  const int rounds = algorithm.rounds(shape);
  if (shape.size > kMostDrawnRanks || rounds > kMostDrawnRounds) {
    throw InvalidArgument(text("a picture of ", shape.size, " ranks and ", rounds,
                               " rounds could not be read; at most ", kMostDrawnRanks, " of each"));
  }
  const double row = shape.size <= 16 ? 34 : shape.size <= 32 ? 22 : 14;
  const double width = kLeft + rounds * kColumn + 40;
  const double height = kTop + (shape.size - 1) * row + 56;
  const auto x = [&](int round) { return kLeft + round * kColumn; };
  const auto y = [&](int rank) { return kTop + rank * row; };
  const int blocks = algorithm.blocks(shape);

  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {:.0f} {:.0f}\" width=\"{:.0f}\" height=\"{:.0f}\" "
      "font-family=\"sans-serif\" font-size=\"12\">\n"
      "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
      "<defs>\n",
      width, height, width, height);
  for (const auto& [id, color] : {std::pair("combined", "#b5472a"), std::pair("copied", "#2a6db5")}) {
    svg += fmt::format(
        "<marker id=\"{}\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" "
        "markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path d=\"M0,0 L8,4 L0,8 z\" fill=\"{}\"/></marker>\n",
        id, color);
  }
  svg += "</defs>\n";
  svg += fmt::format("<text x=\"{:.0f}\" y=\"24\" font-size=\"16\">{} {}{}: {} ranks, {} rounds, data in {}</text>\n",
                     16.0, algorithm.name, name(algorithm.collective),
                     algorithm.radix == Radix::none ? "" : fmt::format(", radix {}", shape.radix), shape.size, rounds,
                     blocks_text(blocks));
  svg += fmt::format(
      "<text x=\"16\" y=\"44\" fill=\"#555\"><tspan fill=\"#b5472a\">solid: arrives and is combined</tspan>, <tspan "
      "fill=\"#2a6db5\">dashed: arrives and is kept</tspan>; wider: more blocks</text>\n");
  for (int round = 0; round < rounds; ++round) {
    svg += fmt::format("<text x=\"{:.0f}\" y=\"{:.0f}\" text-anchor=\"middle\" fill=\"#555\">round {}</text>\n",
                       x(round) + kColumn / 2, kTop - 18, round + 1);
  }
  for (int rank = 0; rank < shape.size; ++rank) {
    svg += fmt::format(
        "<text x=\"{:.0f}\" y=\"{:.1f}\" text-anchor=\"end\" font-size=\"{}\">rank {}</text>"
        "<line x1=\"{:.0f}\" y1=\"{:.1f}\" x2=\"{:.0f}\" y2=\"{:.1f}\" stroke=\"#ddd\"/>\n",
        kLeft - 8, y(rank) + 4, row < 20 ? 9 : 12, rank, x(0), y(rank), x(rounds), y(rank));
    for (int round = 0; round <= rounds; ++round) {
      svg += fmt::format("<circle cx=\"{:.0f}\" cy=\"{:.1f}\" r=\"2.5\" fill=\"#888\"/>\n", x(round), y(rank));
    }
  }
  for (const Message& message : messages_of(algorithm, shape, rounds)) {
    const double share = static_cast<double>(message.blocks) / blocks;
    svg += fmt::format(
        "<line x1=\"{:.0f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"{}\" stroke-width=\"{:.1f}\"{} "
        "marker-end=\"url(#{})\"><title>round {}: rank {} to rank {}, {}</title></line>\n",
        x(message.round), y(message.from), x(message.round + 1) - 3, y(message.to),
        message.combined ? "#b5472a" : "#2a6db5", 0.8 + 2.2 * std::sqrt(share),
        message.combined ? "" : " stroke-dasharray=\"5 3\"", message.combined ? "combined" : "copied",
        message.round + 1, message.from, message.to, blocks_text(message.blocks));
  }
  return svg + "</svg>\n";
}

}  // namespace tutti::tools
