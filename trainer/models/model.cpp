// The table of models.
#include <tutti/trainer/models/model.hpp>

#include <tutti/trainer/tables/named_rows.hpp>

namespace tutti::trainer {

namespace {

constexpr Model kModels[] = {
    {"softmax", softmax_parameters, softmax_forward},
    {"mlp", mlp_parameters, mlp_forward},
    {"convnet", convnet_parameters, convnet_forward},
};

}  // namespace

const Model& find_model(std::string_view name) { return row_named(kModels, "model", name); }

std::span<const std::string_view> model_names() noexcept {
  static constexpr auto kNames = names_of(kModels);
  return kNames;
}

}  // namespace tutti::trainer
