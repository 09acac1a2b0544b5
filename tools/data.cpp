#include "tools/data.hpp"

#include <fmt/core.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include <tutti/io/check.hpp>
#include <tutti/io/dataset.hpp>
#include <tutti/io/importers/idx.hpp>
#include <tutti/io/loader.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/names.hpp>

namespace tutti::tools {

namespace {

using nlohmann::ordered_json;

// An input format: its options go to a subcommand of their own.
struct Importer {
  const char* name;
  const char* description;
  void (*add_options)(CLI::App& command);
};

// What `show` prints, gathered.
struct Survey {
  std::vector<io::ShardContent> shards;
  std::map<std::size_t, std::uint64_t> samples_of_class;
  std::uint64_t data_bytes = 0;
  std::uint64_t file_bytes = 0;
};

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

const CLI::Range kCount(std::int64_t{1}, std::int64_t{1} << 40);
const CLI::Range kRank(std::int64_t{0}, std::int64_t{10'000'000});

// Classes of which the data set has no sample: "0, 2 to 25"; at most a few ranges.
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

// The number of classes comes from the largest label: labels that begin at 1 leave a class that no sample has.
void note_empty_classes(const io::Dataset& dataset) {
  const std::map<std::size_t, std::uint64_t> counts = survey(dataset).samples_of_class;
  if (counts.size() == dataset.classes()) return;
  fmt::print(stderr, "tutti: note: {} of {} classes have no sample: {}; the first class is 0\n",
             dataset.classes() - counts.size(), dataset.classes(), empty_classes(counts, dataset.classes()));
}

void add_idx_options(CLI::App& command) {
  const auto import = std::make_shared<io::IdxImport>();
  command.add_option("--images", import->images, "IDX file of images, plain or .gz")->required()->type_name("FILE");
  command.add_option("--labels", import->labels, "IDX file of labels, plain or .gz")->required()->type_name("FILE");
  command.add_option("--out", import->folder, "Folder of the new data set")->required()->type_name("FOLDER");
  command.add_option("--shards", import->shards, "Number of shards; their sizes differ by at most one sample")
      ->required()
      ->type_name("N")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{99999}));
  command.add_option("--chunk", import->chunk_samples, "Most samples per chunk (default: about 32 KiB)")
      ->type_name("N")
      ->check(kCount);
  command.add_option("--name", import->name, "Name of the data set (default: that of the folder)")->type_name("NAME");
  command.add_option("--classes", import->classes, "Number of classes (default: largest label + 1)")
      ->type_name("N")
      ->check(kCount);
  command.add_flag("--force", import->replace, "Replace a data set that is already there");
  command.callback([import] {
    io::import_idx(*import);
    const io::Dataset dataset(import->folder);
    fmt::print("{}: {} samples, {} classes, {} shards\n", dataset.folder().string(), dataset.size(), dataset.classes(),
               dataset.shards().size());
    if (import->classes == 0) note_empty_classes(dataset);
  });
}

constexpr Importer kImporters[] = {
    {"idx", "Import images and labels of the MNIST family, plain or gzip-compressed", add_idx_options},
};

// CLI11 would only say that an argument was not expected, so words that are no known format are caught here.
void require_format(const CLI::App& command) {
  if (!command.get_subcommands().empty()) return;
  const std::vector<std::string> words = command.remaining();
  const std::vector<std::string> known = names_of(kImporters, &Importer::name);
  throw InvalidArgument("data import: " + (words.empty() ? "no format is given; known are " + listed(known)
                                                         : unknown_name("format", words.front(), known)));
}

void add_import(CLI::App& data) {
  CLI::App* command = data.add_subcommand("import", "Make HDF5 shards from another format");
  for (const Importer& importer : kImporters)
    importer.add_options(*command->add_subcommand(importer.name, importer.description));
  command->allow_extras();
  command->callback([command] { require_format(*command); });
}

