// `tutti data show`: what a data set holds, and what its samples and numbers are like.
#include <fmt/core.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include <tutti/io/dataset.hpp>

#include "tools/data/commands.hpp"
#include "tools/data/show_samples.hpp"
#include "tools/data/statistics.hpp"
#include "tools/data/survey.hpp"

namespace tutti::tools::data {

namespace {

using nlohmann::ordered_json;

ordered_json to_json(const Moments& moments) {
  ordered_json json{{"count", moments.count}, {"nan", moments.not_numbers}, {"infinite", moments.infinite}};
  if (moments.count == 0) return json;
  json.update({{"min", moments.least}, {"max", moments.largest}, {"mean", moments.mean}, {"std", moments.deviation()}});
  return json;
}

ordered_json to_json(const io::Dataset& dataset, const std::vector<FieldMoments>& fields) {
  ordered_json json = ordered_json::object();
  for (std::size_t f = 0; f < fields.size(); ++f) {
    ordered_json& field = json[dataset.fields()[f].name];
    field = to_json(fields[f].all);
    for (const Moments& channel : fields[f].channels) field["channels"].push_back(to_json(channel));
  }
  return json;
}

void show_json(const io::Dataset& dataset, const Survey& content, bool with_statistics) {
  ordered_json root{{"folder", dataset.folder().string()},
                    {"name", dataset.name()},
                    {"samples", dataset.size()},
                    {"classes", dataset.classes()},
                    {"compression", name(dataset.compression())},
                    {"data_bytes", content.data_bytes},
                    {"file_bytes", content.file_bytes},
                    {"fingerprint", fmt::format("{:08x}", dataset.fingerprint())}};
  root["fields"] = ordered_json::array();
  for (const io::Field& field : dataset.fields()) {
    root["fields"].push_back({{"name", field.name}, {"dtype", std::string(name(field.dtype))}, {"shape", field.shape}});
    if (field.sparse) root["fields"].back()["sparse"] = true;
  }
  if (!dataset.linked().empty()) root["linked"] = dataset.linked();
  root["shards"] = ordered_json::array();
  for (std::size_t s = 0; s < content.shards.size(); ++s) {
    root["shards"].push_back({{"file", dataset.shards()[s].file.filename().string()},
                              {"first_sample", dataset.shards()[s].first_sample},
                              {"samples", content.shards[s].samples},
                              {"chunks", content.shards[s].chunks},
                              {"file_bytes", content.shards[s].file_bytes}});
    if (const auto& linked = dataset.shards()[s].linked; !linked.empty())
      root["shards"].back()["linked"] = linked.string();
  }
  root["samples_of_class"] = ordered_json::object();  // of the classes that occur
  for (const auto& [label, samples] : content.samples_of_class)
    root["samples_of_class"][std::to_string(label)] = samples;
  if (!dataset.class_names().empty()) root["class_names"] = dataset.class_names();
  if (with_statistics) root["statistics"] = to_json(dataset, statistics(dataset));
  fmt::print("{}\n", root.dump(2));
}

std::string moments_text(const Moments& moments) {
  std::string text = moments.count == 0
                         ? "no finite number"
                         : fmt::format("min {:.6g}, max {:.6g}, mean {:.6g}, deviation {:.6g}", moments.least,
                                       moments.largest, moments.mean, moments.deviation());
  if (moments.not_numbers > 0) text += fmt::format(", {} NaN", moments.not_numbers);
  if (moments.infinite > 0) text += fmt::format(", {} infinite", moments.infinite);
  return text;
}

/// "0.2860", or "[0.4914, 0.4822, 0.4465]" of several channels, all divided by `scale`.
template <class Value>
std::string list_text(const FieldMoments& field, double scale, Value value) {
  if (field.channels.empty()) return fmt::format("{:#.4g}", value(field.all) / scale);
  std::string list;
  for (const Moments& channel : field.channels)
    list += fmt::format("{}{:#.4g}", list.empty() ? "" : ", ", value(channel) / scale);
  return "[" + list + "]";
}

void show_statistics(const io::Dataset& dataset) {
  const std::vector<FieldMoments> fields = statistics(dataset);
  for (std::size_t f = 0; f < fields.size(); ++f) {
    const io::Field& field = dataset.fields()[f];
    fmt::print("  numbers of {}: {}\n", field.name, moments_text(fields[f].all));
    for (std::size_t c = 0; c < fields[f].channels.size(); ++c)
      fmt::print("    {} {}: {}\n", field.shape.size() == 1 ? "column" : "channel", c,
                 moments_text(fields[f].channels[c]));
    if (field.shape.empty()) continue;
    const double scale = field.dtype == DType::u8 ? 255.0 : 1.0;
    fmt::print(
        "    as an input of a configuration, section [data]:\n      input = \"{}\"\n      scale = {}\n      mean = {}\n"
        "      std = {}\n",
        field.name, scale, list_text(fields[f], scale, [](const Moments& m) { return m.mean; }),
        list_text(fields[f], scale, [](const Moments& m) {
          const double deviation = m.deviation();
          return deviation > 0.0 ? deviation : 1.0;  // nothing to be divided by
        }));
  }
}

void show_text(const io::Dataset& dataset, const Survey& content) {
  fmt::print("{}: {} samples, {} classes, {} shards, {} bytes of data in {} bytes of files\n", dataset.name(),
             dataset.size(), dataset.classes(), dataset.shards().size(), content.data_bytes, content.file_bytes);
  for (const io::Field& field : dataset.fields()) {
    std::string shape;
    for (const std::size_t extent : field.shape) shape += fmt::format("{}{}", shape.empty() ? "" : " x ", extent);
    fmt::print("  field {:<10} {:<4} {}{}\n", field.name, name(field.dtype), shape.empty() ? "scalar" : shape,
               field.sparse ? ", sparse" : "");
  }
  if (dataset.compression() != io::Compression{})
    fmt::print("  compression {}: {:.2f} bytes of data per byte of files\n", name(dataset.compression()),
               static_cast<double>(content.data_bytes) / static_cast<double>(content.file_bytes));
  for (const std::string& name : dataset.linked())
    fmt::print("  field {} is not in the shards, but in the files that they are linked to\n", name);
  for (std::size_t s = 0; s < content.shards.size(); ++s) {
    const io::ShardInfo& shard = dataset.shards()[s];
    fmt::print("  {}  samples {} to {} ({}), {} chunks, {} bytes{}\n", shard.file.filename().string(),
               shard.first_sample, shard.first_sample + content.shards[s].samples - 1, content.shards[s].samples,
               content.shards[s].chunks, content.shards[s].file_bytes,
               shard.linked.empty() ? "" : ", linked to " + shard.linked.string());
  }
  for (const auto& [label, samples] : content.samples_of_class)
    fmt::print("  class {:<4} {} samples{}\n", label, samples, class_name(dataset, label));
  if (content.samples_of_class.size() < dataset.classes())
    fmt::print("  no sample has class {}\n", empty_classes(content.samples_of_class, dataset.classes()));
}

void show(const ShowSettings& settings) {
  const io::Dataset dataset(settings.folder);
  if (!settings.samples.empty() || !settings.png.empty()) return show_pictures(dataset, settings);
  const Survey content = survey(dataset);
  if (settings.json) return show_json(dataset, content, settings.statistics);
  show_text(dataset, content);
  if (settings.statistics) show_statistics(dataset);
}

}  // namespace

void add_show_command(CLI::App& data) {
  const auto settings = std::make_shared<ShowSettings>();
  CLI::App* command = data.add_subcommand("show", "Show what a data set holds: fields, shards, classes, pictures");
  command->add_option("folder", settings->folder, "Folder of the data set")->required()->type_name("FOLDER");
  command
      ->add_option("--samples", settings->samples,
                   "Print samples as pictures: so many, spread over the data set, or those of ids such as 3,7,10-19")
      ->type_name("N|IDS");
  command->add_option("--png", settings->png, "Write them to a PNG file instead, as a grid (64 if no --samples)")
      ->type_name("FILE");
  command->add_option("--field", settings->field, "Field of the pictures (default: the first that holds any)")
      ->type_name("NAME");
  auto* const statistics = command->add_flag(
      "--statistics", settings->statistics,
      "Minimum, maximum, mean and standard deviation of fields, channels and columns, as a configuration wants them");
  auto* const json = command->add_flag("--json", settings->json, "Print one JSON object");
  for (const char* const name : {"--samples", "--png"}) {
    command->get_option(name)->excludes(statistics);
    command->get_option(name)->excludes(json);
  }
  command->callback([settings] { show(*settings); });
}

}  // namespace tutti::tools::data
