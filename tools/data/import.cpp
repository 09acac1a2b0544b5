// `tutti data import FORMAT`: other formats to shards, by one rank or by all that a launcher starts.
#include <fmt/core.h>

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <tutti/io/compression.hpp>
#include <tutti/io/dataset.hpp>
#include <tutti/io/import.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/names.hpp>

#include "tools/data/commands.hpp"
#include "tools/data/formats.hpp"
#include "tools/data/import_progress.hpp"
#include "tools/data/mpi_ranks.hpp"
#include "tools/data/survey.hpp"

namespace tutti::tools::data {

namespace {

constexpr Format kFormats[] = {
    {"cifar", "Import the binary version of CIFAR-10 or CIFAR-100", add_cifar_options},
    {"csv", "Import CSV: a table as text, a sample per line, plain or gzip-compressed", add_csv_options},
    {"hdf5", "Import datasets of HDF5 files that other programs made", add_hdf5_options},
    {"idx", "Import images and labels of the MNIST family, plain or gzip-compressed", add_idx_options},
    {"images", "Import a folder of PNG and JPEG pictures, one folder per class", add_images_options},
    {"libsvm", "Import LIBSVM (SVMlight): sparse samples as text, one per line, plain or gzip-compressed",
     add_libsvm_options},
    {"npy", "Import arrays of NumPy's: NPY and NPZ files", add_npy_options},
    {"text", "Import text for byte-level language models: windows of bytes, or lines", add_text_options},
    {"tfrecord", "Import TFRecord files of tf.train.Example", add_tfrecord_options},
};

// The number of classes comes from the largest label: labels that begin at 1 leave a class that no sample has.
void note_empty_classes(const io::Dataset& dataset) {
  const std::map<std::size_t, std::uint64_t> counts = survey(dataset).samples_of_class;
  if (counts.size() == dataset.classes()) return;
  fmt::print(stderr, "tutti: note: {} of {} classes have no sample: {}; the first class is 0\n",
             dataset.classes() - counts.size(), dataset.classes(), empty_classes(counts, dataset.classes()));
}

struct Settings {
  io::ImportOptions options;
  std::size_t classes = 0;
  const CLI::Option* shards = nullptr;
  CLI::Option* in_place = nullptr;  // which stands for --shards, in formats that have it
};

void add_common_options(CLI::App& command, Settings& settings) {
  io::ImportOptions& options = settings.options;
  command.add_option("--out", options.folder, "Folder of the new data set")->required()->type_name("FOLDER");
  CLI::Option* const shards =
      command.add_option("--shards", options.shards, "Number of shards; their sizes differ by at most one sample")
          ->type_name("N")
          ->check(CLI::Range(std::int64_t{1}, std::int64_t{99999}));
  command.add_option("--chunk", options.chunk_samples, "Most samples per chunk (default: about 32 KiB)")
      ->type_name("N")
      ->check(kCount);
  CLI::Option* const compress =
      command
          .add_option_function<std::string>(
              "--compress",
              [&options](const std::string& name) { options.compression = io::compression_from_name(name); },
              "Compression of chunks: none, deflate-1 to -9, lz4, zstd-1 to -19; 'shuffle+' in front reorders bytes "
              "first")
          ->option_text("CODEC [none]");
  command.add_option("--name", options.name, "Name of the data set (default: that of the folder)")->type_name("NAME");
  command.add_option("--classes", settings.classes, "Number of classes (default: largest label + 1)")
      ->type_name("N")
      ->check(kCount);
  command.add_flag("--force", options.replace, "Replace a data set that is already there");
  settings.in_place = command.get_option_no_throw("--in-place");
  settings.shards = shards;
  if (settings.in_place != nullptr)
    settings.in_place->excludes(shards)->excludes(compress);
  else
    shards->required();
}

void tell(const Settings& settings) {
  const io::Dataset dataset(settings.options.folder);
  fmt::print("{}: {} samples, {} classes, {} shards\n", dataset.folder().string(), dataset.size(), dataset.classes(),
             dataset.shards().size());
  if (settings.classes == 0 && dataset.classes() > 0) note_empty_classes(dataset);
}

std::unique_ptr<io::SampleSource> open_classified(const OpenSource& open, std::size_t classes) {
  std::unique_ptr<io::SampleSource> source = open();
  if (classes > 0 && source->labels() == nullptr)
    throw InvalidArgument(fmt::format("--classes {}: the samples have no labels", classes));
  return source;
}

void add_format(CLI::App& import, const Format& format) {
  CLI::App* command = import.add_subcommand(format.name, format.description);
  const auto settings = std::make_shared<Settings>();
  const OpenSource open = format.add_options(*command, settings->classes);
  add_common_options(*command, *settings);
  command->callback([settings, open] {
    if (settings->shards->count() == 0 && settings->in_place->count() == 0)
      throw CLI::RequiredError("--shards or --in-place");
    settings->options.note = [](const std::string& note) { fmt::print(stderr, "tutti: note: {}\n", note); };
    with_ranks([&](io::Ranks& ranks) {
      ImportProgress progress(ranks.size(), ranks.rank() == 0 ? stderr : nullptr);
      settings->options.progress = [&progress](const io::ImportProgress& state) { progress.show(state); };
      io::import_samples([&] { return open_classified(open, settings->classes); }, settings->options, ranks);
      progress.clear();
      if (ranks.rank() == 0) tell(*settings);
    });
  });
}

// CLI11 would only say that an argument was not expected, so words that are no known format are caught here.
void require_format(const CLI::App& command) {
  if (!command.get_subcommands().empty()) return;
  const std::vector<std::string> words = command.remaining();
  const std::vector<std::string> known = names_of(kFormats, &Format::name);
  throw InvalidArgument("data import: " + (words.empty() ? "no format is given; known are " + listed(known)
                                                         : unknown_name("format", words.front(), known)));
}

}  // namespace

void add_import_command(CLI::App& data) {
  CLI::App* command = data.add_subcommand("import", "Make HDF5 shards from another format");
  for (const Format& format : kFormats) add_format(*command, format);
  command->allow_extras();
  command->callback([command] { require_format(*command); });
}

}  // namespace tutti::tools::data
