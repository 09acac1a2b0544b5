// A checkpoint's description (JSON) holds: position, config (TOML, every key), data set fingerprint and size,
// parameters (names and shapes in model order), task (shapes of inputs, classes or numbers), buckets (names of the
// parameters in each, in order of exchange), threads, version. Its tensors are parameters/NAME, optimizer/SLOT/NAME,
// buffers/NAME and, where bits do not depend on the number of ranks, scales/NAME: without bucket layout, so that they
// outlive a change of it. Version 1 knew one slot, `momentum`, as velocities/NAME.
#include <tutti/trainer/run/training_state.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include <nlohmann/json.hpp>

#include <tutti/allreduce/version.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti::trainer {

namespace {

using nlohmann::json;

constexpr int kVersion = 2;

/// Names of tensors in a checkpoint of this version.
std::string parameter_tensor(const std::string& parameter) { return "parameters/" + parameter; }
std::string slot_tensor(int version, const std::string& slot, const std::string& parameter) {
  if (version == 1) return "velocities/" + parameter;
  return fmt::format("optimizer/{}/{}", slot, parameter);
}

std::string buffer_tensor(const std::string& buffer) { return "buffers/" + buffer; }
std::string scale_tensor(const std::string& parameter) { return "scales/" + parameter; }

int readable_version(const std::filesystem::path& file, const json& description) {
  const json& version = description.at("version");
  if (!version.is_number_integer() || version < 1 || version > kVersion)
    throw DataError(fmt::format("{}: the checkpoint has version {}, this program reads 1 to {}", file.string(),
                                version.dump(), kVersion));
  return version.get<int>();
}

json position_json(const Position& p) {
  json replaced = json::array();
  for (const ReplacedCodec& its : p.replaced_codecs)
    replaced.push_back({{"parameter", its.parameter}, {"from", its.from}, {"to", its.to}});
  return {{"step", p.step},
          {"epoch", p.epoch},
          {"batch", p.batch},
          {"samples", p.samples},
          {"loss_scale", p.loss_scale.scale},
          {"good_steps", p.loss_scale.good_steps},
          {"skipped_steps", p.loss_scale.skipped},
          {"exchange_layouts", p.exchange_layouts},
          {"replaced_codecs", std::move(replaced)},
          {"failed_checks", p.failed_checks},
          {"train_seconds", p.train_seconds},
          {"step_seconds", p.step_seconds},
          {"exposed_seconds", p.exposed_seconds},
          {"reading_seconds", p.phase_seconds.reading},
          {"forward_seconds", p.phase_seconds.forward},
          {"backward_seconds", p.phase_seconds.backward},
          {"update_seconds", p.phase_seconds.update},
          {"payload_bytes", p.payload_bytes}};
}

Position position_from(const json& j) {
  Position p;
  j.at("step").get_to(p.step);
  j.at("epoch").get_to(p.epoch);
  j.at("batch").get_to(p.batch);
  j.at("samples").get_to(p.samples);
  p.loss_scale = {.scale = j.value("loss_scale", 0.0),
                  .good_steps = j.value("good_steps", std::uint64_t{0}),
                  .skipped = j.value("skipped_steps", std::uint64_t{0})};
  p.exchange_layouts = j.value("exchange_layouts", std::vector<std::uint32_t>{});
  p.failed_checks = j.value("failed_checks", std::vector<int>{});
  for (const json& its : j.value("replaced_codecs", json::array()))
    p.replaced_codecs.push_back({.parameter = its.at("parameter").get<std::size_t>(),
                                 .from = its.at("from").get<std::string>(),
                                 .to = its.at("to").get<std::string>()});
  j.at("train_seconds").get_to(p.train_seconds);
  j.at("step_seconds").get_to(p.step_seconds);
  j.at("exposed_seconds").get_to(p.exposed_seconds);
  p.phase_seconds = {.reading = j.value("reading_seconds", 0.0),
                     .forward = j.value("forward_seconds", 0.0),
                     .backward = j.value("backward_seconds", 0.0),
                     .update = j.value("update_seconds", 0.0)};
  p.payload_bytes = j.value("payload_bytes", std::uint64_t{0});
  return p;
}

json parameters_json(const std::vector<ParameterInfo>& parameters) {
  json list = json::array();
  for (const auto& parameter : parameters) list.push_back({{"name", parameter.name}, {"shape", parameter.shape}});
  return list;
}

json task_json(const TaskShape& task) {
  json further = json::array();
  for (const auto& input : task.further)
    further.push_back({{"name", input.name}, {"shape", input.shape}, {"integers", input.integers}});
  return {{"input", task.input},
          {"classes", task.classes},
          {"numbers", task.numbers},
          {"integers", task.integers},
          {"further", std::move(further)}};
}

TaskShape task_from(const json& j) {
  TaskShape task;
  j.at("input").get_to(task.input);
  j.at("classes").get_to(task.classes);
  j.at("numbers").get_to(task.numbers);
  j.at("integers").get_to(task.integers);
  for (const json& input : j.at("further"))
    task.further.push_back({.name = input.at("name").get<std::string>(),
                            .shape = input.at("shape").get<std::vector<std::size_t>>(),
                            .integers = input.at("integers").get<bool>()});
  return task;
}

json buckets_json(const RunIdentity& run, const BucketPlan& plan) {
  json list = json::array();
  for (const auto& bucket : plan.buckets) {
    json names = json::array();
    for (const BucketPlan::Piece& piece : bucket.pieces) {
      const std::string& name = run.parameters[piece.parameter].name;
      const bool is_whole = piece.count == plan.places[piece.parameter].count;
      names.push_back(is_whole ? name : fmt::format("{}[{}:{}]", name, piece.first, piece.first + piece.count));
    }
    list.push_back(names);
  }
  return list;
}

io::NamedTensor tensor_of(std::string name, const std::vector<std::int64_t>& shape, ConstBuffer values) {
  const auto* bytes = static_cast<const std::byte*>(values.data);
  return {.name = std::move(name),
          .dtype = values.dtype,
          .shape = {shape.begin(), shape.end()},
          .bytes = {bytes, bytes + values.size_bytes()}};
}

/// The first parameter in which the models differ, as a clause; empty if they are alike.
std::string first_difference(const json& stored, const json& own) {
  const auto describe = [](const json& list, std::size_t i) {
    return i < list.size() ? fmt::format("{} {}", list[i].at("name").get<std::string>(), list[i].at("shape").dump())
                           : "missing";
  };
  for (std::size_t i = 0; i < std::max(stored.size(), own.size()); ++i)
    if (i >= stored.size() || i >= own.size() || stored[i] != own[i])
      return fmt::format("parameter {} is {} in the checkpoint, {} in the model", i, describe(stored, i),
                         describe(own, i));
  return {};
}

void require_same_run(const std::filesystem::path& file, const json& description, const RunIdentity& run,
                      const Buckets& buckets, std::vector<std::string>& notes) {
  const auto refuse = [&](const std::string& what) {
    throw DataError(fmt::format("{}: the checkpoint is of another run: {}", file.string(), what));
  };
  if (const auto model = first_difference(description.at("parameters"), parameters_json(run.parameters));
      !model.empty())
    refuse(model);
  for (const auto& difference :
       differences(run.config, parse_config(description.at("config").get<std::string>(), file.string()))) {
    if (difference.on_resume == OnResume::refuse) refuse(difference.text);
    if (difference.on_resume == OnResume::note) notes.push_back(difference.text);
  }
  const auto& data = description.at("data");
  if (data.at("fingerprint") != run.train.fingerprint() || data.at("samples") != run.train.size())
    refuse(fmt::format("its training set has {} samples and fingerprint {:08x}, {} has {} and {:08x}",
                       data.at("samples").get<std::uint64_t>(), data.at("fingerprint").get<std::uint32_t>(),
                       run.train.folder().string(), run.train.size(), run.train.fingerprint()));
  if (description.at("threads") != run.threads)
    notes.push_back(
        fmt::format("threads per rank are {} and were {}", run.threads, description.at("threads").get<int>()));
  if (notes.empty() && !run.config.numerics.ignores_ranks() &&
      description.at("buckets") != buckets_json(run, buckets.plan()))
    notes.emplace_back("the buckets are cut otherwise");
}

/// All tensors are looked at before the first is copied.
const io::NamedTensor& matching_tensor(const std::filesystem::path& file, const io::Checkpoint& checkpoint,
                                       const std::string& name, ConstBuffer memory) {
  const auto found = std::find_if(checkpoint.tensors.begin(), checkpoint.tensors.end(),
                                  [&](const io::NamedTensor& candidate) { return candidate.name == name; });
  if (found == checkpoint.tensors.end())
    throw DataError(fmt::format(
        "{}: the checkpoint has no tensor {}, which the optimizer needs as it is configured now", file.string(), name));
  const io::NamedTensor& tensor = *found;
  if (tensor.dtype != memory.dtype || tensor.bytes.size() != memory.size_bytes())
    throw DataError(
        fmt::format("{}: tensor {} has another type or size than its description says", file.string(), name));
  return tensor;
}

}  // namespace

