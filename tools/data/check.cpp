// `tutti data check`: reads everything to find damage.
#include <fmt/core.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include <tutti/io/check.hpp>
#include <tutti/io/dataset.hpp>
#include <tutti/kernels/error.hpp>

#include "tools/data/commands.hpp"

namespace tutti::tools::data {

namespace {

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

}  // namespace

void add_check_command(CLI::App& data) {
  const auto folder = std::make_shared<std::string>();
  CLI::App* command = data.add_subcommand("check", "Read a whole data set and verify every checksum and label");
  command->add_option("folder", *folder, "Folder of the data set")->required()->type_name("FOLDER");
  command->callback([folder] { check(*folder); });
}

}  // namespace tutti::tools::data
