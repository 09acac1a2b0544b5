#include <tutti/io/importers/label_field.hpp>

#include <fmt/format.h>

#include <cstring>

#include <tutti/kernels/dtype.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti::io {

namespace {

template <class T>
T load_as(std::span<const std::byte> bytes, std::size_t index) {
  T value{};
  std::memcpy(&value, bytes.data() + index * sizeof(T), sizeof(T));
  return value;
}

std::int64_t load_integer(DType dtype, std::span<const std::byte> bytes, std::size_t index) {
  switch (dtype) {
    case DType::u8:
      return load_as<std::uint8_t>(bytes, index);
    case DType::i8:
      return load_as<std::int8_t>(bytes, index);
    case DType::u16:
      return load_as<std::uint16_t>(bytes, index);
    case DType::i16:
      return load_as<std::int16_t>(bytes, index);
    case DType::u32:
      return load_as<std::uint32_t>(bytes, index);
    case DType::i32:
      return load_as<std::int32_t>(bytes, index);
    default:
      return load_as<std::int64_t>(bytes, index);
  }
}

}  // namespace

bool holds_class_labels(const Field& field, const std::string& place) {
  if (field.name != "label") return false;
  if (!is_floating(field.dtype) && field.elements() == 1) return true;
  throw DataError(
      fmt::format("{}: 'label' is for class labels, integers, one a sample; it is {} {{{}}}: name it otherwise", place,
                  name(field.dtype), fmt::join(field.shape, ", ")));
}

Field class_label_field() { return {"label", DType::i64, {}}; }

void append_class_labels(DType dtype, std::span<const std::byte> labels, ClassLabels& classes,
                         const std::function<std::string(std::size_t)>& place, std::vector<std::byte>& out) {
  const std::size_t count = labels.size() / size_of(dtype);
  const std::size_t before = out.size();
  out.resize(before + count * sizeof(std::int64_t));
  for (std::size_t i = 0; i < count; ++i) {
    const std::int64_t label = load_integer(dtype, labels, i);
    if (dtype == DType::u64 && label < 0)
      throw DataError(fmt::format("{}: label {} is no class", place(i), load_as<std::uint64_t>(labels, i)));
    classes.see(label, [&] { return place(i); });
    std::memcpy(out.data() + before + i * sizeof(label), &label, sizeof(label));
  }
}

}  // namespace tutti::io
