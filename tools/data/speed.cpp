// `tutti data speed`: how fast the loader reads.
#include <fmt/core.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include <tutti/io/dataset.hpp>
#include <tutti/io/loader.hpp>
#include <tutti/io/sampler.hpp>

#include "tools/data/commands.hpp"

namespace tutti::tools::data {

namespace {

using nlohmann::ordered_json;

const CLI::Range kRank(std::int64_t{0}, std::int64_t{10'000'000});

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

CLI::Option* add_bytes(CLI::App& command, const std::string& name, std::size_t& bytes, const std::string& what) {
  return command.add_option(name, bytes, what)
      ->transform(CLI::AsSizeValue(false))
      ->transform(CLI::Validator(  // in front of the other, which would wrap
          [](const std::string& value) { return value.starts_with('-') ? value + " is below 0" : std::string(); }, ""));
}

}  // namespace

void add_speed_command(CLI::App& data) {
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
      ->check(CLI::IsMember(std::vector<std::string>(io::order_names().begin(), io::order_names().end())))
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
  command->add_option("--threads", options->threads, "Threads that read, decode and copy")
      ->type_name("N")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  add_bytes(*command, "--cache", options->cache_bytes, "Most bytes of decoded chunks that are kept, such as 64M")
      ->option_text("BYTES [256M]");
  add_bytes(*command, "--window", options->window_bytes, "Bytes of samples shuffled among each other (two_level)")
      ->option_text("BYTES [64M]");
  command->add_flag("--json", *json, "Print a JSON array, an object per epoch");
  command->callback([folder, options, order, json] {
    options->order = io::order_from_name(*order);
    measure_speed(*folder, *options, *json);
  });
}

}  // namespace tutti::tools::data
