#include <tutti/io/importers/libsvm.hpp>

#include <fmt/core.h>

#include <string>
#include <string_view>
#include <vector>

#include <tutti/io/importers/numbers.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

#include "tools/data/commands.hpp"
#include "tools/data/formats.hpp"

namespace tutti::tools::data {

namespace {

// "-1=0"
void map_label(const std::string& text, io::LibsvmOptions& options) {
  const std::size_t sign = text.find('=');
  std::int64_t label = 0;
  std::int64_t label_class = 0;
  if (sign == std::string::npos ||
      io::read_integer(std::string_view(text).substr(0, sign), label) != io::NumberProblem::none ||
      io::read_integer(std::string_view(text).substr(sign + 1), label_class) != io::NumberProblem::none)
    throw InvalidArgument(fmt::format("--label-map: '{}' is no LABEL=CLASS, as -1=0", printable(text)));
  if (!options.label_map.emplace(label, label_class).second)
    throw InvalidArgument(fmt::format("--label-map: label {} is given twice", label));
}

}  // namespace

OpenSource add_libsvm_options(CLI::App& command, const std::size_t& classes) {
  const auto options = std::make_shared<io::LibsvmOptions>();
  command.add_option("--file", options->files, "LIBSVM files, one after another, plain or .gz; - is standard input")
      ->required()
      ->delimiter(',')
      ->type_name("FILE[,...]");
  command.add_option("--base", options->base, "Index of the first feature: no file says whether it is 0 or 1")
      ->required()
      ->check(CLI::IsMember({0, 1}))
      ->type_name("0|1");
  command
      .add_option("--features", options->features,
                  "Number of features (default: as many as the largest index wants; not for pipes and .gz). State it "
                  "for the parts of one data set")
      ->type_name("N")
      ->check(kCount);
  command.add_flag("--dense", options->dense, "Store all elements, zeros too (default: those that are given)");
  command.add_flag("--target", options->target, "Labels are numbers to predict, not classes");
  command
      .add_option_function<std::vector<std::string>>(
          "--label-map",
          [options](const std::vector<std::string>& pairs) {
            for (const std::string& pair : pairs) map_label(pair, *options);
          },
          "Classes of labels, all that there are, as -1=0,1=1 (default: labels are classes)")
      ->delimiter(',')
      ->type_name("LABEL=CLASS[,...]");
  command.add_option("--field", options->field, "Name of the field of the features")->option_text("NAME [input]");
  command.footer(
      "Example: two classes, -1 and +1, features from 1 on:\n"
      "  tutti data import libsvm --file a9a --base 1 --features 123 --label-map -1=0,1=1 --out a9a-train --shards 2\n"
      "Makes the fields 'input' (f32, sparse or dense), 'label' or 'target', and 'qid' if lines have one. Indices "
      "ascend;\n"
      "one that comes twice or is out of range is an error with its line and column. Started by mpirun, each rank "
      "reads\n"
      "its part of the files.");
  return [options, &classes] {
    options->classes = classes;
    return io::open_libsvm(*options);
  };
}

}  // namespace tutti::tools::data
