#include "tools/report/classes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "tools/report/files.hpp"
#include "tools/report/html.hpp"

namespace tutti::tools {
namespace {

using nlohmann::json;

constexpr std::size_t kMostNumbered = 32;  ///< classes up to here have a number in each cell, and an open table
constexpr std::size_t kMostSquares = 100;  ///< of more classes, neighbours share a row and a column of the picture
constexpr std::size_t kMostMistakes = 10;  ///< kinds of mistakes listed
constexpr double kPictureWidth = 620;      ///< of the squares, at most
constexpr double kLargestSquare = 52;
constexpr double kMargin = 58;  ///< for the labels

/// A row for each true class, a column for each class predicted.
struct Confusion {
  std::size_t size = 0;
  std::vector<double> cells;

  double at(std::size_t truth, std::size_t predicted) const { return cells[truth * size + predicted]; }
  double& at(std::size_t truth, std::size_t predicted) { return cells[truth * size + predicted]; }
  double samples(std::size_t truth) const {
    double sum = 0;
    for (std::size_t predicted = 0; predicted < size; ++predicted) sum += at(truth, predicted);
    return sum;
  }
};

std::optional<Confusion> confusion_from(const json& rows) {
  if (!rows.is_array() || rows.empty()) return std::nullopt;
  Confusion confusion{.size = rows.size(), .cells = {}};
  for (const auto& row : rows) {
    if (!row.is_array() || row.size() != rows.size()) return std::nullopt;
    for (const auto& cell : row) {
      if (!cell.is_number_unsigned()) return std::nullopt;
      confusion.cells.push_back(cell.get<double>());
    }
  }
  return confusion;
}

/// Neighbouring classes put together, `group` at a time.
Confusion grouped(const Confusion& all, std::size_t group) {
  Confusion fewer{.size = (all.size + group - 1) / group, .cells = {}};
  fewer.cells.resize(fewer.size * fewer.size);
  for (std::size_t truth = 0; truth < all.size; ++truth) {
    for (std::size_t predicted = 0; predicted < all.size; ++predicted)
      fewer.at(truth / group, predicted / group) += all.at(truth, predicted);
  }
  return fewer;
}

/// In at most four characters.
std::string short_count(double n) {
  if (n < 1e4) return fmt::format("{:.0f}", n);
  if (n < 1e6) return fmt::format("{:.0f}k", n / 1e3);
  return fmt::format("{:.0f}M", n / 1e6);
}

std::string class_label(std::size_t index, std::size_t group, std::size_t classes) {
  if (group == 1) return fmt::format("{}", index);
  return fmt::format("{}-{}", index * group, std::min(classes, (index + 1) * group) - 1);
}

std::string heat_map(const Confusion& all) {
  const std::size_t group = (all.size + kMostSquares - 1) / kMostSquares;
  const Confusion shown = grouped(all, group);
  const bool numbered = all.size <= kMostNumbered;
  const double square = std::min(kLargestSquare, kPictureWidth / static_cast<double>(shown.size));
  const double edge = square * static_cast<double>(shown.size);
  const double letters = numbered ? std::clamp(square * 0.34, 8.0, 14.0) : 11.0;
  const std::size_t stride = std::max<std::size_t>(1, static_cast<std::size_t>(std::ceil(26 / square)));
  std::string out = fmt::format(
      "<svg class=\"heat\" viewBox=\"0 0 {0:.0f} {0:.0f}\" style=\"max-width:{0:.0f}px\" role=\"img\" "
      "aria-label=\"confusion matrix\" font-size=\"{1:.1f}\">\n",
      kMargin + edge, letters);
  for (std::size_t i = 0; i < shown.size; i += numbered ? 1 : stride) {
    const double middle = kMargin + (static_cast<double>(i) + 0.5) * square;
    out += fmt::format("<text class=\"tick\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>", middle, kMargin - 12, i * group);
    out += fmt::format("<text class=\"tick\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>\n", kMargin - 22, middle, i * group);
  }
  out += fmt::format("<text class=\"tick\" x=\"{:.1f}\" y=\"14\">predicted</text>", kMargin + edge / 2);
  out += fmt::format("<text class=\"tick\" x=\"14\" y=\"{0:.1f}\" transform=\"rotate(-90 14 {0:.1f})\">true</text>\n",
                     kMargin + edge / 2);
  out +=
      fmt::format("<rect class=\"frame\" x=\"{0}\" y=\"{0}\" width=\"{1:.1f}\" height=\"{1:.1f}\"/>\n", kMargin, edge);
  for (std::size_t truth = 0; truth < shown.size; ++truth) {
    const double samples = shown.samples(truth);
    for (std::size_t predicted = 0; predicted < shown.size; ++predicted) {
      const double count = shown.at(truth, predicted);
      if (count == 0) continue;
      const double x = kMargin + static_cast<double>(predicted) * square;
      const double y = kMargin + static_cast<double>(truth) * square;
      // The root makes few mistakes visible; below a number the square is paler, so that it can be read.
      out += fmt::format(
          "<g><title>true {}, predicted {}: {:.0f} of {:.0f}</title><rect class=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\" "
          "width=\"{:.1f}\" height=\"{:.1f}\" fill-opacity=\"{:.3f}\"/>",
          class_label(truth, group, all.size), class_label(predicted, group, all.size), count, samples,
          truth == predicted ? "right" : "wrong", x, y, square, square,
          (numbered ? 0.6 : 1.0) * std::sqrt(count / samples));
      if (numbered)
        out += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\">{}</text>", x + square / 2, y + square / 2,
                           short_count(count));
      out += "</g>\n";
    }
  }
  return out + "</svg>\n";
}

std::string table_of(const json& classes) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& one : classes) {
    const auto samples = number_at(one, "samples").value_or(0);
    const auto figure = [&](const char* key, const char* otherwise) {
      const auto value = number_at(one, key);
      return value ? fmt::format("{:.2f} %", *value * 100) : std::string(samples == 0 ? "no samples" : otherwise);
    };
    rows.push_back({text_at(one, "class").value_or("-"), fmt::format("{:.0f}", samples),
                    text_at(one, "predicted").value_or("-"), figure("precision", "never predicted"),
                    figure("recall", "-"), figure("f1", "-")});
  }
  return table_html({"class", "samples", "predicted", "precision", "recall", "F1"}, rows);
}

