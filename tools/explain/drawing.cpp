// Drawing schedules; see drawing.hpp.
#include "tools/explain/drawing.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::tools {
namespace {

constexpr const char* kReduced = "#b5472a";
constexpr const char* kCopied = "#2a6db5";
constexpr double kLeft = 70;
constexpr double kTop = 100;
constexpr double kLeastWidth = 640;  // title and legend are readable

std::string percent(double share) { return fmt::format("{:.3g}% of the data", 100 * share); }

std::string head(const std::string& title, const std::string& subtitle, double width, double height) {
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:.0f} {1:.0f}\" width=\"{0:.0f}\" "
      "height=\"{1:.0f}\" font-family=\"sans-serif\" font-size=\"12\">\n"
      "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
      "<text x=\"16\" y=\"24\" font-size=\"16\">{2}</text>\n<text x=\"16\" y=\"44\" fill=\"#555\">{3}</text>\n",
      width, height, title, subtitle);
}

/// About as wide as letters are drawn.
double title_width(const Picture& picture) { return 48 + 9.0 * static_cast<double>(picture.title.size()); }

/// The width of a round that leaves room for the names of stages.
double widest_stage(const Picture& picture) {
  double widest = 0;
  for (const std::string& stage : picture.stages) {
    const auto rounds = std::count(picture.stages.begin(), picture.stages.end(), stage);
    widest = std::max(widest, (30 + 7 * static_cast<double>(stage.size())) / static_cast<double>(rounds));
  }
  return widest;
}

std::string rounds_axis(const Picture& picture, double column) {
  std::string svg;
  const auto x = [&](int round) { return kLeft + round * column; };
  for (int round = 0; round < picture.rounds; ++round) {
    svg += fmt::format("<text x=\"{:.0f}\" y=\"{:.0f}\" text-anchor=\"middle\" fill=\"#555\">round {}</text>\n",
                       x(round) + column / 2, kTop - 18, picture.first_round + round + 1);
  }
  for (int first = 0; first < static_cast<int>(picture.stages.size());) {
    const std::string& stage = picture.stages[static_cast<std::size_t>(first)];
    int end = first + 1;
    while (end < picture.rounds && picture.stages[static_cast<std::size_t>(end)] == stage) ++end;
    svg += fmt::format(
        "<line x1=\"{0:.0f}\" y1=\"{1:.0f}\" x2=\"{2:.0f}\" y2=\"{1:.0f}\" stroke=\"#888\"/>\n"
        "<text x=\"{3:.0f}\" y=\"{4:.0f}\" text-anchor=\"middle\">{5}</text>\n",
        x(first) + 6, kTop - 32, x(end) - 6, (x(first) + x(end)) / 2, kTop - 38, stage);
    first = end;
  }
  return svg;
}

}  // namespace

Picture picture_of(const Algorithm& algorithm, const Shape& shape) {
  Picture picture;
  picture.ranks = shape.size;
  std::vector<int> all(static_cast<std::size_t>(shape.size));
  for (int rank = 0; rank < shape.size; ++rank) all[static_cast<std::size_t>(rank)] = rank;
  append_stage(picture, {}, algorithm, shape.radix, shape.torus, 1, {all});
  picture.stages.clear();
  picture.title = fmt::format("{} {}{}: {} ranks, {} round{}", algorithm.name, name(algorithm.collective),
                              algorithm.radix == Radix::none ? "" : fmt::format(", radix {}", shape.radix), shape.size,
                              picture.rounds, picture.rounds == 1 ? "" : "s");
  return picture;
}

void append_stage(Picture& picture, const std::string& name, const Algorithm& algorithm, int radix, const Torus& torus,
                  double share, const std::vector<std::vector<int>>& groups) {
  int most_rounds = 0;
  Round plan;
  for (const std::vector<int>& members : groups) {
    const int size = static_cast<int>(members.size());
    if (size < 2) continue;
    const Shape shape{size, radix, torus.nodes() == size ? torus : Torus{}};
    const int rounds = algorithm.rounds(shape);
    const double block = share / algorithm.blocks(shape);
    most_rounds = std::max(most_rounds, rounds);
    for (int round = 0; round < rounds; ++round) {
      for (int number = 0; number < size; ++number) {
        plan.clear();
        algorithm.round(position_of(number, shape), round, plan);
        for (const Receive& receive : plan.receives) {
          picture.messages.push_back({.round = picture.rounds + round,
                                      .from = members[static_cast<std::size_t>(receive.peer)],
                                      .to = members[static_cast<std::size_t>(number)],
                                      .share = block * receive.blocks.count(),
                                      .reduced = receive.reduction != Reduction::copy});
        }
      }
    }
  }
  picture.rounds += most_rounds;
  picture.stages.resize(static_cast<std::size_t>(picture.rounds), name);
}

