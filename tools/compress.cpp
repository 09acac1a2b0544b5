// `tutti compress`: the table of codecs, and what they make of the tensors of a file.
#include <fmt/format.h>
#include <mpi.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include <tutti/collectives/communicator.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

#include "tools/command_line.hpp"
#include "tools/commands.hpp"
#include "tools/compress/codec_list.hpp"
#include "tools/compress/tensor_file.hpp"
#include "tools/compress/trial.hpp"
#include "tools/world.hpp"

namespace tutti::tools {
namespace {

struct CompressOptions {
  std::string file;
  std::vector<std::string> codecs;
  std::string tensors = "*";
  int ranks = 1;
  bool list = false;
  bool markdown = false;
  bool json = false;
};

void print_list(const CompressOptions& options) {
  if (launched_rank() != 0) return;
  if (options.json)
    fmt::print("{}\n", codec_list_json().dump(1));
  else
    fmt::print("{}", options.markdown ? codec_list_markdown() : codec_list_text());
}

void print_trials(const Communicator& alone, const CompressOptions& options,
                  const std::vector<CodecSettings>& settings) {
  const TensorFile file = read_tensors(options.file, options.tensors);
  std::vector<TrialTable> tables;
  if (!options.json) {
    fmt::print("{}: {} tensor(s){}; of a rank of {}; error^2: |C(x) - x|^2 / |x|^2 of one encoding\n",
               file.file.string(), file.tensors.size(),
               file.left_out > 0 ? fmt::format(", {} of integers or empty left out", file.left_out) : "",
               options.ranks);
  }
  for (const CodecSettings& of_codec : settings) {
    tables.push_back(try_codec(alone, file.tensors, of_codec, options.ranks));
    if (!options.json) fmt::print("\n{}", trial_text(file, tables.back()));
  }
  if (options.json) fmt::print("{}\n", trial_json(file, tables, options.ranks).dump(1));
  for (const TrialTable& table : tables)
    if (!table.trials.empty() && table.worked() == 0)
      throw InvalidArgument(
          text("codec '", to_text(table.settings), "' works on no tensor: ", table.trials.front().problem));
}

void compress(const CompressOptions& options) {
  if (options.list) return print_list(options);
  if (options.file.empty()) throw InvalidArgument("compress: name a file, or ask for --list");
  if (options.codecs.empty())
    throw InvalidArgument("compress: --codec is required; `tutti compress --list` tells which");
  std::vector<CodecSettings> settings;
  for (const std::string& one : options.codecs) settings.push_back(codec_settings(one));
  run_on_all_ranks({}, [&](const Communicator& world) {
    std::optional<std::string> problem;
    try {
      if (world.rank() == 0) print_trials(Communicator(MPI_COMM_SELF), options, settings);
    } catch (const Error& error) {
      problem = text("compress: ", error.what());
    }
    fail_together(world, problem);
  });
}

}  // namespace

void add_compress_command(CLI::App& app) {
  auto* command = app.add_subcommand(
      "compress", "Show size, error and speed of codecs for the tensors of a file, or list codecs: --list");
  const auto options = std::make_shared<CompressOptions>();
  auto& o = *options;
  auto* file =
      command->add_option("file", o.file, "Run folder, checkpoint of a run, or safetensors")->type_name("FILE");
  auto* codec = command->add_option("--codec", o.codecs, "Codec as NAME or NAME:PARAMETER=VALUE,...; may be repeated")
                    ->type_name("SETTINGS")
                    ->expected(1)
                    ->allow_extra_args(false)
                    ->take_all();
  auto* tensors = command->add_option("--tensors", o.tensors, "Only tensors whose name fits (*, ?, [...])")
                      ->type_name("GLOB")
                      ->capture_default_str();
  auto* ranks = command->add_option("--ranks", o.ranks, "What a rank does and sends among N")
                    ->check(CLI::Range(1, 1 << 20).description(""))
                    ->type_name("N")
                    ->capture_default_str();
  auto* list = command->add_flag("--list", o.list, "List all codecs with parameters, defaults, error and source");
  list->excludes(file, codec, tensors, ranks);
  auto* markdown = command->add_flag("--markdown", o.markdown, "The list as tables of Markdown")->needs(list);
  command->add_flag("--json", o.json, "Print JSON")->excludes(markdown);
  command->callback([options] { compress(*options); });
}

}  // namespace tutti::tools