io::Checkpoint make_checkpoint(const RunIdentity& run, const Position& position, const Buckets& buckets,
                               const WholeSlots& slots) {
  const json description = {
      {"kind", "tutti training"},
      {"version", kVersion},
      {"tutti", tutti::version()},
      {"position", position_json(position)},
      {"config", to_toml(run.config)},
      {"data", {{"fingerprint", run.train.fingerprint()}, {"samples", run.train.size()}}},
      {"parameters", parameters_json(run.parameters)},
      {"task", task_json(run.task)},
      {"buckets", buckets_json(run, buckets.plan())},
      {"threads", run.threads},
  };
  io::Checkpoint checkpoint{.description = description.dump(), .tensors = {}};
  for (std::size_t i = 0; i < run.parameters.size(); ++i) {
    const auto& info = run.parameters[i];
    checkpoint.tensors.push_back(tensor_of(parameter_tensor(info.name), info.shape, buckets.parameter(i)));
    for (std::size_t slot = 0; slot < buckets.slot_names().size(); ++slot)
      checkpoint.tensors.push_back(tensor_of(slot_tensor(kVersion, buckets.slot_names()[slot], info.name), info.shape,
                                             slots.slot(slot, buckets.plan().places[i])));
  }
  for (const NamedBuffer& buffer : run.buffers)
    checkpoint.tensors.push_back(tensor_of(buffer_tensor(buffer.name), buffer.shape, buffer.values));
  for (const NamedBuffer& scales : run.scales)
    checkpoint.tensors.push_back(tensor_of(scale_tensor(scales.name), scales.shape, scales.values));
  return checkpoint;
}

