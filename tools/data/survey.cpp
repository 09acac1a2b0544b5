#include "tools/data/survey.hpp"

#include <fmt/core.h>

namespace tutti::tools::data {

Survey survey(const io::Dataset& dataset) {
  Survey result;
  for (std::size_t s = 0; s < dataset.shards().size(); ++s) {
    result.shards.push_back(io::survey_shard(dataset, s));
    const io::ShardContent& content = result.shards.back();
    result.data_bytes += content.data_bytes;
    result.file_bytes += content.file_bytes;
    for (const auto& [label, samples] : content.samples_of_class) result.samples_of_class[label] += samples;
  }
  return result;
}

std::string empty_classes(const std::map<std::size_t, std::uint64_t>& samples_of_class, std::size_t classes) {
  constexpr int kMostRanges = 8;
  std::string result;
  int ranges = 0;
  const auto add = [&](std::size_t first, std::size_t last) {
    if (ranges++ < kMostRanges)
      result +=
          fmt::format("{}{}{}", result.empty() ? "" : ", ", first, last > first ? fmt::format(" to {}", last) : "");
    else if (ranges == kMostRanges + 2)
      result += ", ...";
  };
  std::size_t next = 0;
  for (const auto& [label, samples] : samples_of_class) {
    if (label > next) add(next, label - 1);
    next = label + 1;
  }
  if (next < classes) add(next, classes - 1);
  return result;
}

}  // namespace tutti::tools::data
