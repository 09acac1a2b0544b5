#include <tutti/io/importers/npy.hpp>

#include <string>

#include "tools/data/field_option.hpp"
#include "tools/data/formats.hpp"

namespace tutti::tools::data {

OpenSource add_npy_options(CLI::App& command, const std::size_t& classes) {
  const auto files = std::make_shared<io::NpyFiles>();
  command.add_option("--npz", files->npz, "NPZ file with several arrays; without --field all of them are imported")
      ->type_name("FILE");
  add_field_option(command, "FILE",
                   "A field of the data set and the NPY file it comes from, plain or .gz; with --npz: the array in it. "
                   "A field 'label' of integers holds the class labels",
                   [files](const std::string& name, const std::string& from) {
                     files->arrays.push_back({name, from});
                   });
  return [files, &classes] {
    files->classes = classes;
    return io::open_npy(*files);
  };
}

}  // namespace tutti::tools::data
