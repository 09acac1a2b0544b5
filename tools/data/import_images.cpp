#include <tutti/io/importers/images.hpp>

#include <charconv>
#include <string>

#include "tools/data/formats.hpp"
#include "tools/data/picture_options.hpp"

namespace tutti::tools::data {

namespace {

bool take_number(std::string_view& text, std::size_t& number) {
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), number);
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return status == std::errc{} && number > 0 && number <= io::kMostPixels;
}

// "224x320"
void take_size(const std::string& text, io::PictureOptions& options) {
  std::string_view rest = text;
  if (take_number(rest, options.height) && !rest.empty() && rest.front() == 'x') {
    rest.remove_prefix(1);
    if (take_number(rest, options.width) && rest.empty() && options.height <= io::kMostPixels / options.width) return;
  }
  throw CLI::ValidationError("--size", "'" + text + "' is not of the form HxW, rows and columns of pixels");
}

}  // namespace

void add_picture_options(CLI::App& command, io::PictureOptions& options) {
  command
      .add_option_function<std::string>(
          "--size", [&options](const std::string& text) { take_size(text, options); },
          "Rows and columns of all pictures (default: those of the first)")
      ->option_text("HxW");
  command
      .add_option_function<std::string>(
          "--fit",
          [&options](const std::string& name) {
            options.fit = name == "crop" ? io::PictureFit::crop : io::PictureFit::exact;
          },
          "Pictures of another size: exact: an error; crop: scaled until they cover the size, antialiased, and cut "
          "around "
          "the centre")
      ->option_text("FIT [exact]")
      ->check(CLI::IsMember({"exact", "crop"}));
  command.add_option("--channels", options.channels, "3: RGB, grey is repeated; 1: grey, colour becomes luma")
      ->option_text("N [3]")
      ->check(CLI::IsMember({1, 3}));
  command
      .add_option_function<std::string>(
          "--exif-orientation", [&options](const std::string& name) { options.apply_orientation = name == "apply"; },
          "How JPEGs are to be turned by their EXIF data: ignore (as most training programs do) or apply")
      ->option_text("RULE [ignore]")
      ->check(CLI::IsMember({"ignore", "apply"}));
}

OpenSource add_images_options(CLI::App& command, const std::size_t& classes) {
  const auto images = std::make_shared<io::ImageFolder>();
  command
      .add_option(
          "--folder", images->folder,
          "Folder of folders, one per class, whose names become those of the classes; they hold PNG and JPEG files")
      ->required()
      ->type_name("FOLDER");
  add_picture_options(command, images->pictures);
  command.add_flag("--skip-damaged", images->skip_damaged,
                   "Leave out pictures that cannot be decoded, and name them, instead of an error");
  return [images, &classes] {
    images->classes = classes;
    return io::open_images(*images);
  };
}

}  // namespace tutti::tools::data
