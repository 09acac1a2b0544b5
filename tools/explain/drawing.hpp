// Schedules as pictures: a line per rank, a column per round and an arrow per message; or a matrix with a cell for each
// pair of ranks.
#pragma once

#include <string>
#include <vector>

#include <tutti/collectives/inspect/selection.hpp>

namespace tutti::tools {

/// The most ranks and rounds that a picture of rounds can show, and the most ranks of a matrix.
inline constexpr int kMostDrawnRanks = 64;
inline constexpr int kMostDrawnRounds = 64;
inline constexpr int kMostMatrixRanks = 256;

struct DrawnMessage {
  int round = 0;
  int from = 0;
  int to = 0;
  double share = 0;  ///< of the data
  bool reduced = false;
};

/// What is drawn: the messages of a call.
struct Picture {
  std::string title;
  int ranks = 0;
  int rounds = 0;
  int first_round = 0;  ///< the number of the first one that is drawn, less one
  std::vector<DrawnMessage> messages;
  std::vector<std::string> stages;  ///< what a round belongs to, where a call has stages; or empty
};

/// Every round of a schedule with root 0.
Picture picture_of(const Algorithm& algorithm, const Shape& shape);

/// Appends the rounds of a schedule that each of `groups` runs among its ranks; those of the first size decide.
void append_stage(Picture& picture, const std::string& name, const Algorithm& algorithm, int radix, const Torus& torus,
                  double share, const std::vector<std::vector<int>>& groups);

/// Keeps the messages of one rank.
void keep_rank(Picture& picture, int rank);

/// Keeps rounds `first` to `last`, counted from 1. \throws InvalidArgument if there are no such.
void keep_rounds(Picture& picture, int first, int last);

/// Arrows, as wide as the data they carry are many, solid if what arrives is reduced, dashed if it is copied. `rank`
/// is set off, or -1. \throws InvalidArgument if there are too many ranks or rounds.
std::string draw_rounds(const Picture& picture, int rank = -1);

/// A cell for each sender (row) and receiver (column), darker the more data. \throws InvalidArgument
std::string draw_matrix(const Picture& picture);

}  // namespace tutti::tools
