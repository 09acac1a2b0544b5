#include <tutti/io/importers/idx.hpp>

#include "tools/data/formats.hpp"

namespace tutti::tools::data {

OpenSource add_idx_options(CLI::App& command, const std::size_t& classes) {
  const auto files = std::make_shared<io::IdxFiles>();
  command.add_option("--images", files->images, "IDX file of images, plain or .gz")->required()->type_name("FILE");
  command.add_option("--labels", files->labels, "IDX file of labels, plain or .gz")->required()->type_name("FILE");
  return [files, &classes] {
    files->classes = classes;
    return io::open_idx(*files);
  };
}

}  // namespace tutti::tools::data