void check(const std::string& folder) {
  const io::Dataset dataset(folder);
  std::uint64_t samples = 0;
  std::uint64_t chunks = 0;
  std::size_t damaged = 0;
  std::string first_damage;
  for (std::size_t s = 0; s < dataset.shards().size(); ++s) {
    const std::string file = dataset.shards()[s].file.filename().string();
    try {
      const io::ShardContent content = io::check_shard(dataset, s);
      samples += content.samples;
      chunks += content.chunks;
      fmt::print("{}: {} samples, {} chunks, {} bytes: ok\n", file, content.samples, content.chunks,
                 content.data_bytes);
    } catch (const DataError& error) {
      if (++damaged == 1) first_damage = error.what();
      fmt::print("{}: DAMAGED: {}\n", file, error.what());
    }
  }
  if (damaged > 0)
    throw DataError(
        fmt::format("{} of {} shards damaged; the first: {}", damaged, dataset.shards().size(), first_damage));
  fmt::print("{}: all {} samples of {} shards are whole ({} chunks, {} fields)\n", dataset.folder().string(), samples,
             dataset.shards().size(), chunks, dataset.fields().size());
}

void show_json(const io::Dataset& dataset, const Survey& content) {
  ordered_json root{{"folder", dataset.folder().string()},
                    {"name", dataset.name()},
                    {"samples", dataset.size()},
                    {"classes", dataset.classes()},
                    {"data_bytes", content.data_bytes},
                    {"file_bytes", content.file_bytes},
                    {"fingerprint", fmt::format("{:08x}", dataset.fingerprint())}};
  root["fields"] = ordered_json::array();
  for (const io::Field& field : dataset.fields())
    root["fields"].push_back({{"name", field.name}, {"dtype", std::string(name(field.dtype))}, {"shape", field.shape}});
  root["shards"] = ordered_json::array();
  for (std::size_t s = 0; s < content.shards.size(); ++s)
    root["shards"].push_back({{"file", dataset.shards()[s].file.filename().string()},
                              {"first_sample", dataset.shards()[s].first_sample},
                              {"samples", content.shards[s].samples},
                              {"chunks", content.shards[s].chunks},
                              {"file_bytes", content.shards[s].file_bytes}});
  root["samples_of_class"] = ordered_json::object();  // of the classes that occur
  for (const auto& [label, samples] : content.samples_of_class)
    root["samples_of_class"][std::to_string(label)] = samples;
  fmt::print("{}\n", root.dump(2));
}

void show_text(const io::Dataset& dataset, const Survey& content) {
  fmt::print("{}: {} samples, {} classes, {} shards, {} bytes of data in {} bytes of files\n", dataset.name(),
             dataset.size(), dataset.classes(), dataset.shards().size(), content.data_bytes, content.file_bytes);
  for (const io::Field& field : dataset.fields()) {
    std::string shape;
    for (const std::size_t extent : field.shape) shape += fmt::format("{}{}", shape.empty() ? "" : " x ", extent);
    fmt::print("  field {:<10} {:<4} {}\n", field.name, name(field.dtype), shape.empty() ? "scalar" : shape);
  }
  for (std::size_t s = 0; s < content.shards.size(); ++s)
    fmt::print("  {}  samples {} to {} ({}), {} chunks, {} bytes\n", dataset.shards()[s].file.filename().string(),
               dataset.shards()[s].first_sample, dataset.shards()[s].first_sample + content.shards[s].samples - 1,
               content.shards[s].samples, content.shards[s].chunks, content.shards[s].file_bytes);
  for (const auto& [label, samples] : content.samples_of_class)
    fmt::print("  class {:<4} {} samples\n", label, samples);
  if (content.samples_of_class.size() < dataset.classes())
    fmt::print("  no sample has class {}\n", empty_classes(content.samples_of_class, dataset.classes()));
}