Position restore_checkpoint(const std::filesystem::path& file, const io::Checkpoint& checkpoint, const RunIdentity& run,
                            const Buckets& buckets, const WholeSlots& slots, std::vector<std::string>& notes) {
  Position position;
  int version = 0;
  try {
    const json description = json::parse(checkpoint.description);
    version = readable_version(file, description);
    require_same_run(file, description, run, buckets, notes);
    position = position_from(description.at("position"));
  } catch (const json::exception& error) {
    throw DataError(fmt::format("{}: not a checkpoint of a training run: {}", file.string(), error.what()));
  }
  struct Copy {
    const io::NamedTensor& from;
    Buffer to;
  };
  std::vector<Copy> copies;
  const auto copy = [&](const std::string& name, Buffer to) {
    copies.push_back({matching_tensor(file, checkpoint, name, to), to});
  };
  for (std::size_t i = 0; i < run.parameters.size(); ++i) {
    const auto& name = run.parameters[i].name;
    copy(parameter_tensor(name), buckets.parameter(i));
    for (std::size_t slot = 0; slot < buckets.slot_names().size(); ++slot)
      copy(slot_tensor(version, buckets.slot_names()[slot], name), slots.slot(slot, buckets.plan().places[i]));
  }
  for (const NamedBuffer& buffer : run.buffers) copy(buffer_tensor(buffer.name), buffer.values);
  // A run that had another level has none: the next step measures them.
  const auto has = [&](const std::string& name) {
    return std::any_of(checkpoint.tensors.begin(), checkpoint.tensors.end(),
                       [&](const io::NamedTensor& tensor) { return tensor.name == name; });
  };
  for (const NamedBuffer& scales : run.scales)
    if (has(scale_tensor(scales.name))) copy(scale_tensor(scales.name), scales.values);
  for (const auto& [from, to] : copies) std::memcpy(to.data, from.bytes.data(), to.size_bytes());
  return position;
}

StoredModel stored_model(const std::filesystem::path& file, const io::Checkpoint& checkpoint, bool average) {
  StoredModel model;
  std::vector<std::pair<std::string, std::string>> parameters;  // name in the model, name in the checkpoint
  try {
    const json description = json::parse(checkpoint.description);
    const int version = readable_version(file, description);
    model.config = parse_config(description.at("config").get<std::string>(), file.string());
    model.position = position_from(description.at("position"));
    if (description.contains("task")) model.task = task_from(description.at("task"));
    for (const json& parameter : description.at("parameters")) {
      const auto name = parameter.at("name").get<std::string>();
      parameters.emplace_back(name, average ? slot_tensor(version, "average", name) : parameter_tensor(name));
    }
  } catch (const json::exception& error) {
    throw DataError(fmt::format("{}: not a checkpoint of a training run: {}", file.string(), error.what()));
  }
  if (average && model.config.optimizer.ema_decay == 0.0)
    throw DataError(fmt::format("{}: the run keeps no average: its optimizer.ema_decay is 0", file.string()));
  const auto renamed = [&](io::NamedTensor tensor, const std::string& name) {
    tensor.name = name;
    return tensor;
  };
  const std::string buffers = buffer_tensor("");
  for (const auto& [name, stored] : parameters) model.parameters.push_back(renamed(checkpoint.tensor(stored), name));
  for (const io::NamedTensor& tensor : checkpoint.tensors)
    if (tensor.name.starts_with(buffers)) model.buffers.push_back(renamed(tensor, tensor.name.substr(buffers.size())));
  return model;
}

std::string to_json(const Position& position) { return position_json(position).dump(); }

Position position_from_json(const std::string& json_text) { return position_from(json::parse(json_text)); }

}  // namespace tutti::trainer
