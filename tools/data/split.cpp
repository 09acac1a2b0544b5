// `tutti data split`: a data set in parts, or in other shards, by one rank or by all that a launcher starts.
#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <tutti/io/compression.hpp>
#include <tutti/io/dataset.hpp>
#include <tutti/io/import.hpp>
#include <tutti/io/split.hpp>
#include <tutti/kernels/error.hpp>

#include "tools/data/commands.hpp"
#include "tools/data/mpi_ranks.hpp"

namespace tutti::tools::data {

namespace {

struct SplitSettings {
  std::string folder;
  std::filesystem::path out;
  std::vector<std::string> parts;
  io::SplitOptions split;
  std::uint64_t shards = 0;  // 0: as the data set
  std::uint64_t chunk = 0;
  std::string compression;  // empty: that of the data set
  bool replace = false;
};

/// "train=0.8"
io::SplitPart part_of_text(const std::string& text) {
  const auto equals = text.find('=');
  double share = 0.0;
  if (equals != std::string::npos) {
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data() + equals + 1, end, share);
    if (error != std::errc() || rest != end) share = 0.0;
  }
  const std::string name = text.substr(0, equals);
  if (!(share > 0.0) || name.empty())
    throw InvalidArgument(fmt::format("--parts: '{}' is not NAME=SHARE, such as train=0.8", text));
  if (name.find('/') != std::string::npos || name.front() == '.')
    throw InvalidArgument(fmt::format("--parts: '{}' cannot be the name of a folder in --out", name));
  return {.name = name, .share = share};
}

// The shards of a part are about as large as those of the data set, if no number is told.
std::uint64_t shards_of_part(const SplitSettings& settings, const io::Split& split, std::size_t part) {
  const std::uint64_t wanted =
      settings.shards > 0 ? settings.shards
                          : static_cast<std::uint64_t>(std::llround(
                                split.parts()[part].share * static_cast<double>(split.dataset().shards().size())));
  return std::clamp<std::uint64_t>(wanted, 1, split.samples(part));
}

io::ImportOptions options_of_part(const SplitSettings& settings, const io::Split& split, std::size_t part) {
  const io::Dataset& dataset = split.dataset();
  const std::string& name = split.parts()[part].name;
  return {.folder = settings.out / name,
          .name = fmt::format("{}-{}", dataset.name(), name),
          .shards = shards_of_part(settings, split, part),
          .chunk_samples = settings.chunk,
          .compression =
              settings.compression.empty() ? dataset.compression() : io::compression_from_name(settings.compression),
          .replace = settings.replace};
}

void require_other_folder(const SplitSettings& settings, const io::Split& split, std::size_t part) {
  std::error_code absent;
  const auto folder = settings.out / split.parts()[part].name;
  if (std::filesystem::equivalent(folder, split.dataset().folder(), absent) && !absent)
    throw InvalidArgument(fmt::format("{}: is the data set that is split", folder.string()));
  if (!settings.replace && std::filesystem::exists(folder / "manifest.json", absent))
    throw DataError(
        fmt::format("{}: already holds a data set, which is replaced only on demand (--force)", folder.string()));
}

void note_lone_classes(const io::Split& split) {
  const auto& lone = split.lone_classes();
  if (lone.empty() || split.parts().size() == 1) return;
  std::string named;
  for (std::size_t i = 0; i < lone.size() && i < 8; ++i) named += fmt::format("{}{}", i == 0 ? "" : ", ", lone[i]);
  fmt::print(stderr, "tutti: note: {} of one sample, which is in '{}': {}{}\n",
             lone.size() == 1 ? "1 class" : fmt::format("{} classes", lone.size()), split.parts().front().name, named,
             lone.size() > 8 ? ", ..." : "");
}

void split(SplitSettings settings) {
  for (const std::string& part : settings.parts) settings.split.parts.push_back(part_of_text(part));
  with_ranks([&](io::Ranks& ranks) {
    const auto split = io::agree(ranks, [&] {
      auto dataset = std::make_shared<const io::Dataset>(settings.folder);
      auto made = std::make_shared<const io::Split>(std::move(dataset), settings.split);
      for (std::size_t part = 0; part < made->parts().size(); ++part) require_other_folder(settings, *made, part);
      return made;
    });
    if (ranks.rank() == 0) note_lone_classes(*split);
    for (std::size_t part = 0; part < split->parts().size(); ++part) {
      const io::ImportOptions options = options_of_part(settings, *split, part);
      io::import_samples([&] { return io::Split::source(split, part); }, options, ranks);
      if (ranks.rank() != 0) continue;
      fmt::print("{}: {} samples, {} shards\n", options.folder.string(), split->samples(part), options.shards);
    }
  });
}

}  // namespace

void add_split_command(CLI::App& data) {
  const auto settings = std::make_shared<SplitSettings>();
  CLI::App* command =
      data.add_subcommand("split", "Divide a data set into parts, each a data set, or store it in other shards");
  command->add_option("folder", settings->folder, "Folder of the data set")->required()->type_name("FOLDER");
  command->add_option("--out", settings->out, "Folder in which each part gets a folder of its name")
      ->required()
      ->type_name("FOLDER");
  command
      ->add_option("--parts", settings->parts,
                   "Parts and their shares, such as train=0.8,validation=0.1,test=0.1; all=1 makes other shards")
      ->required()
      ->delimiter(',')
      ->type_name("NAME=SHARE,...");
  command->add_flag("--stratified", settings->split.stratified, "Divide every class like the whole");
  command->add_flag("--shuffle", settings->split.shuffle,
                    "Store samples in a random order, not in that of the data set");
  command->add_option("--seed", settings->split.seed, "Another seed is another choice of samples")
      ->type_name("N")
      ->capture_default_str();
  command->add_option("--shards", settings->shards, "Shards of each part (default: as large as those of the data set)")
      ->type_name("N")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{99999}));
  command->add_option("--chunk", settings->chunk, "Most samples per chunk (default: about 32 KiB)")
      ->type_name("N")
      ->check(kCount);
  command->add_option("--compress", settings->compression, "Compression of chunks (default: that of the data set)")
      ->type_name("CODEC");
  command->add_flag("--force", settings->replace, "Replace data sets that are already there");
  command->callback([settings] { split(*settings); });
}

}  // namespace tutti::tools::data
