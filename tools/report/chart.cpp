#include "tools/report/chart.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>
#include <string_view>

#include "tools/report/gnuplot.hpp"

namespace tutti::tools {
namespace {

constexpr int kWidth = 560;
constexpr int kHeight = 260;
constexpr std::size_t kMostPoints = 180;  ///< more are drawn as means with a band
constexpr std::size_t kMostMarkers = 40;  ///< fewer points get a marker each

/// Colours that stand for the page's own: rgb(1,2,i) in gnuplot's output becomes the variable of index i.
constexpr std::array<std::string_view, 10> kPageColours = {"--soft",     "--grid",    "--axis",     "--series-1",
                                                           "--series-2", "--soft",    "--series-4", "--series-5",
                                                           "--series-6", "--series-7"};
constexpr int kTextColour = 0;
constexpr int kGridColour = 1;
constexpr int kAxisColour = 2;
constexpr int kFirstSeriesColour = 3;

std::string colour(int index) { return fmt::format("\"#0102{:02x}\"", index); }

bool drawable(const Chart& chart, const Point& p) {
  return std::isfinite(p.x) && std::isfinite(p.y) && (!chart.log_x || p.x > 0) && (!chart.log_y || p.y > 0);
}

struct Column {
  double x, mean, least, largest;
};

/// The drawable points in order of x, thinned to kMostPoints by putting neighbours together.
std::vector<Column> thin(const Chart& chart, std::vector<Point> points) {
  points.erase(std::remove_if(points.begin(), points.end(), [&](const Point& p) { return !drawable(chart, p); }),
               points.end());
  std::stable_sort(points.begin(), points.end(), [](const Point& a, const Point& b) { return a.x < b.x; });
  const std::size_t columns = std::min(points.size(), kMostPoints);
  std::vector<Column> out;
  for (std::size_t c = 0; c < columns; ++c) {
    const std::size_t begin = points.size() * c / columns;
    const std::size_t end = points.size() * (c + 1) / columns;
    Column column{.x = 0, .mean = 0, .least = points[begin].y, .largest = points[begin].y};
    for (std::size_t i = begin; i < end; ++i) {
      column.x += points[i].x / static_cast<double>(end - begin);
      column.mean += points[i].y / static_cast<double>(end - begin);
      column.least = std::min(column.least, points[i].y);
      column.largest = std::max(column.largest, points[i].y);
    }
    out.push_back(column);
  }
  return out;
}

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  void include(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
};

/// About five round values over the range: 1, 2 or 5 times a power of ten apart, of bytes a power of two.
std::vector<double> linear_ticks(const Range& range, Unit unit) {
  const double span = range.high - range.low;
  const double raw = unit == Unit::count ? std::max(span / 4, 1.0) : span / 4;  // no halves of a step
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  const double decimal = power * (raw / power < 1.5 ? 1 : raw / power < 3.5 ? 2 : raw / power < 7.5 ? 5 : 10);
  const double step = unit == Unit::bytes ? std::exp2(std::round(std::log2(raw))) : decimal;
  std::vector<double> ticks;
  const double first = std::ceil(range.low / step - 1e-9);
  for (int i = 0; i < 20 && (first + i) * step <= range.high + step * 1e-9; ++i) ticks.push_back((first + i) * step);
  return ticks;
}

/// Powers of `base` over the range, thinned to at most seven; where there are fewer than two powers of ten, 1, 2 and 5
/// times them.
std::vector<double> logarithmic_ticks(const Range& range, double base) {
  const int first = static_cast<int>(std::ceil(std::log(range.low) / std::log(base) - 1e-9));
  const int last = static_cast<int>(std::floor(std::log(range.high) / std::log(base) + 1e-9));
  const int stride = std::max(1, (last - first) / 6 + ((last - first) % 6 != 0 ? 1 : 0));
  std::vector<double> ticks;
  for (int i = first; i <= last; i += stride) ticks.push_back(std::pow(base, i));
  if (base != 10 || ticks.size() > 1) return ticks;
  ticks.clear();
  for (int i = first - 1; i <= last; ++i) {
    for (const double times : {1.0, 2.0, 5.0}) {
      const double tick = times * std::pow(10.0, i);
      if (tick >= range.low * (1 - 1e-9) && tick <= range.high * (1 + 1e-9)) ticks.push_back(tick);
    }
  }
  return ticks;
}

/// Makes the range wide enough to draw: never empty, from 0 or with a margin where linear, whole powers where
/// logarithmic.
Range widen(Range range, bool logarithmic, bool from_zero, bool percent) {
  if (logarithmic) {
    if (range.high <= range.low * 1.01) return {.low = range.low / 2, .high = range.high * 2};
    return range;
  }
  if (from_zero) range.low = std::min(range.low, 0.0);
  const double span = range.high - range.low;
  const double margin = span > 0 ? 0.06 * span : std::max(std::abs(range.high) * 0.1, 1e-3);
  const bool full = percent && range.high <= 1.0;
  return {.low = from_zero && range.low >= 0 ? 0.0 : range.low - margin,
          .high = full ? std::min(range.high + margin, std::max(1.0, range.high)) : range.high + margin};
}

std::string tick_list(const std::vector<double>& ticks, Unit unit) {
  std::string list;
  for (const double tick : ticks) {
    std::string label = format_value(unit, std::abs(tick) < 1e-12 ? 0 : tick);
    if (label.back() == '%') label += '%';  // gnuplot reads labels as formats
    list += fmt::format("{}\"{}\" {:.9g}", list.empty() ? "" : ", ", label, tick);
  }
  return list;
}

std::string axis(char name, const Range& range, bool logarithmic, Unit unit) {
  const auto ticks = logarithmic ? logarithmic_ticks(range, unit == Unit::bytes ? 2 : 10) : linear_ticks(range, unit);
  return fmt::format("{}\nset {}range [{:.9g}:{:.9g}]\nset {}tics ({})\n",
                     logarithmic ? fmt::format("set logscale {}", name) : fmt::format("unset logscale {}", name), name,
                     range.low, range.high, name, tick_list(ticks, unit));
}

std::string terminal_script(const Chart& chart) {
  return fmt::format("set terminal svg size {},{} font \"sans-serif,12\" name \"{}\"\n", kWidth, kHeight, chart.id);
}

/// The most there is, but for rare peaks, which would make everything else flat.
double usual_most(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return std::min(values.back(), 1.5 * values[(values.size() - 1) * 95 / 100]);
}

/// Areas, each on top of the one before. A single point becomes a strip, which has an area.
std::string stacked_script(const Chart& chart) {
  std::string data;
  std::string areas;
  Range x;
  Range y;
  y.include(0);
  for (const double value : chart.x_includes) x.include(value);
  std::vector<double> base;
  int number = 0;
  for (const auto& series : chart.series) {
    auto columns = thin(chart, series.points);
    if (columns.empty()) continue;
    if (columns.size() == 1) {
      columns.push_back(columns[0]);
      columns[0].x -= 0.5;
      columns[1].x += 0.5;
    }
    base.resize(columns.size());
    const std::string block = fmt::format("${}{}", chart.id, number++);
    data += block + " << EOD\n";
    for (std::size_t i = 0; i < columns.size(); ++i) {
      const double top = base[i] + columns[i].mean;
      data += fmt::format("{:.9g} {:.9g} {:.9g}\n", columns[i].x, base[i], top);
      x.include(columns[i].x);
      base[i] = top;
    }
    data += "EOD\n";
    areas += fmt::format("{}{} using 1:2:3 with filledcurves fc rgb {} fs solid noborder notitle",
                         areas.empty() ? "" : ", ", block, colour(kFirstSeriesColour + series.colour - 1));
  }
  y.include(usual_most(base));
  y = widen(y, false, true, false);
  return terminal_script(chart) + data + axis('x', x, false, chart.x_unit) + axis('y', y, false, chart.y_unit) +
         "plot " + areas + "\n";
}

std::string script_for(const Chart& chart) {
  if (chart.stacked) return stacked_script(chart);
  std::string data;
  std::string bands;
  std::string lines;
  Range x;
  Range y;
  for (const double value : chart.x_includes) x.include(value);
  int number = 0;
  for (const auto& series : chart.series) {
    const auto columns = thin(chart, series.points);
    if (columns.empty()) continue;
    const std::string block = fmt::format("${}{}", chart.id, number++);
    data += block + " << EOD\n";
    for (const auto& c : columns) {
      data += fmt::format("{:.9g} {:.9g} {:.9g} {:.9g}\n", c.x, c.mean, c.least, c.largest);
      x.include(c.x);
      y.include(c.least);
      y.include(c.largest);
    }
    data += "EOD\n";
    const std::string paint = colour(kFirstSeriesColour + series.colour - 1);
    if (series.points.size() > kMostPoints)
      bands += fmt::format("{} using 1:3:4 with filledcurves fc rgb {} fs transparent solid 0.22 noborder notitle, ",
                           block, paint);
    const bool markers = columns.size() <= kMostMarkers;
    const char* style = series.colour == Series::kGuide ? "lines lw 1.2 dt (6,4)"
                        : markers                       ? "linespoints lw 2 pt 7 ps 0.6"
                                                        : "lines lw 2";
    lines += fmt::format("{}{} using 1:2 with {} lc rgb {} notitle", lines.empty() ? "" : ", ", block, style, paint);
  }
  if (x.low == x.high && !chart.log_x) x = {.low = x.low - 1, .high = x.high + 1};
  y = widen(y, chart.log_y, chart.from_zero, chart.y_unit == Unit::percent);
  if (chart.log_y) y = {.low = y.low / 1.2, .high = y.high * 1.2};  // no line on the axis
  if (chart.log_x) x = widen(x, true, false, false);
  return terminal_script(chart) + data + axis('x', x, chart.log_x, chart.x_unit) +
         axis('y', y, chart.log_y, chart.y_unit) + "plot " + bands + lines + "\n";
}

std::string common_script() {
  return "set encoding utf8\nset border 1 lc rgb " + colour(kAxisColour) + "\nset tics scale 0 textcolor rgb " +
         colour(kTextColour) + "\nset grid ytics noxtics lt 1 lw 1 lc rgb " + colour(kGridColour) +
         "\nset style line 1 lw 1\nset lmargin 8\nset rmargin 2\nset tmargin 0.8\nset bmargin 2\nunset key\n";
}

// ---- From gnuplot's SVG to ours

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
}

/// rgb(1,2,i), with or without blanks, becomes the page's i-th colour; other colours stay.
std::string with_page_colours(const std::string& svg) {
  std::string out;
  std::size_t at = 0;
  for (std::size_t found = 0; (found = svg.find("rgb(", at)) != std::string::npos;) {
    const std::size_t end = svg.find(')', found);
    if (end == std::string::npos) break;
    int r = 0;
    int g = 0;
    int b = 0;
    const bool read = std::sscanf(svg.c_str() + found, "rgb( %d , %d , %d", &r, &g, &b) == 3;
    out.append(svg, at, found - at);
    if (read && r == 1 && g == 2 && b >= 0 && b < static_cast<int>(kPageColours.size())) {
      out += fmt::format("var({})", kPageColours[static_cast<std::size_t>(b)]);
    } else {
      out.append(svg, found, end + 1 - found);
    }
    at = end + 1;
  }
  return out.append(svg, at);
}

/// Our own opening tag instead of gnuplot's head, one marker of our own instead of its definitions, no empty groups.
std::string clean(const std::string& drawn, const Chart& chart) {
  const std::size_t body = drawn.find("</defs>");
  const std::size_t end = drawn.rfind("</svg>");
  if (body == std::string::npos || end == std::string::npos || end < body) return {};
  std::string svg = drawn.substr(body + 7, end + 6 - body - 7);
  replace_all(svg, "xlink:href='#gpPt6'", "href='#" + chart.id + "-dot'");
  replace_all(svg,
              "<g fill=\"none\" color=\"black\" stroke=\"currentColor\" stroke-width=\"1.00\" stroke-linecap=\"butt\" "
              "stroke-linejoin=\"miter\">\n</g>\n",
              "");
  replace_all(svg, " font-family=\"sans-serif\"", "");
  replace_all(svg, "\t", "");
  return fmt::format(
             "<svg class=\"plot\" viewBox=\"0 0 {} {}\" role=\"img\" aria-labelledby=\"{}-title\">\n"
             "<defs><circle id=\"{}-dot\" r=\"1\" fill=\"currentColor\" stroke=\"none\"/></defs>\n<g>",
             kWidth, kHeight, chart.id, chart.id) +
         with_page_colours(svg);
}

}  // namespace

