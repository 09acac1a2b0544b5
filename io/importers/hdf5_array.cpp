#include <tutti/io/importers/hdf5_array.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <system_error>

#include <tutti/io/importers/hdf5_written.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::io {

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMostUnpacked = 1032;  // that deflate makes from a byte
constexpr std::uint64_t kAlwaysPlausible = std::uint64_t{64} << 20;

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

// HDF5 would make infinities of numbers that are too large for the type.
H5T_conv_ret_t refuse_too_large(H5T_conv_except_t exception, hid_t /*from*/, hid_t /*to*/, void* /*value*/,
                                void* /*converted*/, void* /*state*/) {
  return exception == H5T_CONV_EXCEPT_RANGE_HI || exception == H5T_CONV_EXCEPT_RANGE_LOW ? H5T_CONV_ABORT
                                                                                         : H5T_CONV_UNHANDLED;
}

}  // namespace

Hdf5Array::Hdf5Array(hid_t root, const fs::path& file, const std::string& dataset) : file_(file), name_(dataset) {
  const h5::Id access = h5::own(H5Pcreate(H5P_DATASET_ACCESS), H5Pclose, file, "cannot be opened");
  dataset_ = h5::Id(H5Dopen2(root, name_.c_str(), access.get()), H5Dclose);
  if (!dataset_.valid()) h5::fail(file, fmt::format("there is no dataset '{}' that can be opened", printable(name_)));
  transfer_ = h5::own(H5Pcreate(H5P_DATASET_XFER), H5Pclose, file, "cannot be opened");
  H5Pset_type_conv_cb(transfer_.get(), refuse_too_large, nullptr);
  find_type();
  find_shape(root);
}

void Hdf5Array::refuse(const std::string& what) const {
  throw DataError(fmt::format("{}: dataset '{}' {}", file_.string(), printable(name_), what));
}

void Hdf5Array::find_type() {
  const h5::Id type = h5::own(H5Dget_type(dataset_.get()), H5Tclose, file_, "its type cannot be read");
  const H5T_class_t kind = H5Tget_class(type.get());
  if (kind == H5T_INTEGER) return find_integer(type.get());
  if (kind == H5T_FLOAT) return find_float(type.get());
  if (kind == H5T_ENUM) return find_boolean(type.get());
  refuse(fmt::format("holds {}; numbers are read", class_name(kind)));
}

void Hdf5Array::find_integer(hid_t type) {
  static constexpr DType kIntegers[] = {DType::i8, DType::i16, DType::i32, DType::i64,
                                        DType::u8, DType::u16, DType::u32, DType::u64};
  const bool is_signed = H5Tget_sign(type) != H5T_SGN_NONE;
  for (std::size_t i = 0; i < std::size(kIntegers); ++i)
    if ((i < 4) == is_signed && size_of(kIntegers[i]) == H5Tget_size(type)) {
      dtype_ = kIntegers[i];
      memory_type_ = h5::own(H5Tcopy(h5::file_type(dtype_)), H5Tclose, file_, "its type cannot be read");
      return;
    }
  refuse(fmt::format("holds integers of {} bytes; 1, 2, 4 and 8 are read", H5Tget_size(type)));
}

void Hdf5Array::find_float(hid_t type) {
  std::size_t sign = 0;
  std::size_t exponent = 0;
  std::size_t exponent_bits = 0;
  std::size_t mantissa = 0;
  std::size_t mantissa_bits = 0;
  H5Tget_fields(type, &sign, &exponent, &exponent_bits, &mantissa, &mantissa_bits);
  const auto is = [&](std::size_t bytes, std::size_t e, std::size_t m) {
    return H5Tget_size(type) == bytes && exponent_bits == e && mantissa_bits == m;
  };
  if (is(2, 5, 10)) {
    dtype_ = DType::f16;
  } else if (is(2, 8, 7)) {
    dtype_ = DType::bf16;
  } else if (is(4, 8, 23)) {
    dtype_ = DType::f32;
  } else if (is(8, 11, 52)) {
    dtype_ = DType::f64;
  } else {
    refuse(
        fmt::format("holds real numbers of {} bytes with {} bits of exponent and {} of mantissa; known are f16, "
                    "bf16, f32 and f64",
                    H5Tget_size(type), exponent_bits, mantissa_bits));
  }
  if (!is_half(dtype_)) {  // HDF5 converts from another bias or order of the parts
    memory_type_ = h5::own(H5Tcopy(h5::file_type(dtype_)), H5Tclose, file_, "its type cannot be read");
    return;
  }
  // HDF5 has no such types to convert to, so the bits are copied.
  const H5T_order_t order = H5Tget_order(type);
  if (sign != 15 || exponent != mantissa_bits || mantissa != 0 || H5Tget_norm(type) != H5T_NORM_IMPLIED ||
      H5Tget_ebias(type) != (dtype_ == DType::f16 ? 15U : 127U) || (order != H5T_ORDER_LE && order != H5T_ORDER_BE))
    refuse(
        fmt::format("holds real numbers of 2 bytes that are no {}: their exponent has the bias {}, or their parts "
                    "stand in another order",
                    name(dtype_), H5Tget_ebias(type)));
  memory_type_ = h5::own(H5Tcopy(type), H5Tclose, file_, "its type cannot be read");
  H5Tset_order(memory_type_.get(), H5T_ORDER_LE);
}

