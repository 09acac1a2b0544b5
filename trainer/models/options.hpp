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
  std::string compute = "same";
  std::string file = {};
  std::string weights = {};
  std::string weights_skip = {};
  std::string weights_names = "own";
  std::int64_t depth = 1;
  std::string stem = "small";
  bool batch_norm = false;
  std::string batch_norm_statistics = "local";
  double dropout = 0.0;
  std::int64_t layers = 4;
  std::int64_t heads = 4;
  std::int64_t width = 128;
  std::string loss = "auto";
  double label_smoothing = 0.0;
  double huber_delta = 1.0;
};

/// Those of the table in model.cpp.
std::span<const std::string_view> model_names() noexcept;

/// "auto", and those of the table in loss.cpp.
std::span<const std::string_view> loss_names() noexcept;

/// The loss that the options name, or that of the model where they say "auto". \throws InvalidArgument
std::string_view loss_name(const ModelOptions& options);

/// What the outputs of a model are compared with.
enum class TargetKind : std::uint8_t {
  labels,     ///< one class a sample
  numbers,    ///< one or more numbers a sample
  next_byte,  ///< of a sample of bytes, each byte but the first
};

/// The one that the model and its loss take. \throws InvalidArgument if there is no such model or loss, or the two do
/// not fit.
TargetKind target_kind(const ModelOptions& options);

/// What to call the model in output: its name, or its file.
std::string model_title(const ModelOptions& options);

}  // namespace tutti::trainer