void keep_rank(Picture& picture, int rank) {
  if (rank < 0 || rank >= picture.ranks)
    throw InvalidArgument(text("explain: --rank ", rank, " is out of range: ranks are 0 to ", picture.ranks - 1));
  std::erase_if(picture.messages,
                [&](const DrawnMessage& message) { return message.from != rank && message.to != rank; });
  picture.title += fmt::format("; messages of rank {}", rank);
}

void keep_rounds(Picture& picture, int first, int last) {
  if (first < 1 || last < first || last > picture.rounds)
    throw InvalidArgument(
        text("explain: --rounds ", first, "-", last, " is out of range: rounds are 1 to ", picture.rounds));
  std::erase_if(picture.messages,
                [&](const DrawnMessage& message) { return message.round + 1 < first || message.round + 1 > last; });
  for (DrawnMessage& message : picture.messages) message.round -= first - 1;
  if (!picture.stages.empty()) {
    picture.stages = {picture.stages.begin() + (first - 1), picture.stages.begin() + last};
  }
  picture.rounds = last - first + 1;
  picture.first_round = first - 1;
  picture.title += first == last ? fmt::format("; round {}", first) : fmt::format("; rounds {} to {}", first, last);
}

std::string draw_rounds(const Picture& picture, int rank) {
  if (picture.ranks > kMostDrawnRanks || picture.rounds > kMostDrawnRounds) {
    throw InvalidArgument(text("explain: a picture of ", picture.ranks, " ranks and ", picture.rounds,
                               " rounds is unreadable; the most is ", kMostDrawnRanks,
                               " of each; use --view matrix or --rounds A-B"));
  }
  const double row = picture.ranks <= 16 ? 34 : picture.ranks <= 32 ? 22 : 16;
  // Steep arrows of many ranks need room to be told apart.
  const double column = std::max(
      {120.0, picture.ranks * 5.0, widest_stage(picture), (kLeastWidth - kLeft - 40) / std::max(1, picture.rounds)});
  const double width = std::max(title_width(picture), kLeft + picture.rounds * column + 40);
  const double height = kTop + (picture.ranks - 1) * row + 56;
  const auto x = [&](int round) { return kLeft + round * column; };
  const auto y = [&](int of) { return kTop + of * row; };
  std::string svg = head(picture.title,
                         fmt::format("<tspan fill=\"{}\">solid: arrives and is reduced</tspan>, <tspan "
                                     "fill=\"{}\">dashed: arrives and is kept</tspan>; wider: more data",
                                     kReduced, kCopied),
                         width, height);
  svg += "<defs>\n";
  for (const auto& [id, color] : {std::pair("reduced", kReduced), std::pair("copied", kCopied)}) {
    svg += fmt::format(
        "<marker id=\"{}\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" "
        "markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path d=\"M0,0 L8,4 L0,8 z\" fill=\"{}\"/></marker>\n",
        id, color);
  }
  svg += "</defs>\n" + rounds_axis(picture, column);
  for (int of = 0; of < picture.ranks; ++of) {
    svg += fmt::format(
        "<text x=\"{:.0f}\" y=\"{:.1f}\" text-anchor=\"end\" font-size=\"{}\"{}>rank {}</text>"
        "<line x1=\"{:.0f}\" y1=\"{:.1f}\" x2=\"{:.0f}\" y2=\"{:.1f}\" stroke=\"{}\"/>\n",
        kLeft - 8, y(of) + 4, row < 20 ? 10 : 12, of == rank ? " font-weight=\"bold\"" : "", of, x(0), y(of),
        x(picture.rounds), y(of), of == rank ? "#888" : "#ddd");
    for (int round = 0; round <= picture.rounds; ++round) {
      svg += fmt::format("<circle cx=\"{:.0f}\" cy=\"{:.1f}\" r=\"2.5\" fill=\"#888\"/>\n", x(round), y(of));
    }
  }
  for (const DrawnMessage& message : picture.messages) {
    svg += fmt::format(
        "<line x1=\"{:.0f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"{}\" stroke-width=\"{:.1f}\"{} "
        "marker-end=\"url(#{})\"><title>round {}: rank {} to rank {}, {}, {}</title></line>\n",
        x(message.round), y(message.from), x(message.round + 1) - 3, y(message.to),
        message.reduced ? kReduced : kCopied, 0.8 + 2.2 * std::sqrt(message.share),
        message.reduced ? "" : " stroke-dasharray=\"5 3\"", message.reduced ? "reduced" : "copied",
        picture.first_round + message.round + 1, message.from, message.to, percent(message.share),
        message.reduced ? "reduced" : "copied");
  }
  return svg + "</svg>\n";
}

