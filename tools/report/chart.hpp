// A line chart as SVG for a page of ours: colours are the page's (so that dark pages get dark charts), text is the
// page's font.
#pragma once

#include <string>
#include <vector>

namespace tutti::tools {

struct Point {
  double x;
  double y;
};

/// One line. `colour` is 1 to 7, the page's --series-1 and so on, but for kGuide: a thin dashed line for what the
/// others are held against. The title goes into the page's legend.
struct Series {
  static constexpr int kGuide = 3;

  std::string title;
  int colour = 1;
  std::vector<Point> points;
};

/// What numbers on an axis stand for, which decides how they are written.
enum class Unit { number, count, percent, bytes, microseconds, seconds };

struct Chart {
  std::string id;  ///< letters and digits, unique in the page
  std::string title;
  std::string x_label;
  Unit x_unit = Unit::number;
  Unit y_unit = Unit::number;
  bool log_x = false;
  bool log_y = false;
  bool from_zero = false;  ///< the y axis starts at 0
  /// Areas, each on top of the one before; all series have the same x. The y axis leaves out rare peaks.
  bool stacked = false;
  std::vector<double> x_includes = {};  ///< values that the x axis covers, with points or without
  std::vector<Series> series = {};
};

/// "1.5 s", "12 %", "64K": short, for people.
std::string format_value(Unit unit, double value);

/// True if any series has a point that can be drawn (finite; positive on a logarithmic axis).
bool has_points(const Chart& chart);

/// Draws the charts that have points, each as an `<svg>` element, in one run of gnuplot. A series of more than a few
/// hundred points is drawn as the mean of its neighbours with a band from their least to their largest.
struct Drawings {
  std::vector<std::string> svg;  ///< one per chart, empty where there was nothing to draw
  std::string problem;           ///< why there are none at all; empty if all went well
};
Drawings draw(const std::vector<Chart>& charts);

}  // namespace tutti::tools
