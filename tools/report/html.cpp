#include "tools/report/html.hpp"

#include <algorithm>
#include <cstddef>

namespace tutti::tools {
namespace {

/// The look of a page. Colours are variables, so that charts share them and dark pages only change these.
constexpr const char* kStyle = R"css(
:root { --page: #f5f6f8; --card: #ffffff; --ink: #171a21; --soft: #667085; --axis: #98a2b3; --grid: #e6e9ef;
        --edge: #e3e6ec; --series-1: #2563eb; --series-2: #e4632b; --series-4: #0f9d75; --series-5: #c99a06;
        --series-6: #8b5cf6; --series-7: #98a2b3; --warn: #b45309; --warn-page: #fff7ed; color-scheme: light dark; }
@media (prefers-color-scheme: dark) {
  :root { --page: #0e1116; --card: #161b22; --ink: #e8ebf0; --soft: #99a3b3; --axis: #4b5563; --grid: #262d38;
          --edge: #262d38; --series-1: #6ea3ff; --series-2: #ff9d66; --series-4: #3ecf9e; --series-5: #e5bd45;
          --series-6: #b598ff; --series-7: #667085; --warn: #fbbf24; --warn-page: #2a2013; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
       font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 36px 24px 48px; }
header { margin-bottom: 24px; }
h1 { font-size: 26px; line-height: 1.2; margin: 0 0 4px; letter-spacing: -0.01em; overflow-wrap: anywhere; }
h2 { font-size: 18px; margin: 36px 0 12px; }
h3 { font-size: 14px; margin: 0; font-weight: 600; }
.subtitle { color: var(--soft); margin: 0; overflow-wrap: anywhere; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(136px, 1fr)); gap: 12px; margin-bottom: 16px; }
.figure, .chart, .note, details, .table { background: var(--card); border: 1px solid var(--edge); border-radius: 10px; }
.figure { padding: 14px 16px; }
.figure .label { color: var(--soft); font-size: 13px; }
.figure .value { font-size: 25px; font-weight: 650; letter-spacing: -0.02em; font-variant-numeric: tabular-nums; line-height: 1.3; }
.figure .about { color: var(--soft); font-size: 12px; overflow-wrap: anywhere; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(460px, 100%), 1fr)); gap: 16px; }
.chart { padding: 14px 16px 8px; margin: 0; min-width: 0; }
.chart figcaption { display: flex; justify-content: space-between; align-items: baseline; flex-wrap: wrap; gap: 4px 16px; margin-bottom: 4px; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 14px; color: var(--soft); font-size: 12.5px; }
.swatch { display: inline-block; width: 14px; height: 3px; border-radius: 2px; margin-right: 6px; vertical-align: middle; }
.series-1 { background: var(--series-1); } .series-2 { background: var(--series-2); }
.series-3 { background: linear-gradient(90deg, var(--soft) 40%, transparent 40%, transparent 60%, var(--soft) 60%); }
.series-4 { background: var(--series-4); } .series-5 { background: var(--series-5); }
.series-6 { background: var(--series-6); } .series-7 { background: var(--series-7); }
.axis-label { text-align: center; color: var(--soft); font-size: 12px; margin: -2px 0 2px; }
.plot { display: block; width: 100%; height: auto; }
.plot text, .plot tspan { font-family: inherit; }
.empty { color: var(--soft); padding: 40px 0; text-align: center; }
.note { color: var(--warn); background: var(--warn-page); padding: 10px 16px; margin: 0 0 16px; overflow-wrap: anywhere; }
.table { overflow-x: auto; margin-top: 16px; }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; font-variant-numeric: tabular-nums; }
th, td { padding: 6px 14px; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--edge); }
th { color: var(--soft); font-weight: 500; } tr:last-child td { border-bottom: 0; }
th:first-child, td:first-child { text-align: left; }
.picture { margin-top: 16px; }
.heat { display: block; width: 100%; height: auto; margin: 8px auto; }
.heat text { fill: var(--ink); text-anchor: middle; dominant-baseline: central; font-variant-numeric: tabular-nums; }
.heat .tick { fill: var(--soft); font-size: 11px; }
.heat .right { fill: var(--series-1); } .heat .wrong { fill: var(--series-2); } .heat .frame { fill: none; stroke: var(--grid); }
details { margin-top: 12px; padding: 0 16px; }
summary { cursor: pointer; padding: 12px 0; font-weight: 600; }
details .table { border: 0; margin: 0 0 12px; }
details td { white-space: normal; overflow-wrap: anywhere; }
pre { margin: 0 0 14px; font: 13px/1.5 ui-monospace, "SF Mono", "DejaVu Sans Mono", monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
footer { color: var(--soft); font-size: 12.5px; margin-top: 28px; }
@media print { body { background: none; } .chart, .figure { break-inside: avoid; } }
)css";

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