// h5py stores booleans as an enum of one byte with the members FALSE and TRUE.
void Hdf5Array::find_boolean(hid_t type) {
  signed char no = -1;
  signed char yes = -1;
  if (H5Tget_size(type) != 1 || H5Tget_nmembers(type) != 2 || H5Tenum_valueof(type, "FALSE", &no) < 0 ||
      H5Tenum_valueof(type, "TRUE", &yes) < 0 || no != 0 || yes != 1)
    refuse("holds names (enum); only booleans, FALSE and TRUE, are read");
  dtype_ = DType::u8;
  memory_type_ = h5::own(H5Tcopy(type), H5Tclose, file_, "its type cannot be read");
}

void Hdf5Array::find_shape(hid_t root) {
  extents_ = hdf5_extents(dataset_.get(), file_);
  if (extents_.empty()) refuse("is a scalar or empty; the first dimension of a dataset counts samples");
  if (extents_.size() > 31) refuse(fmt::format("has {} dimensions; at most 31 are kept", extents_.size()));
  if (extents_[0] == 0) refuse("holds no samples: its first dimension is 0");
  sample_bytes_ = size_of(dtype_);
  for (std::size_t d = 1; d < extents_.size(); ++d) {
    if (extents_[d] == 0) refuse(fmt::format("has samples without elements: its dimension {} is 0", d));
    if (extents_[d] > (std::uint64_t{1} << 32) / sample_bytes_) refuse("has samples of more than 2^32 bytes");
    sample_bytes_ *= extents_[d];
  }
  written_ = require_written(dataset_.get(), file_, fmt::format("{}: dataset '{}'", file_.string(), printable(name_)));

  // A chunk is decompressed as a whole, and kept for the samples of it that follow.
  const h5::Id properties = h5::own(H5Dget_create_plist(dataset_.get()), H5Pclose, file_, "its layout cannot be read");
  if (H5Pget_layout(properties.get()) != H5D_CHUNKED) return;
  std::vector<hsize_t> chunk(extents_.size());
  H5Pget_chunk(properties.get(), static_cast<int>(chunk.size()), chunk.data());
  const std::uint64_t band = std::min(chunk[0], extents_[0]) * sample_bytes_;
  std::uint64_t chunk_bytes = size_of(dtype_);
  for (const hsize_t extent : chunk) {
    if (extent == 0 || extent > (std::uint64_t{1} << 32) / chunk_bytes) refuse("has chunks of no or of absurd size");
    chunk_bytes *= extent;
  }
  std::error_code error;
  const std::uint64_t most = std::max(kAlwaysPlausible, kMostUnpacked * fs::file_size(file_, error));
  if (chunk_bytes > most || sample_bytes_ > most) refuse("has chunks larger than its file can hold");
  constexpr std::uint64_t kMostCached = std::uint64_t{256} << 20;
  const h5::Id access = h5::own(H5Pcreate(H5P_DATASET_ACCESS), H5Pclose, file_, "cannot be opened");
  H5Pset_chunk_cache(access.get(), 10007, std::clamp<std::uint64_t>(band + chunk_bytes, 1U << 20, kMostCached), 1.0);
  dataset_ = h5::own(H5Dopen2(root, name_.c_str(), access.get()), H5Dclose, file_, "cannot be opened");
}

void Hdf5Array::read(std::uint64_t first, std::uint64_t samples, std::vector<std::byte>& out) const {
  const auto what = [&] {
    return fmt::format("dataset '{}', samples {} to {}, cannot be read", printable(name_), first, first + samples - 1);
  };
  std::vector<hsize_t> start(extents_.size(), 0);
  std::vector<hsize_t> count = extents_;
  start[0] = first;
  count[0] = samples;
  const h5::Id source = h5::own(H5Dget_space(dataset_.get()), H5Sclose, file_, what());
  h5::require(H5Sselect_hyperslab(source.get(), H5S_SELECT_SET, start.data(), nullptr, count.data(), nullptr), file_,
              what());
  const h5::Id target =
      h5::own(H5Screate_simple(static_cast<int>(count.size()), count.data(), nullptr), H5Sclose, file_, what());
  const std::size_t before = out.size();
  out.resize(before + samples * sample_bytes_);
  h5::require(
      H5Dread(dataset_.get(), memory_type_.get(), target.get(), source.get(), transfer_.get(), out.data() + before),
      file_, what());
}

}  // namespace tutti::io
