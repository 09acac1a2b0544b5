#include "tools/data/show_samples.hpp"

#include <fmt/core.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string_view>
#include <system_error>
#include <vector>

#include <tutti/io/sample_block.hpp>
#include <tutti/io/sample_reader.hpp>
#include <tutti/kernels/error.hpp>

#include "tools/data/elements.hpp"
#include "tools/data/picture.hpp"

namespace tutti::tools::data {

namespace {

/// The ids that a text such as "3,7,10-19" names; of "16" as many, spread over the whole data set.
std::vector<std::uint64_t> ids_of(const std::string& text, std::uint64_t size) {
  constexpr std::uint64_t kMost = 10000;
  std::vector<std::uint64_t> ids;
  const char* at = text.data();
  const char* const end = at + text.size();
  const auto number = [&] {
    std::uint64_t value = 0;
    const auto [rest, error] = std::from_chars(at, end, value);
    if (error != std::errc())
      throw InvalidArgument(
          fmt::format("--samples: '{}' is neither a number of samples nor a list of ids, such as 3,7,10-19", text));
    at = rest;
    return value;
  };
  const auto require = [&](bool valid, const std::string& why) {
    if (!valid) throw InvalidArgument(fmt::format("--samples: {}", why));
  };
  const std::uint64_t count = number();
  if (at == end) {
    require(count > 0 && count <= kMost, fmt::format("1 to {} are shown, not {}", kMost, count));
    ids.reserve(std::min(count, size));
    for (std::uint64_t i = 0; i < std::min(count, size); ++i) ids.push_back(size / std::min(count, size) * i);
    return ids;
  }
  at = text.data();
  while (true) {
    const std::uint64_t first = number();
    const bool range = at != end && *at == '-';
    if (range) ++at;
    const std::uint64_t last = range ? number() : first;
    require(first <= last, fmt::format("the range {}-{} is empty", first, last));
    require(last < size, fmt::format("there is no sample {}: ids are 0 to {}", last, size - 1));
    require(last - first < kMost && ids.size() + (last - first) < kMost, fmt::format("at most {} are shown", kMost));
    for (std::uint64_t id = first; id <= last; ++id) ids.push_back(id);
    if (at == end) return ids;
    if (*at != ',') at = end;  // number() then says what is wrong
    at += at != end ? 1 : 0;
  }
}

bool terminal_has_colours() {
  const char* const depth = std::getenv("COLORTERM");
  const std::string_view told = depth == nullptr ? "" : depth;
  return ::isatty(STDOUT_FILENO) != 0 && (told == "truecolor" || told == "24bit");
}

std::size_t terminal_columns() {
  winsize size{};
  return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

/// What else there is to say of a sample: its label.
std::string label_of(const io::Dataset& dataset, const io::SampleBlock& block, std::size_t index) {
  if (dataset.classes() == 0) return {};
  const std::size_t field = dataset.field("label");
  const std::size_t bytes = dataset.fields()[field].sample_bytes();
  std::vector<double> label;
  widen_elements(dataset.fields()[field].dtype, std::span(block.data[field]).subspan(index * bytes, bytes), label);
  const auto value = static_cast<std::size_t>(label[0]);
  return fmt::format("class {}{}", value, class_name(dataset, value));
}

}  // namespace

std::string class_name(const io::Dataset& dataset, std::size_t label) {
  const auto& names = dataset.class_names();
  return label < names.size() ? fmt::format(" ({})", names[label]) : "";
}

void show_pictures(const io::Dataset& dataset, const ShowSettings& settings) {
  const std::size_t field = picture_field(dataset, settings.field);
  const std::size_t bytes = dataset.fields()[field].sample_bytes();
  const std::vector<std::uint64_t> ids = ids_of(settings.samples.empty() ? "64" : settings.samples, dataset.size());
  io::SampleReader reader(dataset);
  io::SampleBlock block(dataset.fields().size());
  std::vector<Picture> pictures;
  const auto per_row = static_cast<std::size_t>(std::ceil(std::sqrt(static_cast<double>(ids.size()))));
  const bool colours = terminal_has_colours();
  for (std::size_t i = 0; i < ids.size(); ++i) {
    block.clear();
    reader.append(ids[i], block);
    const Picture picture = picture_of(dataset.fields()[field], std::span(block.data[field]).first(bytes));
    if (settings.png.empty()) {
      fmt::print("sample {}: {}\n{}", ids[i], label_of(dataset, block, 0),
                 terminal_text(picture, colours, terminal_columns()));
      continue;
    }
    fmt::print("row {}, column {}: sample {}: {}\n", i / per_row, i % per_row, ids[i], label_of(dataset, block, 0));
    pictures.push_back(picture);
  }
  if (!settings.png.empty()) write_png(settings.png, sheet_of(pictures, per_row));
}

}  // namespace tutti::tools::data