// What `speed` measures: one rank's loader, batches dropped as they come.
void measure_speed(const std::string& folder, const io::LoaderOptions& options, bool json) {
  const io::Dataset dataset(folder);
  ordered_json epochs = ordered_json::array();
  auto start = std::chrono::steady_clock::now();
  io::Loader loader(dataset, options);  // reads ahead from here on
  std::uint64_t samples = 0;
  std::uint64_t batches = 0;
  while (const auto batch = loader.next()) {
    samples += batch->ids.size();
    if (++batches < loader.batches_per_epoch()) continue;
    const auto now = std::chrono::steady_clock::now();
    const double seconds = std::chrono::duration<double>(now - start).count();
    const double rate = static_cast<double>(samples) / seconds;
    const std::uint64_t epoch = batch->epoch + 1;
    if (!json) fmt::print("epoch {}: {} samples in {:.3f} s: {:.0f} samples/s\n", epoch, samples, seconds, rate);
    epochs.push_back({{"epoch", epoch}, {"samples", samples}, {"seconds", seconds}, {"samples_per_s", rate}});
    samples = batches = 0;
    start = now;
  }
  if (json) fmt::print("{}\n", epochs.dump(2));
}

void add_speed(CLI::App& data) {
  const auto folder = std::make_shared<std::string>();
  const auto options = std::make_shared<io::LoaderOptions>();
  const auto json = std::make_shared<bool>(false);
  options->global_batch = 256;
  options->epochs = 3;
  CLI::App* command =
      data.add_subcommand("speed", "Measure how fast the loader reads a data set; the first epoch fills its cache");
  command->add_option("folder", *folder, "Folder of the data set")->required()->type_name("FOLDER");
  const auto order = std::make_shared<std::string>("shuffled");
  command->add_option("--order", *order, "Order of the samples")
      ->type_name("ORDER")
      ->check(CLI::IsMember({"shuffled", "contiguous"}))
      ->capture_default_str();
  command->add_option("--batch", options->global_batch, "Samples per step over all ranks")
      ->type_name("N")
      ->check(kCount)
      ->capture_default_str();
  command->add_option("--epochs", options->epochs, "Epochs to read")
      ->type_name("N")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1'000'000}))
      ->capture_default_str();
  command->add_option("--rank", options->rank, "Rank whose part is read")
      ->type_name("RANK")
      ->check(kRank)
      ->capture_default_str();
  command->add_option("--ranks", options->ranks, "Number of ranks that share a batch")
      ->type_name("N")
      ->check(kRank)
      ->capture_default_str();
  command->add_option("--cache", options->cache_bytes, "Most bytes of decoded chunks that are kept, such as 64M")
      ->transform(CLI::AsSizeValue(false))
      ->transform(CLI::Validator(  // in front of the other, which would wrap
          [](const std::string& value) { return value.starts_with('-') ? value + " is below 0" : std::string(); }, ""))
      ->option_text("BYTES [256M]");
  command->add_flag("--json", *json, "Print a JSON array, an object per epoch");
  command->callback([folder, options, order, json] {
    options->order = *order == "shuffled" ? io::Order::shuffled : io::Order::contiguous;
    measure_speed(*folder, *options, *json);
  });
}

}  // namespace

void add_data_command(CLI::App& app) {
  CLI::App* data = app.add_subcommand("data", "Make, check and show data sets (HDF5 shards)");
  data->require_subcommand(1);
  add_import(*data);

  const auto folder = std::make_shared<std::string>();
  CLI::App* check_command = data->add_subcommand("check", "Read a whole data set and verify every checksum and label");
  check_command->add_option("folder", *folder, "Folder of the data set")->required()->type_name("FOLDER");
  check_command->callback([folder] { check(*folder); });

  add_speed(*data);

  const auto json = std::make_shared<bool>(false);
  CLI::App* show_command = data->add_subcommand("show", "Show the fields, shards and classes of a data set");
  show_command->add_option("folder", *folder, "Folder of the data set")->required()->type_name("FOLDER");
  show_command->add_flag("--json", *json, "Print one JSON object");
  show_command->callback([folder, json] {
    const io::Dataset dataset(*folder);
    const Survey content = survey(dataset);
    if (*json)
      show_json(dataset, content);
    else
      show_text(dataset, content);
  });
}

}  // namespace tutti::tools
