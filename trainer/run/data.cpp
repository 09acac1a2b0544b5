#include <tutti/trainer/run/data.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <cstring>

#include <tutti/kernels/error.hpp>

namespace tutti::trainer {

namespace {

template <class T>
void widen(const std::vector<std::byte>& bytes, std::vector<std::int64_t>& labels) {
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

}  // namespace

LabelledData::LabelledData(const std::string& folder, const std::string& input_field) : dataset_(folder) {
  if (dataset_.size() == 0) throw DataError(fmt::format("{}: the data set is empty", folder));
  if (dataset_.classes() == 0) throw DataError(fmt::format("{}: the data set has no class labels", folder));
  input_ = dataset_.field(input_field);
  label_ = dataset_.field("label");
  if (input_ == label_) throw DataError(fmt::format("{}: data.input = \"{}\" is the label", folder, input_field));
}

Samples LabelledData::samples(const io::Batch& batch, std::vector<std::int64_t>& labels) const {
  const auto& bytes = batch.data[label_];
  switch (dataset_.fields()[label_].dtype) {
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
  return {.inputs = {batch.data[input_].data(), batch.ids.size() * input().elements(), input().dtype},
          .labels = labels};
}

RunData open_data(const Config& config) {
  RunData data{LabelledData(config.data.train, config.data.input), std::nullopt};
  if (config.data.test.empty()) return data;
  data.test.emplace(config.data.test, config.data.input);
  const auto& train = data.train;
  const auto& test = *data.test;
  if (!(test.input() == train.input()))
    throw DataError(fmt::format("{}: field '{}' is {}, that of the training set {} is {}", config.data.test,
                                config.data.input, shape_text(test.input()), config.data.train,
                                shape_text(train.input())));
  if (test.dataset().classes() != train.dataset().classes())
    throw DataError(
        fmt::format("{}: has {} classes, the training set {} has {}; import the smaller one again, with "
                    "--classes {}",
                    config.data.test, test.dataset().classes(), config.data.train, train.dataset().classes(),
                    std::max(train.dataset().classes(), test.dataset().classes())));
  return data;
}

}  // namespace tutti::trainer
