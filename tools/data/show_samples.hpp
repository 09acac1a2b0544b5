// Samples of a data set as pictures, for `tutti data show`.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

#include <tutti/io/dataset.hpp>

namespace tutti::tools::data {

struct ShowSettings {
  std::string folder;
  std::string samples;  ///< which; empty: none, or, with `png`, some
  std::string field;    ///< empty: the first that holds pictures
  std::filesystem::path png;
  bool statistics = false;
  bool json = false;
};

/// " (cat)", or nothing if the data set has no names of classes.
std::string class_name(const io::Dataset& dataset, std::size_t label);

/// \throws InvalidArgument: no such samples. DataError: no pictures; the PNG file cannot be written.
void show_pictures(const io::Dataset& dataset, const ShowSettings& settings);

}  // namespace tutti::tools::data
