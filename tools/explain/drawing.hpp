// A schedule as a picture: one line per rank, one column per round, an arrow per message.
#pragma once

#include <string>

#include <tutti/collectives/schedule.hpp>

namespace tutti::tools {

/// The most ranks and rounds that a picture can show.
inline constexpr int kMostDrawnRanks = 64;
inline constexpr int kMostDrawnRounds = 64;

/// An SVG of every round of `algorithm` with root 0. Arrows are as wide as the blocks they carry are many, and solid if
/// what arrives is combined, dashed if it is copied. \throws InvalidArgument if there are too many ranks or rounds.
std::string draw_schedule(const Algorithm& algorithm, const Shape& shape);

}  // namespace tutti::tools
