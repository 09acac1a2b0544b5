#include <tutti/io/importers/tfrecord.hpp>

#include <string>
#include <vector>

#include "tools/data/formats.hpp"
#include "tools/data/picture_options.hpp"

namespace tutti::tools::data {

OpenSource add_tfrecord_options(CLI::App& command, const std::size_t& classes) {
  const auto files = std::make_shared<io::TfRecordFiles>();
  command
      .add_option("--file", files->files,
                  "TFRecord file, plain or gzip-compressed; several in the order of their samples")
      ->required()
      ->type_name("FILE");
  command
      .add_option_function<std::vector<std::string>>(
          "--feature",
          [files](const std::vector<std::string>& words) {
            for (const std::string& word : words) files->features.push_back(io::parse_example_feature(word));
          },
          "A feature of the examples, and the field it becomes (default: its key). TYPE is picture (PNG or JPEG), f32 "
          "or "
          "i64 for a list, or any type followed by a shape and :from-bytes for numbers kept as bytes. SHAPE is as "
          "3x32x32; without one: a single number. image=image/encoded:picture, label=image/class:i64, "
          "x=raw:u8:784:from-bytes")
      ->required()
      ->option_text("[FIELD=]KEY:TYPE[:SHAPE] ...");
  add_picture_options(command, files->pictures);
  return [files, &classes] {
    files->classes = classes;
    return io::open_tfrecord(*files);
  };
}

}  // namespace tutti::tools::data
