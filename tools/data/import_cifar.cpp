#include <tutti/io/importers/cifar.hpp>

#include <string>

#include "tools/data/formats.hpp"

namespace tutti::tools::data {

OpenSource add_cifar_options(CLI::App& command, const std::size_t& classes) {
  const auto files = std::make_shared<io::CifarFiles>();
  command
      .add_option("--file", files->files,
                  "File of the binary version (data_batch_1.bin, train.bin), plain or .gz; several in the order of "
                  "their samples")
      ->required()
      ->type_name("FILE");
  command
      .add_option("--kind", files->kind,
                  "10 or 100: CIFAR-10 or CIFAR-100 (default: found out from the files' lengths and labels)")
      ->option_text("N")
      ->check(CLI::IsMember({10, 100}));
  command
      .add_option_function<std::string>(
          "--labels",
          [files](const std::string& name) {
            files->labels = name == "fine" ? io::CifarLabels::fine : io::CifarLabels::coarse;
          },
          "Labels of CIFAR-100: fine (100 classes) or coarse (20)")
      ->option_text("LABELS [fine]")
      ->check(CLI::IsMember({"fine", "coarse"}));
  command
      .add_option("--names", files->names,
                  "Names of the classes, one a line (default: batches.meta.txt, fine_label_names.txt or "
                  "coarse_label_names.txt beside the first file, if there)")
      ->type_name("FILE");
  return [files, &classes] {
    files->classes = classes;
    return io::open_cifar(*files);
  };
}

}  // namespace tutti::tools::data
