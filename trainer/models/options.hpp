// What a configuration says of the model, without libtorch.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace tutti::trainer {

/// Section `model` of a configuration; what the keys mean: config/keys.cpp.
struct ModelOptions {
  std::string name = "mlp";
  std::int64_t hidden = 128;
  std::int64_t channels = 16;
  std::int64_t stride = 1;
  std::string dtype = "f32";
};

/// Those of the table in model.cpp.
std::span<const std::string_view> model_names() noexcept;

}  // namespace tutti::trainer
