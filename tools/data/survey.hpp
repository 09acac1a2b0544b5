// What a data set holds, for the commands that tell of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <tutti/io/check.hpp>
#include <tutti/io/dataset.hpp>

namespace tutti::tools::data {

struct Survey {
  std::vector<io::ShardContent> shards;
  std::map<std::size_t, std::uint64_t> samples_of_class;
  std::uint64_t data_bytes = 0;
  std::uint64_t file_bytes = 0;
};

/// Reads all labels. \throws DataError
Survey survey(const io::Dataset& dataset);

/// Classes of which the data set has no sample: "0, 2 to 25"; at most a few ranges.
std::string empty_classes(const std::map<std::size_t, std::uint64_t>& samples_of_class, std::size_t classes);

}  // namespace tutti::tools::data
