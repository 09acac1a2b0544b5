#include "tools/data/statistics.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

#include <tutti/io/sample_reader.hpp>
#include <tutti/kernels/cast.hpp>

#include "tools/data/elements.hpp"

namespace tutti::tools::data {

namespace {

template <class T, class Convert>
void widen_as(std::span<const std::byte> bytes, std::vector<double>& values, Convert convert) {
  values.resize(bytes.size() / sizeof(T));
  for (std::size_t i = 0; i < values.size(); ++i) {
    T element;
    std::memcpy(&element, bytes.data() + i * sizeof(T), sizeof(T));
    values[i] = static_cast<double>(convert(element));
  }
}

template <class T>
void widen_as(std::span<const std::byte> bytes, std::vector<double>& values) {
  widen_as<T>(bytes, values, [](T element) { return element; });
}

std::size_t channels_of(const io::Field& field) {
  constexpr std::size_t kMostChannels = 16;
  constexpr std::size_t kMostColumns = 64;
  if (field.sparse) return 1;
  const bool has_channels = field.shape.size() == 3 && field.shape[0] <= kMostChannels;
  const bool has_columns = field.shape.size() == 1 && field.shape[0] <= kMostColumns;
  return has_channels || has_columns ? field.shape[0] : 1;
}

void add_dense(const io::Field& field, std::span<const std::byte> bytes, FieldMoments& moments,
               std::vector<double>& values) {
  widen_elements(field.dtype, bytes, values);
  if (moments.channels.empty()) return moments.all.add(values);
  const std::size_t pixels = field.elements() / moments.channels.size();
  for (std::size_t first = 0; first < values.size(); first += pixels)
    moments.channels[first / pixels % moments.channels.size()].add(std::span(values).subspan(first, pixels));
}

// Elements that are not stored are zeros.
void add_sparse(const io::Field& field, const io::SparseRows& rows, FieldMoments& moments,
                std::vector<double>& values) {
  widen_elements(field.dtype, rows.values, values);
  moments.all.add(values);
  Moments zeros;
  zeros.count = rows.row_ends.size() * field.elements() - values.size();
  zeros.least = zeros.largest = 0.0;
  moments.all.merge(zeros);
}

}  // namespace

void widen_elements(DType dtype, std::span<const std::byte> bytes, std::vector<double>& values) {
  switch (dtype) {
    case DType::f64:
      return widen_as<double>(bytes, values);
    case DType::f32:
      return widen_as<float>(bytes, values);
    case DType::bf16:
      return widen_as<bfloat16>(bytes, values, [](bfloat16 x) { return to_f32(x); });
    case DType::f16:
      return widen_as<float16>(bytes, values, [](float16 x) { return to_f32(x); });
    case DType::i64:
      return widen_as<std::int64_t>(bytes, values);
    case DType::i32:
      return widen_as<std::int32_t>(bytes, values);
    case DType::i16:
      return widen_as<std::int16_t>(bytes, values);
    case DType::i8:
      return widen_as<std::int8_t>(bytes, values);
    case DType::u64:
      return widen_as<std::uint64_t>(bytes, values);
    case DType::u32:
      return widen_as<std::uint32_t>(bytes, values);
    case DType::u16:
      return widen_as<std::uint16_t>(bytes, values);
    case DType::u8:
      return widen_as<std::uint8_t>(bytes, values);
  }
}

double Moments::deviation() const noexcept {
  return count == 0 ? 0.0 : std::sqrt(squares / static_cast<double>(count));
}

// Mean and squares of a portion by two passes, then both portions together (Chan, Golub and LeVeque, 1979).
void Moments::add(std::span<const double> values) {
  Moments portion;
  double sum = 0.0;
  for (const double value : values) {
    if (!std::isfinite(value)) {
      ++(std::isnan(value) ? portion.not_numbers : portion.infinite);
      continue;
    }
    ++portion.count;
    sum += value;
    portion.least = std::min(portion.least, value);
    portion.largest = std::max(portion.largest, value);
  }
  if (portion.count > 0) portion.mean = sum / static_cast<double>(portion.count);
  for (const double value : values)
    if (std::isfinite(value)) portion.squares += (value - portion.mean) * (value - portion.mean);
  merge(portion);
}

void Moments::merge(const Moments& other) {
  not_numbers += other.not_numbers;
  infinite += other.infinite;
  if (other.count == 0) return;
  const auto mine = static_cast<double>(count);
  const auto its = static_cast<double>(other.count);
  const double distance = other.mean - mean;
  mean += distance * its / (mine + its);
  squares += other.squares + distance * distance * mine * its / (mine + its);
  count += other.count;
  least = std::min(least, other.least);
  largest = std::max(largest, other.largest);
}

std::vector<FieldMoments> statistics(const io::Dataset& dataset) {
  const auto& fields = dataset.fields();
  std::vector<FieldMoments> result(fields.size());
  std::uint64_t sample_bytes = 1;
  for (std::size_t f = 0; f < fields.size(); ++f) {
    if (channels_of(fields[f]) > 1) result[f].channels.resize(channels_of(fields[f]));
    sample_bytes += fields[f].sparse ? 0 : fields[f].sample_bytes();
  }
  constexpr std::uint64_t kBytesAtOnce = std::uint64_t{1} << 20;
  const std::uint64_t samples_at_once = std::min<std::uint64_t>(4096, 1 + kBytesAtOnce / sample_bytes);
  io::SampleReader reader(dataset, 0);
  io::SampleBlock block(fields.size());
  std::vector<double> values;
  for (std::uint64_t id = 0; id < dataset.size(); ++id) {
    reader.append(id, block);
    if (block.samples < samples_at_once && id + 1 < dataset.size()) continue;
    for (std::size_t f = 0; f < fields.size(); ++f)
      if (fields[f].sparse)
        add_sparse(fields[f], block.sparse[f], result[f], values);
      else
        add_dense(fields[f], block.data[f], result[f], values);
    block.clear();
  }
  for (FieldMoments& moments : result)
    for (const Moments& channel : moments.channels) moments.all.merge(channel);
  return result;
}

}  // namespace tutti::tools::data
