#include <tutti/trainer/run/initial_weights.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include <nlohmann/json.hpp>

#include <tutti/io/safetensors.hpp>
#include <tutti/kernels/cast.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/finite.hpp>
#include <tutti/trainer/config/config.hpp>
#include <tutti/trainer/models/torchvision_names.hpp>
#include <tutti/trainer/optimizers/groups.hpp>
#include <tutti/trainer/run/data.hpp>

namespace tutti::trainer {

namespace {

using Bytes = std::vector<std::byte>;

/// A tensor of the model that the file is to have.
struct Wanted {
  std::string name;
  std::vector<std::size_t> shape;
  DType dtype;
};

/// "a, b, c and 4 more"
std::string some_of(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 4;
  std::string list;
  for (std::size_t i = 0; i < std::min(names.size(), kShown); ++i) list += (i == 0 ? "" : ", ") + names[i];
  return names.size() > kShown ? fmt::format("{} and {} more", list, names.size() - kShown) : list;
}

template <class From, class To>
void convert_values(const Bytes& from, Bytes& to) {
  for (std::size_t i = 0; i < to.size() / sizeof(To); ++i) {
    From value;
    std::memcpy(&value, from.data() + i * sizeof(From), sizeof(From));
    To converted;
    if constexpr (std::is_same_v<From, bfloat16> || std::is_same_v<From, float16>)
      converted = static_cast<To>(to_f32(value));
    else
      converted = static_cast<To>(value);
    std::memcpy(to.data() + i * sizeof(To), &converted, sizeof(To));
  }
}

template <class To>
void convert_to(DType type, const Bytes& from, Bytes& to) {
  switch (type) {
    case DType::f64:
      return convert_values<double, To>(from, to);
    case DType::f32:
      return convert_values<float, To>(from, to);
    case DType::bf16:
      return convert_values<bfloat16, To>(from, to);
    default:
      return convert_values<float16, To>(from, to);
  }
}

class Weights {
 public:
  explicit Weights(const ModelOptions& options) : file_(options.weights) {
    if (!options.weights_skip.empty()) skip_ = names_in(options.weights_skip, "model.weights_skip");
    skipped_.resize(skip_.size());
    for (io::NamedTensor& tensor : io::read_safetensors(file_).tensors)
      tensors_.emplace(tensor.name, std::move(tensor));
  }

  /// The values of each of `wanted`, or none for one that is passed over.
  std::vector<Bytes> values_for(const std::vector<Wanted>& wanted) {
    std::vector<std::string> missing;
    std::vector<Bytes> values;
    for (const Wanted& tensor : wanted) {
      values.emplace_back();
      const auto found = tensors_.find(tensor.name);
      if (is_skipped(tensor.name)) continue;
      if (found == tensors_.end())
        missing.push_back(tensor.name);
      else
        values.back() = converted(found->second, tensor);
    }
    require_none(missing, "lacks", "model.weights_skip leaves tensors of the model as they would begin");
    std::vector<std::string> others;
    for (const auto& entry : tensors_) {
      const std::string& name = entry.first;
      if (std::none_of(wanted.begin(), wanted.end(), [&](const Wanted& w) { return w.name == name; }) &&
          !is_skipped(name))
        others.push_back(name);
    }
    require_none(others, "has, and the model has not,", "model.weights_skip passes over tensors of the file");
    for (std::size_t i = 0; i < skip_.size(); ++i)
      if (!skipped_[i])
        throw ConfigError(
            fmt::format("model.weights_skip: '{}' matches no tensor of the model, and none of {}", skip_[i], file_));
    return values;
  }

 private:
  template <class... Parts>
  [[noreturn]] void fail(fmt::format_string<Parts...> what, Parts&&... parts) const {
    throw DataError(fmt::format("model.weights = \"{}\": {}", file_, fmt::format(what, std::forward<Parts>(parts)...)));
  }

  void require_none(const std::vector<std::string>& names, const char* verb, const char* remedy) const {
    if (!names.empty()) fail("the file {} {} tensor(s): {}; {}", verb, names.size(), some_of(names), remedy);
  }

  bool is_skipped(const std::string& name) {
    bool matches = false;
    for (std::size_t i = 0; i < skip_.size(); ++i)
      if (glob_matches(skip_[i], name)) matches = skipped_[i] = true;
    return matches;
  }

  Bytes converted(const io::NamedTensor& tensor, const Wanted& wanted) const {
    if (tensor.shape != wanted.shape)
      fail("tensor {} has shape {} in the file, {} in the model", wanted.name, nlohmann::json(tensor.shape).dump(),
           nlohmann::json(wanted.shape).dump());
    Bytes values = tensor.bytes;
    if (tensor.dtype != wanted.dtype) {
      if (!is_floating(tensor.dtype) || (wanted.dtype != DType::f32 && wanted.dtype != DType::f64))
        fail("tensor {} is of type {} in the file, of {} in the model", wanted.name, name(tensor.dtype),
             name(wanted.dtype));
      values.resize(tensor.bytes.size() / size_of(tensor.dtype) * size_of(wanted.dtype));
      if (wanted.dtype == DType::f64)
        convert_to<double>(tensor.dtype, tensor.bytes, values);
      else
        convert_to<float>(tensor.dtype, tensor.bytes, values);
    }
    const ConstBuffer view(values.data(), values.size() / size_of(wanted.dtype), wanted.dtype);
    if (const std::size_t index = first_not_finite(view); index != view.count)
      fail("element {} of tensor {} is not finite as {}", index, wanted.name, name(wanted.dtype));
    return values;
  }

  std::string file_;
  std::vector<std::string> skip_;
  std::vector<bool> skipped_;  // by pattern: whether it has matched something
  std::map<std::string, io::NamedTensor> tensors_;
};

}  // namespace

void read_initial_weights(const ModelOptions& options, std::vector<ParameterInfo>& parameters,
                          std::span<const NamedBuffer> buffers) {
  std::vector<Wanted> wanted;
  wanted.reserve(parameters.size() + buffers.size());
  const auto called = [&](const std::string& name) {
    return options.weights_names == "torchvision" ? torchvision_name(options, name) : name;
  };
  const DType dtype = dtype_from_name(options.dtype);
  for (const ParameterInfo& info : parameters)
    wanted.push_back({called(info.name), {info.shape.begin(), info.shape.end()}, dtype});
  for (const NamedBuffer& buffer : buffers)
    wanted.push_back({called(buffer.name), {buffer.shape.begin(), buffer.shape.end()}, buffer.values.dtype});
  std::vector<Bytes> values = Weights(options).values_for(wanted);
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (values[i].empty()) continue;
    const auto kept = std::make_shared<Bytes>(std::move(values[i]));
    parameters[i].initial_values = std::shared_ptr<const void>(kept, kept->data());
  }
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    const Bytes& its = values[parameters.size() + i];
    if (!its.empty()) std::memcpy(buffers[i].values.data, its.data(), its.size());
  }
}

}  // namespace tutti::trainer
