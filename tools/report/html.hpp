// The parts that our pages are made of. Every function escapes the texts it is given, unless its name for them ends in
// _html. Pages are well-formed XML as well as HTML.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tools/report/chart.hpp"

namespace tutti::tools {

/// `text` for use in HTML content and attributes: markup characters become entities; bytes that are not UTF-8, and
/// control characters, become U+FFFD.
std::string escape_html(std::string_view text);

struct Figure {
  std::string label;
  std::string value;
  std::string note;
};

/// The row of large figures at the top.
std::string figures_html(const std::vector<Figure>& figures);

/// Charts side by side, with titles and legends. Where there is no gnuplot a box says so.
std::string charts_html(const std::vector<Chart>& charts, const Drawings& drawings);

std::string table_html(const std::vector<std::string>& heading, const std::vector<std::vector<std::string>>& rows);

/// A section that is closed until clicked.
std::string details_html(std::string_view summary, std::string_view content_html);
std::string preformatted_html(std::string_view text);
/// A picture of ours with its title.
std::string figure_html(std::string_view title, std::string_view picture_html);
std::string note_html(std::string_view text);
std::string heading_html(std::string_view text);

/// The whole page.
std::string page_html(std::string_view title, std::string_view subtitle, std::string_view body_html);

}  // namespace tutti::tools
