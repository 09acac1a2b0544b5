#include "tools/data.hpp"

#include <fmt/core.h>

#include <array>
#include <chrono>
#include <cstdint>
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

namespace tutti::tools {

namespace {

using nlohmann::ordered_json;

// An input format: its options go to a subcommand of their own.
struct Importer {
  const char* name;
  const char* description;
  void (*add_options)(CLI::App& command);
};

void add_idx_options(CLI::App& command) {
  const auto import = std::make_shared<io::IdxImport>();
  command.add_option("--images", import->images, "IDX file of images, plain or .gz")->required();
  command.add_option("--labels", import->labels, "IDX file of labels, plain or .gz")->required();
  command.add_option("--out", import->folder, "folder of the new data set")->required();
  command.add_option("--shards", import->shards, "number of shards; their sizes differ by at most one sample")
      ->required();
  command.add_option("--chunk", import->chunk_samples, "samples per chunk at most (default: about 32 KiB)");
  command.add_option("--name", import->name, "name of the data set (default: that of the folder)");
  command.add_option("--classes", import->classes, "number of classes (default: largest label + 1)");
  command.add_flag("--force", import->replace, "replace a data set that is already there");
  command.callback([import] {
    io::import_idx(*import);
    const io::Dataset dataset(import->folder);
    fmt::print("{}: {} samples, {} classes, {} shards\n", dataset.folder().string(), dataset.size(), dataset.classes(),
               dataset.shards().size());
  });
}

constexpr std::array kImporters{
    Importer{"idx", "images and labels of the MNIST family, plain or gzip-compressed", add_idx_options},
};

// CLI11 would only say that an argument was not expected, so words that are no known format are caught here.
void add_import(CLI::App& data) {
  CLI::App* import = data.add_subcommand("import", "make HDF5 shards from another format");
  std::string known;
  for (const Importer& importer : kImporters) {
    importer.add_options(*import->add_subcommand(importer.name, importer.description));
    known += fmt::format("{}{}", known.empty() ? "" : ", ", importer.name);
  }
  import->allow_extras();
  import->callback([import, known] {
    if (!import->get_subcommands().empty()) return;
  const std::vector<std::string> words = import->remaining();
  const std::string found = words.empty() ? "no format is given" : fmt::format("'{}' is no format", words.front());
  throw InvalidArgument(fmt::format("data import: {}; known formats: {}", found, known));
});
}  // namespace

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

// What `show` prints, gathered.
struct Survey {
  std::vector<io::ShardContent> shards;
  std::vector<std::uint64_t> samples_of_class;
  std::uint64_t data_bytes = 0;
  std::uint64_t file_bytes = 0;
};

Survey survey(const io::Dataset& dataset) {
  Survey result;
  result.samples_of_class.resize(dataset.classes());
  for (std::size_t s = 0; s < dataset.shards().size(); ++s) {
    result.shards.push_back(io::survey_shard(dataset, s));
    const io::ShardContent& content = result.shards.back();
    result.data_bytes += content.data_bytes;
    result.file_bytes += content.file_bytes;
    for (std::size_t c = 0; c < dataset.classes(); ++c) result.samples_of_class[c] += content.samples_of_class[c];
  }
  return result;
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
  root["samples_of_class"] = content.samples_of_class;
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
  for (std::size_t c = 0; c < content.samples_of_class.size(); ++c)
    fmt::print("  class {:<4} {} samples\n", c, content.samples_of_class[c]);
}

// What `speed` measures: one rank's loader, batches dropped as they come.
void measure_speed(const std::string& folder, const io::LoaderOptions& options, bool json) {
  const io::Dataset dataset(folder);
  ordered_json epochs = ordered_json::array();
  io::Loader loader(dataset, options);
  std::uint64_t samples = 0;
  std::uint64_t batches = 0;
  auto start = std::chrono::steady_clock::now();
  while (const auto batch = loader.next()) {
    samples += batch->ids.size();
    if (++batches < loader.batches_per_epoch()) continue;
    const auto now = std::chrono::steady_clock::now();
    const double seconds = std::chrono::duration<double>(now - start).count();
    const double rate = static_cast<double>(samples) / seconds;
    if (!json) fmt::print("epoch {}: {} samples in {:.3f} s: {:.0f} samples/s\n", batch->epoch, samples, seconds, rate);
    epochs.push_back({{"epoch", batch->epoch}, {"samples", samples}, {"seconds", seconds}, {"samples_per_s", rate}});
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
      data.add_subcommand("speed", "how fast the loader reads a data set here; the first epoch fills its cache");
  command->add_option("DIR", *folder, "folder of the data set")->required();
  const auto order = std::make_shared<std::string>("shuffled");
  command->add_option("--order", *order, "order of the samples")
      ->check(CLI::IsMember({"shuffled", "contiguous"}))
      ->capture_default_str();
  command->add_option("--batch", options->global_batch, "samples per step over all ranks")->capture_default_str();
  command->add_option("--epochs", options->epochs, "epochs to read")->capture_default_str();
  command->add_option("--rank", options->rank, "whose part is read")->capture_default_str();
  command->add_option("--ranks", options->ranks, "among how many ranks batches are divided")->capture_default_str();
  command->add_option("--cache", options->cache_bytes, "bytes of decoded chunks kept: 64M, 1G")
      ->transform(CLI::AsSizeValue(false))
      ->option_text("BYTES [256M]");
  command->add_flag("--json", *json, "as a JSON array, an object per epoch");
  command->callback([folder, options, order, json] {
    options->order = *order == "shuffled" ? io::Order::shuffled : io::Order::contiguous;
    measure_speed(*folder, *options, *json);
  });
}

}  // namespace tutti::tools

void add_data_command(CLI::App& app) {
  CLI::App* data = app.add_subcommand("data", "make, check and show data sets (HDF5 shards)");
  data->require_subcommand(1);
  add_import(*data);

  const auto folder = std::make_shared<std::string>();
  CLI::App* check_command = data->add_subcommand("check", "read a data set whole and verify every checksum and label");
  check_command->add_option("DIR", *folder, "folder of the data set")->required();
  check_command->callback([folder] { check(*folder); });

  add_speed(*data);

  const auto json = std::make_shared<bool>(false);
  CLI::App* show_command = data->add_subcommand("show", "what a data set holds: fields, shards, classes");
  show_command->add_option("DIR", *folder, "folder of the data set")->required();
  show_command->add_flag("--json", *json, "as one JSON object");
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
