// The options of formats that hold pictures.
#pragma once

#include <CLI/CLI.hpp>

#include <tutti/io/importers/picture.hpp>

namespace tutti::tools::data {

/// --size, --fit, --channels, --exif-orientation. `options` must live as long as the command.
void add_picture_options(CLI::App& command, io::PictureOptions& options);

}  // namespace tutti::tools::data
