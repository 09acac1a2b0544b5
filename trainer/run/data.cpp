#include <tutti/trainer/run/data.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include <tutti/kernels/error.hpp>

namespace tutti::trainer {

namespace {

template <class T>
void widen(std::span<const std::byte> bytes, std::vector<std::int64_t>& labels) {
  labels.resize(bytes.size() / sizeof(T));
  for (std::size_t i = 0; i < labels.size(); ++i) {
    T value;
    std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
    labels[i] = static_cast<std::int64_t>(value);  // NOLINT(bugprone-signed-char-misuse): i8 is a number here
  }
}

std::string shape_text(const io::Field& field) {
  std::string shape;
  for (const auto extent : field.shape) shape += fmt::format("{}{}", shape.empty() ? "" : " x ", extent);
  return fmt::format("{} {}", name(field.dtype), shape);
}

bool is_in(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

std::vector<std::string> names_in(const std::string& list, std::string_view key) {
  std::vector<std::string> names;
  for (std::size_t at = 0; at <= list.size();) {
    const std::size_t comma = std::min(list.find(',', at), list.size());
    const auto first = list.find_first_not_of(' ', at);
    if (first >= comma) throw ConfigError(fmt::format("{} = \"{}\": a name is missing", key, list));
    const auto last = list.find_last_not_of(' ', comma - 1);
    names.push_back(list.substr(first, last + 1 - first));
    at = comma + 1;
  }
  return names;
}

LabelledData::LabelledData(const std::string& folder, const Config& config)
    : dataset_(folder), kind_(target_kind(config.model)) {
  if (dataset_.size() == 0) throw DataError(fmt::format("{}: the data set is empty", folder));
  choose_target(config);
  const auto names = names_in(config.data.input, "data.input");
  const auto integers =
      config.data.integers.empty() ? std::vector<std::string>{} : names_in(config.data.integers, "data.integers");
  for (const auto& name : integers)
    if (!is_in(names, name)) throw ConfigError(fmt::format("data.integers: '{}' is not among data.input", name));
  for (const auto& name : names) {
    try {
      inputs_.push_back(dataset_.field(name));
    } catch (const DataError& error) {
      throw DataError(fmt::format("data.input: {}", error.what()));
    }
    integers_.push_back(is_in(integers, name));
    if (kind_ != TargetKind::next_byte && inputs_.back() == target_)
      throw DataError(fmt::format("{}: data.input = \"{}\" is the {}", folder, config.data.input,
                                  kind_ == TargetKind::labels ? "label" : "target"));
  }
  const auto& shape = input().shape;
  const bool in_a_row = std::count_if(shape.begin(), shape.end(), [](std::size_t extent) { return extent > 1; }) == 1;
  if (kind_ == TargetKind::next_byte && (input().dtype != DType::u8 || !in_a_row))
    throw DataError(fmt::format("{}: field '{}' is {}, model.name = \"{}\" needs bytes in a row: u8 {{n}} or {{1, n}}",
                                folder, input().name, shape_text(input()), config.model.name));
}

void LabelledData::choose_target(const Config& config) {
  const std::string folder = dataset_.folder().string();
  const std::string& name = config.data.target;
  if (kind_ == TargetKind::next_byte) return;
  if (kind_ == TargetKind::labels) {
    if (dataset_.classes() == 0) throw DataError(fmt::format("{}: the data set has no class labels", folder));
    if (name != "label")
      throw ConfigError(
          fmt::format("data.target = \"{}\": classes are in the field `label`; a loss of numbers is "
                      "mse, huber or bce",
                      name));
  }
  target_ = dataset_.field(name);
  if (kind_ == TargetKind::numbers && loss_name(config.model) == "bce" && name == "label" && dataset_.classes() > 2)
    throw DataError(
        fmt::format("{}: it has {} classes, and model.loss = \"bce\" tells two apart", folder, dataset_.classes()));
}

std::vector<io::Field> LabelledData::used() const {
  std::vector<io::Field> fields;
  for (const std::size_t input : inputs_) fields.push_back(dataset_.fields()[input]);
  if (kind_ == TargetKind::numbers) fields.push_back(dataset_.fields()[target_]);
  return fields;
}

TaskShape LabelledData::task() const {
  TaskShape task{.input = input().shape};
  if (kind_ == TargetKind::labels) task.classes = dataset_.classes();
  if (kind_ == TargetKind::next_byte) task.classes = 256;
  if (kind_ == TargetKind::numbers) task.numbers = dataset_.fields()[target_].elements();
  task.integers = integers_.front();
  for (std::size_t i = 1; i < inputs_.size(); ++i) {
    const io::Field& field = dataset_.fields()[inputs_[i]];
    task.further.push_back({.name = field.name, .shape = field.shape, .integers = integers_[i]});
  }
  return task;
}

Samples LabelledData::samples(const io::Batch& batch, std::vector<std::int64_t>& labels) const {
  const auto all_of = [&](std::size_t index) {
    const io::Field& field = dataset_.fields()[index];
    return ConstBuffer(batch.data[index].data(), batch.ids.size() * field.elements(), field.dtype);
  };
  Samples samples{
      .inputs = all_of(inputs_.front()), .labels = {}, .ids = batch.ids, .draw = (batch.epoch << 32) + batch.index};
  for (std::size_t i = 1; i < inputs_.size(); ++i) samples.further.push_back(all_of(inputs_[i]));
  if (kind_ == TargetKind::numbers) samples.targets = all_of(target_);
  if (kind_ == TargetKind::labels) {
    widen_labels(batch.data[target_], labels);
    samples.labels = labels;
  }
  return samples;
}

void LabelledData::widen_labels(std::span<const std::byte> bytes, std::vector<std::int64_t>& labels) const {
  switch (dataset_.fields()[target_].dtype) {
    case DType::i64:
      widen<std::int64_t>(bytes, labels);
      break;
    case DType::i32:
      widen<std::int32_t>(bytes, labels);
      break;
    case DType::i16:
      widen<std::int16_t>(bytes, labels);
      break;
    case DType::i8:
      widen<std::int8_t>(bytes, labels);
      break;
    case DType::u64:
      widen<std::uint64_t>(bytes, labels);
      break;
    case DType::u32:
      widen<std::uint32_t>(bytes, labels);
      break;
    case DType::u16:
      widen<std::uint16_t>(bytes, labels);
      break;
    case DType::u8:
      widen<std::uint8_t>(bytes, labels);
      break;
    default:
      throw DataError(fmt::format("{}: labels must be integers", dataset_.folder().string()));
  }
}

RunData open_data(const Config& config) {
  RunData data{LabelledData(config.data.train, config), std::nullopt};
  if (config.data.test.empty()) return data;
  data.test.emplace(config.data.test, config);
  const auto& train = data.train;
  const auto& test = *data.test;
  const auto ours = train.used();
  const auto its = test.used();
  for (std::size_t i = 0; i < ours.size(); ++i)
    if (!(its[i] == ours[i]))
      throw DataError(fmt::format("{}: field '{}' is {}, that of the training set {} is {}", config.data.test,
                                  its[i].name, shape_text(its[i]), config.data.train, shape_text(ours[i])));
  if (test.dataset().classes() != train.dataset().classes())
    throw DataError(
        fmt::format("{}: has {} classes, the training set {} has {}; import the smaller one again, with "
                    "--classes {}",
                    config.data.test, test.dataset().classes(), config.data.train, train.dataset().classes(),
                    std::max(train.dataset().classes(), test.dataset().classes())));
  return data;
}

}  // namespace tutti::trainer
