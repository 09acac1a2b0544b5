// `tutti data show`: what a data set holds.
#include <fmt/core.h>

#include <cstddef>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include <tutti/io/dataset.hpp>

#include "tools/data/commands.hpp"
#include "tools/data/survey.hpp"

namespace tutti::tools::data {

namespace {

using nlohmann::ordered_json;

void show_json(const io::Dataset& dataset, const Survey& content) {
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
    fmt::print("  field {:<10} {:<4} {}{}\n", field.name, name(field.dtype), shape.empty() ? "scalar" : shape,
               field.sparse ? ", sparse" : "");
  }
  if (dataset.compression() != io::Compression{})
    fmt::print("  compression {}: {:.2f} bytes of data per byte of files\n", name(dataset.compression()),
               static_cast<double>(content.data_bytes) / static_cast<double>(content.file_bytes));
  for (std::size_t s = 0; s < content.shards.size(); ++s)
    fmt::print("  {}  samples {} to {} ({}), {} chunks, {} bytes\n", dataset.shards()[s].file.filename().string(),
               dataset.shards()[s].first_sample, dataset.shards()[s].first_sample + content.shards[s].samples - 1,
               content.shards[s].samples, content.shards[s].chunks, content.shards[s].file_bytes);
  for (const auto& [label, samples] : content.samples_of_class)
    fmt::print("  class {:<4} {} samples\n", label, samples);
  if (content.samples_of_class.size() < dataset.classes())
    fmt::print("  no sample has class {}\n", empty_classes(content.samples_of_class, dataset.classes()));
}

}  // namespace

void add_show_command(CLI::App& data) {
  const auto folder = std::make_shared<std::string>();
  const auto json = std::make_shared<bool>(false);
  CLI::App* command = data.add_subcommand("show", "Show the fields, shards and classes of a data set");
  command->add_option("folder", *folder, "Folder of the data set")->required()->type_name("FOLDER");
  command->add_flag("--json", *json, "Print one JSON object");
  command->callback([folder, json] {
    const io::Dataset dataset(*folder);
    const Survey content = survey(dataset);
    if (*json)
      show_json(dataset, content);
    else
      show_text(dataset, content);
  });
}

}  // namespace tutti::tools::data
