#include <tutti/io/detail/hdf5_samples.hpp>

#include <fmt/core.h>

#include <iterator>
#include <utility>

#include <tutti/kernels/error.hpp>

namespace tutti::io {

namespace {

const char* class_name(H5T_class_t type) {
  switch (type) {
    case H5T_STRING:
      return "texts";
    case H5T_COMPOUND:
      return "records of several fields (compound)";
    case H5T_ENUM:
      return "names (enum)";
    case H5T_VLEN:
      return "lists of variable length";
    case H5T_ARRAY:
      return "arrays within elements";
    case H5T_REFERENCE:
      return "references";
    case H5T_OPAQUE:
      return "opaque bytes";
    case H5T_BITFIELD:
      return "bit fields";
    default:
      return "elements of an unknown kind";
  }
}

struct Element {
  DType dtype;
  h5::Id memory_type;
};

class ElementFinder {
 public:
  ElementFinder(const std::filesystem::path& file, const std::string& place) : file_(file), place_(place) {}

  Element find(hid_t dataset) const {
    const h5::Id type = h5::own(H5Dget_type(dataset), H5Tclose, file_, kUnknown);
    const H5T_class_t kind = H5Tget_class(type.get());
    if (kind == H5T_INTEGER) return find_integer(type.get());
    if (kind == H5T_FLOAT) return find_float(type.get());
    if (kind == H5T_ENUM) return find_boolean(type.get());
    refuse(fmt::format("holds {}; numbers are read", class_name(kind)));
  }

 private:
  static constexpr const char* kUnknown = "its type cannot be read";

  [[noreturn]] void refuse(const std::string& what) const { throw DataError(fmt::format("{} {}", place_, what)); }

  Element element(DType dtype, hid_t memory_type) const {
    return {.dtype = dtype, .memory_type = h5::own(H5Tcopy(memory_type), H5Tclose, file_, kUnknown)};
  }

  Element find_integer(hid_t type) const {
    static constexpr DType kIntegers[] = {DType::i8, DType::i16, DType::i32, DType::i64,
                                          DType::u8, DType::u16, DType::u32, DType::u64};
    const bool is_signed = H5Tget_sign(type) != H5T_SGN_NONE;
    for (std::size_t i = 0; i < std::size(kIntegers); ++i)
      if ((i < 4) == is_signed && size_of(kIntegers[i]) == H5Tget_size(type))
        return element(kIntegers[i], h5::file_type(kIntegers[i]));
    refuse(fmt::format("holds integers of {} bytes; 1, 2, 4 and 8 are read", H5Tget_size(type)));
  }

  Element find_float(hid_t type) const {
    std::size_t sign = 0;
    std::size_t exponent = 0;
    std::size_t exponent_bits = 0;
    std::size_t mantissa = 0;
    std::size_t mantissa_bits = 0;
    H5Tget_fields(type, &sign, &exponent, &exponent_bits, &mantissa, &mantissa_bits);
    const auto is = [&](std::size_t bytes, std::size_t e, std::size_t m) {
      return H5Tget_size(type) == bytes && exponent_bits == e && mantissa_bits == m;
    };
    // HDF5 converts these from another bias or order of the parts.
    if (is(4, 8, 23)) return element(DType::f32, h5::file_type(DType::f32));
    if (is(8, 11, 52)) return element(DType::f64, h5::file_type(DType::f64));
    const DType half = is(2, 5, 10) ? DType::f16 : DType::bf16;
    if (half == DType::bf16 && !is(2, 8, 7))
      refuse(
          fmt::format("holds real numbers of {} bytes with {} bits of exponent and {} of mantissa; known are f16, "
                      "bf16, f32 and f64",
                      H5Tget_size(type), exponent_bits, mantissa_bits));
    // HDF5 has no such types to convert to, so the bits are copied.
    const H5T_order_t order = H5Tget_order(type);
    if (sign != 15 || exponent != mantissa_bits || mantissa != 0 || H5Tget_norm(type) != H5T_NORM_IMPLIED ||
        H5Tget_ebias(type) != (half == DType::f16 ? 15U : 127U) || (order != H5T_ORDER_LE && order != H5T_ORDER_BE))
      refuse(
          fmt::format("holds real numbers of 2 bytes that are no {}: their exponent has the bias {}, or their parts "
                      "stand in another order",
                      name(half), H5Tget_ebias(type)));
    Element result = element(half, type);
    H5Tset_order(result.memory_type.get(), H5T_ORDER_LE);
    return result;
  }

  // h5py stores booleans as an enum of one byte with the members FALSE and TRUE.
  Element find_boolean(hid_t type) const {
    signed char no = -1;
    signed char yes = -1;
    if (H5Tget_size(type) != 1 || H5Tget_nmembers(type) != 2 || H5Tenum_valueof(type, "FALSE", &no) < 0 ||
        H5Tenum_valueof(type, "TRUE", &yes) < 0 || no != 0 || yes != 1)
      refuse("holds names (enum); only booleans, FALSE and TRUE, are read");
    return element(DType::u8, type);
  }

  const std::filesystem::path& file_;
  const std::string& place_;
};

}  // namespace

std::vector<hsize_t> hdf5_extents(hid_t dataset, const std::filesystem::path& file) {
  const h5::Id space = h5::own(H5Dget_space(dataset), H5Sclose, file, "its shape cannot be read");
  const int dimensions = H5Sget_simple_extent_ndims(space.get());
  std::vector<hsize_t> extents(dimensions > 0 ? static_cast<std::size_t>(dimensions) : 0);
  if (!extents.empty()) H5Sget_simple_extent_dims(space.get(), extents.data(), nullptr);
  return extents;
}

Hdf5Samples describe_hdf5_samples(hid_t dataset, const std::filesystem::path& file, const std::string& place) {
  const auto refuse = [&](const std::string& what) { throw DataError(fmt::format("{} {}", place, what)); };
  Element element = ElementFinder(file, place).find(dataset);
  Hdf5Samples result{.dtype = element.dtype,
                     .memory_type = std::move(element.memory_type),
                     .extents = hdf5_extents(dataset, file),
                     .sample_bytes = size_of(element.dtype)};
  const std::vector<hsize_t>& extents = result.extents;
  if (extents.empty()) refuse("is a scalar or empty; the first dimension of a dataset counts samples");
  if (extents.size() > 31) refuse(fmt::format("has {} dimensions; at most 31 are kept", extents.size()));
  if (extents[0] == 0) refuse("holds no samples: its first dimension is 0");
  for (std::size_t d = 1; d < extents.size(); ++d) {
    if (extents[d] == 0) refuse(fmt::format("has samples without elements: its dimension {} is 0", d));
    if (extents[d] > (std::uint64_t{1} << 32) / result.sample_bytes) refuse("has samples of more than 2^32 bytes");
    result.sample_bytes *= extents[d];
  }
  return result;
}

}  // namespace tutti::io
