#include <tutti/io/importers/csv.hpp>

#include <fmt/core.h>

#include <limits>
#include <string>
#include <vector>

#include <tutti/io/importers/numbers.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

#include "tools/data/formats.hpp"

namespace tutti::tools::data {

namespace {

char delimiter_in(const std::string& text) {
  if (text == "tab" || text == "\\t") return '\t';
  if (text.size() != 1 || !io::is_csv_delimiter(text.front()))
    throw InvalidArgument(fmt::format(
        "--delimiter: '{}' is not one character that numbers and quotes do not have, or 'tab'", printable(text)));
  return text.front();
}

std::optional<double> missing_in(const std::string& text) {
  if (text == "error") return std::nullopt;
  if (text == "nan") return std::numeric_limits<double>::quiet_NaN();
  double value = 0;
  const char* end = text.data() + text.size();
  const io::NumberRead number = io::read_number(text.data(), end, value);
  if (number.problem != io::NumberProblem::none || number.end != end)
    throw InvalidArgument(fmt::format("--missing: '{}' is none of error, nan, or a number", printable(text)));
  return value;
}

using Header = io::CsvOptions::Header;

void add_column_options(CLI::App& command, io::CsvOptions& options) {
  command.add_option("--label", options.label, "Column of the class: its name in the header, or its number from 1 on")
      ->type_name("COLUMN");
  command.add_option("--target", options.targets, "Columns of numbers to predict, instead of a class")
      ->delimiter(',')
      ->type_name("COLUMN[,...]");
  command
      .add_option("--columns", options.columns,
                  "Columns of the input, by names, numbers or ranges as 3-7, in this order (default: all others)")
      ->delimiter(',')
      ->type_name("COLUMN[,...]");
  command
      .add_option_function<std::string>(
          "--header",
          [&options](const std::string& word) { options.header = word == "yes" ? Header::yes : Header::no; },
          "Whether the first line names the columns (default: it must, and is refused if it looks like data)")
      ->check(CLI::IsMember({"yes", "no"}))
      ->type_name("yes|no");
  command
      .add_option_function<std::string>(
          "--delimiter", [&options](const std::string& text) { options.delimiter = delimiter_in(text); },
          "What is between values: a character, or 'tab' (default: a comma, or what a line 'sep=;' says)")
      ->type_name("CHARACTER");
}

void add_value_options(CLI::App& command, io::CsvOptions& options) {
  command.add_option("--field", options.field, "Name of the field of the input")->option_text("NAME [input]");
  command
      .add_option_function<std::string>(
          "--dtype", [&options](const std::string& name) { options.dtype = name == "f64" ? DType::f64 : DType::f32; },
          "Type of the numbers")
      ->check(CLI::IsMember({"f32", "f64"}))
      ->option_text("f32|f64 [f32]");
  command
      .add_option_function<std::string>(
          "--missing", [&options](const std::string& text) { options.missing = missing_in(text); },
          "What an input value becomes that is missing: nan or a number; error refuses it")
      ->option_text("error|nan|NUMBER [error]");
  command
      .add_option("--missing-tokens", options.missing_tokens,
                  "Values that say that one is missing, as NA,-; an empty value always does")
      ->delimiter(',')
      ->type_name("TEXT[,...]");
  command.add_flag("--trim", options.trim, "Leave out spaces and tabs around values");
  command
      .add_option_function<std::vector<std::string>>(
          "--label-names",
          [&options](const std::vector<std::string>& names) {
            options.sort_label_names = names.size() == 1 && names.front() == "sorted";
            if (!options.sort_label_names) options.label_names = names;
          },
          "Labels are words: these, the first being class 0; or 'sorted', which gathers them "
          "(from plain files only) and sorts them by bytes")
      ->delimiter(',')
      ->type_name("sorted|NAME[,...]");
}

}  // namespace

OpenSource add_csv_options(CLI::App& command, const std::size_t& classes) {
  const auto options = std::make_shared<io::CsvOptions>();
  command
      .add_option("--file", options->files,
                  "CSV files, one after another, plain or .gz, with the same header; - is standard input")
      ->required()
      ->delimiter(',')
      ->type_name("FILE[,...]");
  add_column_options(command, *options);
  add_value_options(command, *options);
  command.footer(
      "Example: a table of flowers whose last column, species, is a word:\n"
      "  tutti data import csv --file iris.csv --label species --label-names sorted --out iris --shards 2\n"
      "Makes the fields 'input' (a number per column), and 'label' (an integer) or 'target' (numbers). Text may be "
      "quoted\n"
      "as in RFC 4180. What is no number, empty or missing is an error with its line and column, unless an option "
      "says\n"
      "what becomes of it. Started by mpirun, each rank reads its part of the files.");
  return [options, &classes] {
    options->classes = classes;
    return io::open_csv(*options);
  };
}

}  // namespace tutti::tools::data
