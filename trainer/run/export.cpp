#include <tutti/trainer/run/export.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <tutti/allreduce/version.hpp>
#include <tutti/io/checkpoint.hpp>
#include <tutti/io/files.hpp>
#include <tutti/io/safetensors.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/trainer/models/torchvision_names.hpp>
#include <tutti/trainer/network/network.hpp>
#include <tutti/trainer/run/run_folder.hpp>
#include <tutti/trainer/run/training_state.hpp>

namespace tutti::trainer {

namespace {

namespace fs = std::filesystem;

constexpr const char* kSafetensors = ".safetensors";
constexpr const char* kTorchScript = ".pt";

/// The checkpoint that is meant; `file` becomes its name.
io::Checkpoint read_from(const fs::path& from, fs::path& file) {
  std::error_code error;
  if (!fs::is_directory(from, error)) {
    file = from;
    return io::read_checkpoint(from);
  }
  std::set<std::uint64_t> damaged;
  auto checkpoint = find_newest_checkpoint(from, file, damaged);
  if (!checkpoint)
    throw DataError(fmt::format("{}: the folder holds no run with a checkpoint that is whole", from.string()));
  return std::move(*checkpoint);
}

std::string numbers_text(const std::vector<double>& numbers) {
  return numbers.size() == 1 ? fmt::format("{}", numbers.front()) : nlohmann::json(numbers).dump();
}

bool sees_scaled_numbers(const StoredModel& model) {
  return target_kind(model.config.model) != TargetKind::next_byte && !(model.task && model.task->integers);
}

/// What whoever uses the file needs to know beside its tensors.
std::map<std::string, std::string> facts_of(const StoredModel& model, bool average) {
  const Config& config = model.config;
  std::map<std::string, std::string> facts{{"format", "pt"},
                                           {"tutti", tutti::version()},
                                           {"model", model_title(config.model)},
                                           {"step", fmt::format("{}", model.position.step)},
                                           {"values", average ? "average" : "parameters"}};
  if (sees_scaled_numbers(model)) {
    facts["data.scale"] = fmt::format("{}", config.data.scale);
    facts["data.mean"] = numbers_text(config.data.mean);
    facts["data.std"] = numbers_text(config.data.std);
  }
  return facts;
}

std::string shape_text(const std::vector<std::size_t>& shape) { return nlohmann::json(shape).dump(); }

const io::NamedTensor* find_tensor(const std::vector<io::NamedTensor>& tensors, const std::string& name) {
  const auto found = std::find_if(tensors.begin(), tensors.end(), [&](const auto& t) { return t.name == name; });
  return found == tensors.end() ? nullptr : &*found;
}

/// The tensor of the checkpoint that is to be `name` of the model. \throws DataError
const io::NamedTensor& matching(const std::vector<io::NamedTensor>& tensors, const std::string& name,
                                const std::vector<std::int64_t>& shape, DType dtype, const fs::path& file) {
  const io::NamedTensor* tensor = find_tensor(tensors, name);
  const std::vector<std::size_t> extents(shape.begin(), shape.end());
  if (tensor == nullptr)
    throw DataError(fmt::format("{}: the model is another now: the checkpoint has no tensor {}", file.string(), name));
  if (tensor->shape != extents || tensor->dtype != dtype)
    throw DataError(fmt::format(
        "{}: the model is another now: tensor {} is {} {} in the checkpoint, {} {} in the model", file.string(), name,
        tutti::name(tensor->dtype), shape_text(tensor->shape), tutti::name(dtype), shape_text(extents)));
  return *tensor;
}

std::string torchscript_of(const StoredModel& model, const ExportOptions& options, const fs::path& file) {
  if (!model.task)
    throw DataError(
        fmt::format("{}: the checkpoint was written by an earlier version, without the shape of a sample: it can be "
                    "exported as .safetensors; a step more of the run (--resume) makes one for .pt",
                    file.string()));
  ModelOptions how = model.config.model;
  if (!options.model_file.empty()) how.file = options.model_file.string();
  const auto& data = model.config.data;
  const Network network(how, {.scale = data.scale, .mean = data.mean, .std = data.std},
                        {.input = model.task->input,
                         .classes = model.task->classes,
                         .numbers = model.task->numbers,
                         .integers = model.task->integers,
                         .further = model.task->further});
  const DType dtype = dtype_from_name(how.dtype);
  std::vector<ConstBuffer> parameters;
  for (const ParameterInfo& info : network.parameters()) {
    const io::NamedTensor& tensor = matching(model.parameters, info.name, info.shape, dtype, file);
    parameters.emplace_back(tensor.bytes.data(), info.count(), dtype);
  }
  if (parameters.size() != model.parameters.size())
    throw DataError(fmt::format("{}: the model is another now: the checkpoint has {} parameters, the model {}",
                                file.string(), model.parameters.size(), parameters.size()));
  for (const NamedBuffer& buffer : network.buffers()) {
    const io::NamedTensor& tensor = matching(model.buffers, buffer.name, buffer.shape, buffer.values.dtype, file);
    std::memcpy(buffer.values.data, tensor.bytes.data(), tensor.bytes.size());
  }
  return network.torchscript(parameters, {{"tutti.json", nlohmann::json(facts_of(model, options.average)).dump()}});
}

}  // namespace

std::string export_model(const ExportOptions& options) {
  const std::string ending = options.to.extension().string();
  if (ending != kSafetensors && ending != kTorchScript)
    throw InvalidArgument(
        fmt::format("--to {}: the name must end in {} or {}", options.to.string(), kSafetensors, kTorchScript));
  if (options.torchvision_names && ending == kTorchScript)
    throw InvalidArgument(fmt::format("--names is for {}: a module keeps its own", kSafetensors));
  std::error_code error;
  if (!options.force && fs::exists(options.to, error))
    throw DataError(fmt::format("{}: the file is there already; --force overwrites it", options.to.string()));
  fs::path file;
  const io::Checkpoint checkpoint = read_from(options.from, file);
  StoredModel model = stored_model(file, checkpoint, options.average);
  std::size_t values = 0;
  for (const io::NamedTensor& tensor : model.parameters) values += tensor.bytes.size() / size_of(tensor.dtype);
  if (ending == kTorchScript) {
    const std::string bytes = torchscript_of(model, options, file);
    io::write_file(options.to, std::as_bytes(std::span(bytes)));
  } else {
    io::Safetensors content{.metadata = facts_of(model, options.average), .tensors = std::move(model.parameters)};
    std::move(model.buffers.begin(), model.buffers.end(), std::back_inserter(content.tensors));
    if (options.torchvision_names)
      for (io::NamedTensor& tensor : content.tensors) tensor.name = torchvision_name(model.config.model, tensor.name);
    io::write_safetensors(options.to, content);
  }
  return fmt::format("{}: {} after step {}, {} {}", options.to.string(), model_title(model.config.model),
                     model.position.step, values, options.average ? "averaged parameters" : "parameters");
}

}  // namespace tutti::trainer
