// The formats that `tutti data import` reads: a row in the table of import.cpp each, and a file for its options.
#pragma once

#include <CLI/CLI.hpp>

#include <cstddef>
#include <functional>
#include <memory>

#include <tutti/io/import.hpp>

namespace tutti::tools::data {

/// Opens the source that the parsed options describe.
using OpenSource = std::function<std::unique_ptr<io::SampleSource>()>;

/// An input format: `add_options` gives a subcommand the options of the format; those of the data set that is made
/// (--out, --shards, --classes and so on) are added to all of them. `classes` is what the user states, 0 if nothing; it
/// is known once the options have been parsed.
struct Format {
  const char* name;
  const char* description;
  OpenSource (*add_options)(CLI::App& command, const std::size_t& classes);
};

OpenSource add_cifar_options(CLI::App& command, const std::size_t& classes);
OpenSource add_csv_options(CLI::App& command, const std::size_t& classes);
OpenSource add_hdf5_options(CLI::App& command, const std::size_t& classes);
OpenSource add_idx_options(CLI::App& command, const std::size_t& classes);
OpenSource add_images_options(CLI::App& command, const std::size_t& classes);
OpenSource add_libsvm_options(CLI::App& command, const std::size_t& classes);
OpenSource add_npy_options(CLI::App& command, const std::size_t& classes);
OpenSource add_text_options(CLI::App& command, const std::size_t& classes);
OpenSource add_tfrecord_options(CLI::App& command, const std::size_t& classes);

}  // namespace tutti::tools::data
