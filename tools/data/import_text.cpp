#include <tutti/io/importers/text.hpp>

#include <string>

#include "tools/data/commands.hpp"
#include "tools/data/formats.hpp"

namespace tutti::tools::data {

OpenSource add_text_options(CLI::App& command, const std::size_t& /*classes*/) {
  const auto options = std::make_shared<io::TextOptions>();
  command.add_option("--file", options->files, "Files of text, one after another, plain or .gz; - is standard input")
      ->required()
      ->delimiter(',')
      ->type_name("FILE[,...]");
  command.add_option("--length", options->length, "Bytes of a sample")->required()->type_name("N")->check(kCount);
  CLI::Option* stride =
      command
          .add_option("--stride", options->stride,
                      "Bytes from one window to the next (default: the length); length - 1 lets each be foreseen once")
          ->type_name("N")
          ->check(kCount);
  CLI::Option* lines = command.add_flag("--lines", options->lines, "A line is a sample, filled up with zeros");
  lines->excludes(stride);
  command.add_flag("--cut", options->cut, "Cut lines that are longer than a sample")->needs(lines);
  command.add_option("--field", options->field, "Name of the field")->option_text("NAME [input]");
  command.footer(
      "Example: for a model with a context of 64 bytes, which foresees the 65th:\n"
      "  tutti data import text --file book.txt --length 65 --stride 64 --out book --shards 2\n"
      "Makes the field 'input' (u8, N bytes). What is left at the end of a file and fills no window is left out.");
  return [options] { return io::open_text(*options); };
}

}  // namespace tutti::tools::data
