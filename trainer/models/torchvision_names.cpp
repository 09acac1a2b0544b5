#include <tutti/trainer/models/torchvision_names.hpp>

#include <array>
#include <cstddef>
#include <string_view>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::trainer {

namespace {

/// `name` without what it begins with, if it begins so.
bool take(std::string_view& name, std::string_view beginning) {
  if (!name.starts_with(beginning)) return false;
  name.remove_prefix(beginning.size());
  return true;
}

std::size_t take_number(std::string_view& name) {
  std::size_t number = 0;
  for (; !name.empty() && name[0] >= '0' && name[0] <= '9'; name.remove_prefix(1))
    number = 10 * number + static_cast<std::size_t>(name[0] - '0');
  return number;
}

/// blockG.I.convN.weight -> layerG.(I-1).convN.weight, convN.norm.X -> bnN.X, shortcut -> downsample.0, its norm .1
std::string of_resnet(std::string_view name) {
  if (take(name, "stem.")) return take(name, "norm.") ? text("bn1.", name) : text("conv1.", name);
  if (take(name, "output.")) return text("fc.", name);
  take(name, "block");
  const std::size_t group = take_number(name);
  take(name, ".");
  const std::string block = text("layer", group, ".", take_number(name) - 1, ".");
  take(name, ".");
  if (take(name, "shortcut."))
    return take(name, "norm.") ? text(block, "downsample.1.", name) : text(block, "downsample.0.", name);
  take(name, "conv");
  const std::size_t number = take_number(name);
  take(name, ".");
  return take(name, "norm.") ? text(block, "bn", number, ".", name) : text(block, "conv", number, ".", name);
}

/// Layers are numbered, those without tensors too.
std::string of_vgg11(std::string_view name, bool batch_norm) {
  constexpr std::array<std::size_t, 8> kPlain{0, 3, 6, 8, 11, 13, 16, 18};
  constexpr std::array<std::size_t, 8> kNormalised{0, 4, 8, 11, 15, 18, 22, 25};
  if (take(name, "hidden1.")) return text("classifier.0.", name);
  if (take(name, "hidden2.")) return text("classifier.3.", name);
  if (take(name, "output.")) return text("classifier.6.", name);
  take(name, "conv");
  const std::size_t number = (batch_norm ? kNormalised : kPlain).at(take_number(name) - 1);
  take(name, ".");
  return take(name, "norm.") ? text("features.", number + 1, ".", name) : text("features.", number, ".", name);
}

}  // namespace

std::string torchvision_name(const ModelOptions& options, const std::string& name) {
  if (options.file.empty() && options.name.starts_with("resnet")) return of_resnet(name);
  if (options.file.empty() && options.name == "vgg11" && options.stem == "imagenet")
    return of_vgg11(name, options.batch_norm);
  throw InvalidArgument(text("torchvision has no names for the tensors of ", model_title(options),
                             ": it has resnet18, resnet34, resnet50, and vgg11 of model.stem = \"imagenet\""));
}

}  // namespace tutti::trainer
