// What writing and reading shards have in common.
#include <tutti/io/detail/shard.hpp>

#include <fmt/core.h>

#include <cstring>
#include <set>
#include <type_traits>

#include <tutti/kernels/crc32c.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti::io {

namespace {

bool is_plain_name(const std::string& name) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  };
  return !name.empty() && std::all_of(name.begin(), name.end(), plain);
}

bool has_zero(const std::vector<std::size_t>& shape) {
  return std::find(shape.begin(), shape.end(), std::size_t{0}) != shape.end();
}

constexpr std::uint64_t kMostColumns = std::uint64_t{1} << 32;  // they are numbered by u32

// Whether the bytes of a sample are a number that may be multiplied by a count of samples without second thoughts: a
// petabyte, at most.
bool fits(const Field& field) {
  std::size_t room = (std::size_t{1} << 50) / size_of(field.dtype);
  for (const std::size_t extent : field.shape) room /= extent;
  return room > 0;
}

// Calls `visit` with a value of the C++ type of an integer dtype. Requires one.
template <class Visitor>
auto visit_integer(DType dtype, Visitor visit) {
  switch (dtype) {
    case DType::i64:
      return visit(std::int64_t{});
    case DType::i32:
      return visit(std::int32_t{});
    case DType::i16:
      return visit(std::int16_t{});
    case DType::i8:
      return visit(std::int8_t{});
    case DType::u64:
      return visit(std::uint64_t{});
    case DType::u32:
      return visit(std::uint32_t{});
    case DType::u16:
      return visit(std::uint16_t{});
    default:
      return visit(std::uint8_t{});
  }
}

template <class T>
T load(std::span<const std::byte> bytes, std::size_t index) {
  T value{};
  std::memcpy(&value, bytes.data() + index * sizeof(T), sizeof(T));
  return value;
}

}  // namespace

std::string shard_file_name(std::uint64_t shard, std::uint64_t shards) {
  return fmt::format("shard-{:05}-of-{:05}.h5", shard, shards);
}

std::uint64_t schema_version(const std::vector<Field>& fields, const Compression& compression, bool linked) noexcept {
  if (linked) return 3;
  const bool sparse = std::any_of(fields.begin(), fields.end(), [](const Field& field) { return field.sparse; });
  return sparse || compression != Compression{} ? 2 : 1;
}

std::uint32_t sparse_checksum(std::span<const std::uint64_t> row_ends, std::span<const std::uint32_t> columns,
                              std::span<const std::byte> values) noexcept {
  return crc32c(values, crc32c(std::as_bytes(columns), crc32c(std::as_bytes(row_ends))));
}

std::string describe_invalid_fields(const std::vector<Field>& fields, std::size_t classes) {
  if (fields.empty()) return "there are no fields";
  std::set<std::string> names;
  for (const Field& field : fields) {
    if (!is_plain_name(field.name))
      return fmt::format("field name '{}' is not made of letters, digits, - and _", field.name);
    if (!names.insert(field.name).second) return fmt::format("field '{}' is there twice", field.name);
    if (has_zero(field.shape)) return fmt::format("field '{}' has an extent of zero", field.name);
    if (!fits(field)) return fmt::format("field '{}' has samples of more bytes than can be counted", field.name);
    if (field.shape.size() + 1 > H5S_MAX_RANK) return fmt::format("field '{}' has too many dimensions", field.name);
    if (!field.sparse) continue;
    if (field.shape.size() != 1 || field.shape.front() > kMostColumns)
      return fmt::format("sparse field '{}' does not have one dimension of at most {} columns", field.name,
                         kMostColumns);
    if (field.dtype != DType::f32 && field.dtype != DType::f64)
      return fmt::format("sparse field '{}' has values of type {}, they must be f32 or f64", field.name,
                         name(field.dtype));
  }
  if (classes == 0) return {};
  const auto label = std::find_if(fields.begin(), fields.end(), [](const Field& f) { return f.name == kLabelField; });
  if (label == fields.end() || !label->shape.empty() || is_floating(label->dtype))
    return fmt::format("there are {} classes, but no field '{}' of one integer per sample", classes, kLabelField);
  return {};
}

std::size_t first_bad_label(const Field& field, std::span<const std::byte> labels, std::size_t classes) {
  return visit_integer(field.dtype, [&](auto zero) {
    using T = decltype(zero);
    const std::size_t count = labels.size() / sizeof(T);
    for (std::size_t i = 0; i < count; ++i) {
      const T label = load<T>(labels, i);
      if (std::is_signed_v<T> && label < T{0}) return i;
      if (static_cast<std::uint64_t>(label) >= classes) return i;
    }
    return count;
  });
}

std::size_t label_value(const Field& field, std::span<const std::byte> labels, std::size_t index) {
  return visit_integer(field.dtype,
                       [&](auto zero) { return static_cast<std::size_t>(load<decltype(zero)>(labels, index)); });
}

std::string label_text(const Field& field, std::span<const std::byte> labels, std::size_t index) {
  return visit_integer(field.dtype, [&](auto zero) { return fmt::format("{}", +load<decltype(zero)>(labels, index)); });
}

}  // namespace tutti::io