std::string mistakes_table(const Confusion& confusion) {
  struct Mistake {
    std::size_t truth;
    std::size_t predicted;
  };
  std::vector<Mistake> mistakes;
  for (std::size_t truth = 0; truth < confusion.size; ++truth) {
    for (std::size_t predicted = 0; predicted < confusion.size; ++predicted) {
      if (truth != predicted && confusion.at(truth, predicted) > 0) mistakes.push_back({truth, predicted});
    }
  }
  const auto listed = std::min(mistakes.size(), kMostMistakes);
  std::stable_sort(mistakes.begin(), mistakes.end(), [&](const Mistake& a, const Mistake& b) {
    return confusion.at(a.truth, a.predicted) > confusion.at(b.truth, b.predicted);
  });
  std::vector<std::vector<std::string>> rows;
  for (const Mistake& mistake : std::vector(mistakes.begin(), mistakes.begin() + static_cast<std::ptrdiff_t>(listed))) {
    const double count = confusion.at(mistake.truth, mistake.predicted);
    rows.push_back({fmt::format("{}", mistake.truth), fmt::format("{}", mistake.predicted),
                    fmt::format("{:.0f}", count),
                    fmt::format("{:.2f} %", 100 * count / confusion.samples(mistake.truth))});
  }
  if (rows.empty()) return {};
  return heading_html("Most frequent mistakes") +
         table_html({"true class", "predicted", "samples", "of the class"}, rows);
}

}  // namespace

std::string classes_html(const json& file) {
  if (!file.is_object()) return {};
  const auto confusion = confusion_from(file.value("confusion", json()));
  const json classes = file.value("classes", json());
  if (!confusion || !classes.is_array() || classes.size() != confusion->size) return {};
  const std::string table = table_of(classes);
  const std::size_t group = (confusion->size + kMostSquares - 1) / kMostSquares;
  std::string caption =
      "Confusion matrix: samples by true class and class predicted; the shade is the root of their share of "
      "the true class";
  if (group > 1) caption += fmt::format("; squares are of {} classes each", group);
  return heading_html("Classes") +
         (confusion->size <= kMostNumbered ? table
                                           : details_html(fmt::format("All {} classes", confusion->size), table)) +
         figure_html(caption, heat_map(*confusion)) + mistakes_table(*confusion);
}

}  // namespace tutti::tools