/// Length of the UTF-8 character at the start of `text`, 0 if there is none (RFC 3629; overlong forms and surrogates
/// are not characters).
std::size_t character_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  const std::size_t length = lead >= 0xC2 && lead <= 0xDF   ? 2
                             : lead >= 0xE0 && lead <= 0xEF ? 3
                             : lead >= 0xF0 && lead <= 0xF4 ? 4
                                                            : 0;
  if (length == 0 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0U) != 0x80) return 0;
  }
  const bool overlong = (lead == 0xE0 && byte(1) < 0xA0) || (lead == 0xF0 && byte(1) < 0x90);
  const bool outside = (lead == 0xED && byte(1) > 0x9F) || (lead == 0xF4 && byte(1) > 0x8F);
  const bool no_character = lead == 0xEF && byte(1) == 0xBF && byte(2) >= 0xBE;  // U+FFFE and U+FFFF are not XML
  return overlong || outside || no_character ? 0 : length;
}

/// One ASCII character, as HTML writes it.
std::string_view escaped(std::string_view character) {
  switch (character.front()) {
    case '&':
      return "&amp;";
    case '<':
      return "&lt;";
    case '>':
      return "&gt;";
    case '"':
      return "&quot;";
    case '\'':
      return "&#39;";
    case '\n':
    case '\t':
      return character;
    case '\x7f':
      return kReplacement;
    default:
      return character.front() < ' ' ? kReplacement : character;
  }
}

std::string tagged(const char* tag, const char* of_class, const std::string& content_html) {
  return std::string("<") + tag + " class=\"" + of_class + "\">" + content_html + "</" + tag + ">\n";
}

std::string chart_html(const Chart& chart, const std::string& svg) {
  std::string legend;
  for (const auto& series : chart.series) {
    legend += "<span><span class=\"swatch series-" + std::to_string(series.colour) + "\"></span>" +
              escape_html(series.title) + "</span>";
  }
  const std::string caption = "<figcaption><h3 id=\"" + chart.id + "-title\">" + escape_html(chart.title) + "</h3>" +
                              tagged("div", "legend", legend) + "</figcaption>";
  const std::string label = svg.empty() ? "" : tagged("p", "axis-label", escape_html(chart.x_label));
  return tagged("figure", "chart",
                caption + (svg.empty() ? tagged("div", "empty", "no values recorded") : svg) + label);
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = character_length(text);
    const std::string_view character = text.substr(0, std::max<std::size_t>(length, 1));
    out += length == 1 ? escaped(character) : length == 0 ? kReplacement : character;
    text.remove_prefix(character.size());
  }
  return out;
}

std::string figures_html(const std::vector<Figure>& figures) {
  std::string all;
  for (const auto& figure : figures) {
    all +=
        tagged("div", "figure",
               tagged("div", "label", escape_html(figure.label)) + tagged("div", "value", escape_html(figure.value)) +
                   tagged("div", "about", escape_html(figure.note)));
  }
  return tagged("section", "figures", all);
}

std::string charts_html(const std::vector<Chart>& charts, const Drawings& drawings) {
  if (!drawings.problem.empty())
    return note_html("There are no charts: " + drawings.problem +
                     ". With gnuplot installed, tutti report makes this page again.");
  std::string all;
  for (std::size_t i = 0; i < charts.size(); ++i) all += chart_html(charts[i], drawings.svg[i]);
  return tagged("section", "charts", all);
}

std::string table_html(const std::vector<std::string>& heading, const std::vector<std::vector<std::string>>& rows) {
  std::string head;
  for (const auto& cell : heading) head += "<th>" + escape_html(cell) + "</th>";
  std::string body;
  for (const auto& row : rows) {
    body += "<tr>";
    for (const auto& cell : row) body += "<td>" + escape_html(cell) + "</td>";
    body += "</tr>\n";
  }
  return tagged("div", "table", "<table><thead><tr>" + head + "</tr></thead><tbody>\n" + body + "</tbody></table>");
}

std::string details_html(std::string_view summary, std::string_view content_html) {
  return "<details><summary>" + escape_html(summary) + "</summary>" + std::string(content_html) + "</details>\n";
}

std::string preformatted_html(std::string_view text) { return "<pre>" + escape_html(text) + "</pre>\n"; }

std::string figure_html(std::string_view title, std::string_view picture_html) {
  return tagged("figure", "chart picture",
                "<figcaption><h3>" + escape_html(title) + "</h3></figcaption>" + std::string(picture_html));
}

std::string note_html(std::string_view text) { return tagged("p", "note", escape_html(text)); }

std::string heading_html(std::string_view text) { return "<h2>" + escape_html(text) + "</h2>\n"; }

std::string page_html(std::string_view title, std::string_view subtitle, std::string_view body_html) {
  return "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>" +
         escape_html(title) + "</title>\n<style>" + kStyle + "</style>\n</head>\n<body>\n<main>\n<header><h1>" +
         escape_html(title) + "</h1>\n" + tagged("p", "subtitle", escape_html(subtitle)) + "</header>\n" +
         std::string(body_html) +
         "<footer>Made by tutti. This page is one file and loads nothing.</footer>\n</main>\n</body>\n</html>\n";
}

}  // namespace tutti::tools