std::string format_value(Unit unit, double value) {
  const double size = std::abs(value);
  switch (unit) {
    case Unit::percent:
      return fmt::format("{:.4g} %", value * 100);
    case Unit::bytes:
      if (size >= 1024.0 * 1024 * 1024) return fmt::format("{:.4g}G", value / (1024.0 * 1024 * 1024));
      if (size >= 1024.0 * 1024) return fmt::format("{:.4g}M", value / (1024.0 * 1024));
      if (size >= 1024.0) return fmt::format("{:.4g}K", value / 1024.0);
      return fmt::format("{:.4g}", value);
    case Unit::seconds:
      if (size == 0) return "0";
      return size >= 1 ? fmt::format("{:.3g} s", value) : format_value(Unit::microseconds, value * 1e6);
    case Unit::microseconds:
      if (size >= 1e6) return fmt::format("{:.3g} s", value / 1e6);
      if (size >= 1e3) return fmt::format("{:.3g} ms", value / 1e3);
      return fmt::format("{:.3g} us", value);
    case Unit::count:
    case Unit::number:
      break;
  }
  if (size >= 1e9) return fmt::format("{:.4g}G", value / 1e9);
  if (size >= 1e6) return fmt::format("{:.4g}M", value / 1e6);
  if (size >= 1e4) return fmt::format("{:.0f},{:03.0f}", std::trunc(value / 1e3), std::trunc(std::fmod(size, 1e3)));
  return fmt::format("{:.4g}", value);
}

bool has_points(const Chart& chart) {
  return std::any_of(chart.series.begin(), chart.series.end(), [&](const Series& series) {
    return std::any_of(series.points.begin(), series.points.end(), [&](const Point& p) { return drawable(chart, p); });
  });
}

Drawings draw(const std::vector<Chart>& charts) {
  Drawings drawings;
  drawings.svg.resize(charts.size());
  std::string script = common_script();
  for (const auto& chart : charts) {
    if (has_points(chart)) script += script_for(chart);
  }
  const auto result = run_gnuplot(script);
  drawings.problem = result.problem;
  if (!result.problem.empty()) return drawings;
  std::size_t at = 0;  // one <svg> element follows another
  for (std::size_t i = 0; i < charts.size(); ++i) {
    if (!has_points(charts[i])) continue;
    const std::size_t begin = result.output.find("<svg", at);
    const std::size_t end = result.output.find("</svg>", begin);
    if (begin == std::string::npos || end == std::string::npos) {
      drawings.problem = "gnuplot drew fewer charts than it was asked for";
      return drawings;
    }
    at = end + 6;
    drawings.svg[i] = clean(result.output.substr(begin, at - begin), charts[i]);
  }
  return drawings;
}

}  // namespace tutti::tools
