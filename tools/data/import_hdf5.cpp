#include <tutti/io/importers/hdf5.hpp>

#include <string>

#include "tools/data/field_option.hpp"
#include "tools/data/formats.hpp"

namespace tutti::tools::data {

OpenSource add_hdf5_options(CLI::App& command, const std::size_t& classes) {
  const auto files = std::make_shared<io::Hdf5Files>();
  command.add_option("--file", files->files, "HDF5 file of another program; several in the order of their samples")
      ->required()
      ->type_name("FILE");
  add_field_option(command, "PATH",
                   "A field of the data set and the dataset in the files that it comes from: image=/train/x. A field "
                   "'label' of integers holds the class labels",
                   [files](const std::string& name, const std::string& from) {
                     files->arrays.push_back({name, from});
                   })
      ->required();
  command.add_flag("--in-place", files->in_place,
                   "Copy nothing but labels: the shards are linked to the samples in FILE, a shard for each FILE, "
                   "without --shards. FILE must stay as it is; a change is an error when it is read");
  return [files, &classes] {
    files->classes = classes;
    return io::open_hdf5(*files);
  };
}

}  // namespace tutti::tools::data