std::string draw_matrix(const Picture& picture) {
  if (picture.ranks > kMostMatrixRanks) {
    throw InvalidArgument(text("explain: a matrix of ", picture.ranks, " ranks is unreadable; the most is ",
                               kMostMatrixRanks, "; use fewer --ranks"));
  }
  struct Cell {
    double share = 0;
    bool reduced = false;
    std::string rounds;
    int messages = 0;
  };
  std::map<std::pair<int, int>, Cell> cells;
  double most = 0;
  for (const DrawnMessage& message : picture.messages) {
    Cell& cell = cells[{message.from, message.to}];
    cell.share += message.share;
    cell.reduced = cell.reduced || message.reduced;
    constexpr int kListed = 6;
    if (++cell.messages <= kListed)
      cell.rounds += fmt::format("{}{}", cell.messages == 1 ? "" : ", ", picture.first_round + message.round + 1);
    if (cell.messages == kListed + 1) cell.rounds += ", ...";
    most = std::max(most, cell.share);
  }
  const double size = std::clamp(std::floor(640.0 / picture.ranks), 5.0, 36.0);
  const double side = size * picture.ranks;
  const double left = kLeft + std::max(0.0, (kLeastWidth - kLeft - 40 - side) / 2);
  const double width = std::max({kLeastWidth, title_width(picture), kLeft + side + 40});
  const double height = kTop + side + 24;
  std::string svg =
      head(picture.title,
           fmt::format("rows send, columns receive; darker: more data (the darkest {}); <tspan fill=\"{}\">"
                       "reduced there</tspan>, <tspan fill=\"{}\">kept there</tspan>",
                       percent(most), kReduced, kCopied),
           width, height);
  const int labelled = size >= 14 ? 1 : size >= 8 ? 4 : 16;
  for (int rank = 0; rank < picture.ranks; ++rank) {
    const double at = (rank + 0.5) * size;
    if (rank % labelled == 0) {
      svg += fmt::format(
          "<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"end\" font-size=\"10\">{}</text>"
          "<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\" font-size=\"10\">{}</text>\n",
          left - 6, kTop + at + 4, rank, left + at, kTop - 6, rank);
    }
  }
  for (int line = 0; line <= picture.ranks; ++line) {
    const char* const color = line % labelled == 0 ? "#bbb" : "#eee";
    svg += fmt::format("<path d=\"M{0:.1f},{1:.1f} v{2:.1f} M{3:.1f},{4:.1f} h{2:.1f}\" stroke=\"{5}\"/>\n",
                       left + line * size, kTop, side, left, kTop + line * size, color);
  }
  for (const auto& [pair, cell] : cells) {
    svg += fmt::format(
        "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" fill=\"{}\" fill-opacity=\"{:.2f}\"><title>"
        "rank {} to rank {}: {}, round {}</title></rect>\n",
        left + pair.second * size + 0.5, kTop + pair.first * size + 0.5, size - 1, size - 1,
        cell.reduced ? kReduced : kCopied, 0.25 + 0.75 * cell.share / most, pair.first, pair.second,
        percent(cell.share), cell.rounds);
    if (size >= 22 && cell.messages == 1) {
      svg +=
          fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\" font-size=\"10\" fill=\"{}\">{}</text>\n",
                      left + (pair.second + 0.5) * size, kTop + (pair.first + 0.5) * size + 4,
                      cell.share > 0.5 * most ? "white" : "black", cell.rounds);
    }
  }
  return svg + "</svg>\n";
}

}  // namespace tutti::tools
